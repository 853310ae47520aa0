-- What a host does wrong, and what it gets for it.
local process = require "spec.support.process"

local build = os.getenv "NEAP_BUILD"

local function run(...)
  return process.run { build .. "/embed/" .. (...), select(2, ...) }
end

local expected = {
  o = [[
open without a place for it: EINVAL
open without initialized options: EINVAL
the runtime is NULL
open with libraries that fail: EIO
open in a state: ok
open in it again: EEXIST
close: ok
close again: ESHUTDOWN
poll when closed: ESHUTDOWN
open after close: EEXIST
open without descriptors: EMFILE
open in a state without descriptors: EMFILE
open in it with descriptors: ok
]],
  i = [[
close inside a task: EBUSY
poll inside a task: EBUSY
run inside a task: 1, the loop runs already
close inside a function: EBUSY
wait outside of a task: outside a task: call this inside neap.run
post: ok
close inside a post: EBUSY
reported: neap: Exception in callback
post: ok
post nothing: EINVAL
post: told of the end
close: ok
post after close: ESHUTDOWN
]],
  r = [[
future: ok
watch: ok
watch twice: EALREADY
state in another thread: EPERM
cancel in another thread: EPERM
watch in another thread: EPERM
complete in another thread: ok
complete again: EALREADY
the future is done: called, 1
state 1, 1 result: 7
cancel what is done: EALREADY
state 2, 1 error: it failed
cancel: ok
complete what was cancelled: ok
late: nobody waits
reference to a number: EINVAL
task of a number: EINVAL
task: ok
complete a task: EINVAL
cancel all: ok
the task is done: called, 3
the other future is done: the runtime closes, -108
close: ok
state after close: ESHUTDOWN
complete after close: ESHUTDOWN
]],
  l = [[
open on a loop: ok
close the loop first: EBUSY
close the loop then: ok
]],
  n = [[
close: EINVAL
poll: EINVAL
descriptor: EINVAL
timeout: -1
cancel all: EINVAL
mailbox: EINVAL
post: EINVAL
state: NULL
run: 1, no code
mailbox without a place for it: EINVAL
future without a place for it: EINVAL
reference without a place for it: EINVAL
limits: EINVAL
push: EINVAL
state of a reference: EINVAL
results: EINVAL
cancel: EINVAL
watch: EINVAL
complete: EINVAL
future: ok
watch without a function: EINVAL
complete without a function: ok
state 1, 1 value on the stack
limits: EINVAL
future: EINVAL
task: EINVAL
run: 1, there is no runtime to run in
text: there is no runtime to run in
]],
  g = [[
close the loop under the runtime: ok
task: ok
a task ended
close: ECANCELED
]],
  t = [[
close: EPERM
poll: EPERM
descriptor: EPERM
cancel all: EPERM
mailbox: EPERM
task: EPERM
run: 1, the runtime is another thread's
interrupted: CancelledError
close: ok
]],
  s = [[
close after the handles: ECANCELED
]],
}

describe("a host gets an answer", function()
  it("opening, closing and what is closed", function()
    assert.are.same({ code = 0, stdout = expected.o, stderr = "" }, run("errors", "o"))
  end)

  it("NULL, and a state without a runtime", function()
    assert.are.same({ code = 0, stdout = expected.n, stderr = "" }, run("errors", "n"))
  end)

  it("another thread, but for an interruption", function()
    assert.are.same({ code = 0, stdout = expected.t, stderr = "" }, run("errors", "t"))
  end)

  it("inside of tasks, functions and posts", function()
    assert.are.same({ code = 0, stdout = expected.i, stderr = "" }, run("errors", "i"))
  end)

  it("references: twice, late, in another thread, after close", function()
    assert.are.same({ code = 0, stdout = expected.r, stderr = "" }, run("errors", "r"))
  end)

  it("a loop of the host's is closed too early", function()
    assert.are.same({ code = 0, stdout = expected.l, stderr = "" }, run("errors", "l"))
  end)

  it("a loop of the host's is gone, and tasks go on by neap_poll", function()
    assert.are.same({ code = 0, stdout = expected.g, stderr = "" }, run("errors", "g"))
  end)

  it("when it has closed the handles on its loop itself", function()
    assert.are.equal(expected.s, run("errors", "s").stdout)
  end)
end)
