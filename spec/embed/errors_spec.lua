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
open in a state: ok
open in it again: EEXIST
close: ok
close again: ESHUTDOWN
poll when closed: ESHUTDOWN
open after close: EEXIST
close nothing: EINVAL
poll nothing: EINVAL
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
  s = [[
close after the handles: ECANCELED
]],
}

describe("a host gets an answer", function()
  it("opening, closing, NULL and what is closed", function()
    assert.are.same({ code = 0, stdout = expected.o, stderr = "" }, run("errors", "o"))
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

  it("when it has closed the handles on its loop itself", function()
    assert.are.equal(expected.s, run("errors", "s").stdout)
  end)
end)
