-- What the fuzzers have found.
local fs = require "neap.fs"
local neap = require "neap"
local net = require "neap.net"
local process = require "neap.process"

local in_loop = require "spec.support.loop"

--- So long that the thread pool is done with whatever it has.
local function keep_busy()
  local from = os.clock()
  while os.clock() - from < 0.01 do end -- luacheck: ignore 542
end

describe("found by the fuzzers:", function()
  it("what ends just before a virtual clock is held is looked at", in_loop(function()
    local _ <close> = process.spawn { "sleep", "1000" } -- it holds the clock
    local timer = neap.call_later(1, function() end)
    for _ = 1, 5 do
      local busy = neap.create_task(keep_busy)
      assert.are.equal("directory", fs.stat(".").type)
      busy:await()
    end
    timer:cancel()
  end))

  it("a server is closed when a connection's task has ended, and is collected already",
    in_loop(function()
      local begun, go_on = neap.event(), neap.event()
      local server = net.listen("127.0.0.1", 0, function()
        begun:set()
        go_on:wait()
      end)
      local _ <close> = net.connect(server:sockname())
      begun:wait()
      go_on:set()
      neap.sleep(0) -- in this pass it ends; the server is told in the next
      collectgarbage()
      collectgarbage()
      local closing <close> = server
      assert.is_truthy(tostring(closing):find("connections: 1", 1, true))
    end))
end)
