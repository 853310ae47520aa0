-- What the sweeps have found; each scenario at all of its points.
local neap = require "neap"
local net = require "neap.net"

local in_loop = require "spec.support.loop"

local build = assert(os.getenv "NEAP_BUILD")

--- Runs `sweep MODE` on all points of a scenario of spec/sweep/scenarios/FILE.lua.
local function sweep(mode, file, name)
  local command = ("LD_PRELOAD= '%s/sweep' %s spec/sweep/scenarios/%s.lua 0 '%s' 2>&1"):format(
    build, mode, file, name)
  local output <close> = assert(io.popen(command))
  local text = output:read "a"
  assert.is_truthy(text:find(", 0 failures", 1, true), text:sub(1, 2000))
end

describe("found by the sweeps:", function()
  it("a program that may not be killed does not hold the end of a block", function()
    sweep("calls-once", "system", "a block ends before its program")
  end)

  it("a server whose accepting task somebody cancels is closed", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function() end)
    local serving = neap.create_task(server.serve_forever, server)
    local _, port = server:sockname()
    neap.sleep(0)
    for _, task in ipairs(neap.all_tasks()) do
      if task ~= neap.current_task() and task ~= serving then task:cancel() end
    end
    serving:await()
    local ok, err = pcall(net.connect, "127.0.0.1", port)
    assert.are.same({ false, "ECONNREFUSED" }, { ok, err.code })
  end))
end)
