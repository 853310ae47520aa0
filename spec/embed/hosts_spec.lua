-- The C programs in embed/ that people copy: each is built, run, and does what it says.
local process = require "spec.support.process"

local build = os.getenv "NEAP_BUILD"

local function prints(name, text)
  assert.are.same({ code = 0, stdout = text, stderr = "" },
    process.run { build .. "/embed/" .. name })
end

describe("the hosts in embed/", function()
  it("hello: a script is run to its end", function()
    prints("hello", "hello, world\n")
  end)

  it("awaitable: a C function suspends, and is told of a cancellation", function()
    prints("awaitable",
      "the answer is 42\nthe device is told that nobody waits\nin time\tfalse\n")
  end)

  it("threads: a thread completes a wait while other tasks go on", function()
    prints("threads", "450000015000000 500500, ticked 1, in time 0\n")
  end)

  it("epoll: the runtime lives in a loop of the host's", function()
    prints("epoll", "task\t1\ntask\t2\ntask\t3\nthe host ticked meanwhile: yes\n")
  end)

  it("adopt: uv_run on the host's loop is all it needs", function()
    prints("adopt", "a task slept\nthe program's timer\n"
      .. "a task was woken by a callback\nthe loop closes with 0\n")
  end)
end)
