-- Hosts that drive a runtime, stop it, and hold what it has made; in the wrong state and at the
-- wrong moment too.
local process = require "spec.support.process"

local build = os.getenv "NEAP_BUILD"

local function prints(program, part, stdout)
  assert.are.same({ code = 0, stdout = stdout, stderr = "" },
    process.run { build .. "/embed/" .. program, part })
end

describe("a host that drives a runtime whose tasks do I/O", function()
  it("does so on its own loop, which ends by itself", function()
    prints("turns", "l", "ONE\nTWO\nstate 1\nclose: ok\nclose the loop: ok\n")
  end)

  it("waits for a descriptor, for as long as the runtime says", function()
    prints("turns", "d", ("ONE\nTWO\nstate 1\ntimeout -1\nof a sleep long\nclose: ok\n"):rep(2))
  end)

  it("has no deadlines to wait for on a virtual clock: they come at once", function()
    prints("turns", "v", "ONE\nTWO\nstate 1\ntimeout -1\nof a sleep none\nclose: ok\n")
  end)

  it("waits for what a thread completes", function()
    prints("turns", "c", "timeout -1\nstate 1\nclose: ok\n")
  end)

  it("stops a turn in the middle; what is left runs in the next", function()
    prints("turns", "s", [[
poll: EINTR
state 0 and 0
timeout 0
the other task runs
poll: ok
state 1 and 1
close: ok
]])
  end)

  it("stops a turn in the middle; what is left runs beside a main task", function()
    prints("turns", "r", [[
poll: EINTR
the other task runs
the main task
run: 0
close: ok
]])
  end)

  it("interrupts between turns, which cancels all tasks", function()
    prints("turns", "i", "timeout 0\ntrue\nstate 3\nclose: ok\n")
  end)
end)

describe("a host's reference", function()
  it("to what Lua has made tells when it is done, and its results", function()
    prints("refs", "l", [[
reference: ok
another: ok
results while pending: 0, 0 values
watch: ok
watch: ok
the first: done, state 1
reported: neap: Exception in callback
watch what is done: ok
the first again: done, state 1
results: 1, 2 values
reference to a table: EINVAL
close: ok
]])
  end)

  it("cannot be cancelled inside a cancel function; a task of C waits for Lua", function()
    prints("refs", "m", [[
cancel inside a cancel function: EBUSY
cancel all inside a cancel function: EBUSY
cancel: ok
state 3, of the other 0
close: ok
state 1: from Lua
close: ok
]])
  end)

  it("is refused where it does not belong", function()
    prints("refs", "p", [[
begin without a runtime: there is no runtime in this state
task, and no loop runs: EBUSY
poll: EINVAL
push where it is: ok
push elsewhere: EINVAL
0 values
await nothing: not a reference of this runtime
await elsewhere: not a reference of this runtime
close: ok
close: ok
]])
  end)

  it("needs room on the stack, and without it leaves the stack as it was", function()
    prints("refs", "r", [[
push: ENOMEM
results: ENOMEM
future: ENOMEM
reference: ENOMEM
task: ENOMEM
results: ENOMEM
state 1
run: 1, stack overflow
close: ok
run: 1, stack overflow
close: ok
]])
  end)
end)

describe("a host's state", function()
  it("is opened once there is room on its stack", function()
    prints("refs", "o", "open: ENOMEM\nopen with room: ok\n")
  end)

  it("runs nothing when its runtime has closed", function()
    prints("refs", "c", "run: 1, the runtime is closed\n")
  end)

  it("says what the host's unprotected error was, before Lua aborts", function()
    for part, text in pairs { u = "of the host's own", t = "(no message)" } do
      local result = process.run { build .. "/embed/refs", part }
      assert.are.equal("neap: unprotected error in a call to Lua: " .. text .. "\n", result.stderr)
      assert.are_not.equal(0, result.code)
    end
  end)
end)
