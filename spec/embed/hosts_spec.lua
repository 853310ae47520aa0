-- The C programs in embed/ that people copy: each does what it says. spec/install/hosts_spec.lua
-- builds them as people do.
local outputs = require "spec.support.hosts"
local process = require "spec.support.process"

local build = os.getenv "NEAP_BUILD"

local function prints(name)
  if not outputs[name] then
    pending "luv is not installed"
    return
  end
  assert.are.same({ code = 0, stdout = outputs[name], stderr = "" },
    process.run { build .. "/embed/" .. name })
end

describe("the hosts in embed/", function()
  it("hello: a script is run to its end", function() prints "hello" end)

  it("awaitable: a C function suspends, and is told of a cancellation", function()
    prints "awaitable"
  end)

  it("threads: a thread completes a wait while other tasks go on", function()
    prints "threads"
  end)

  it("epoll: the runtime lives in a loop of the host's", function() prints "epoll" end)

  it("adopt: luv's callbacks and neap's tasks on the host's loop", function()
    prints "adopt"
  end)
end)
