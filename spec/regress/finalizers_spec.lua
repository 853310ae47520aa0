-- Finalizers run wherever the collector takes a step, also in the middle of neap's functions, and
-- may call them: then room that was made for one is gone.
local support = require "spec.support.process"

--- Calls `what` again and again, with finalizers that do the same, and with any number of places
--- taken before: the room that is left then is of any size.
local PROGRAM = [[
local neap = require "neap"
collectgarbage("incremental", 10, 1000)
local finalized = 0
local what = %s
for round = 1, 130 do
  local held = {}
  for i = 1, round do held[i] = neap.call_later(1e6, print) end
  for _ = 1, 30 do
    setmetatable({}, { __gc = function()
      finalized = finalized + 1
      held[#held + 1] = neap.call_later(1e6, print)
    end })
    what()
  end
  for _, handle in ipairs(held) do handle:cancel() end
  neap.sleep(0)
end
assert(finalized > 2000)
os.exit(true)
]]

describe("finalizers in the middle of", function()
  for name, what in pairs {
    ["call_later"] = "function() neap.call_later(1e6, print):cancel() end",
    ["create_task"] = "function() neap.create_task(function() end) end",
    ["timeout"] = "function() local _ <close> = neap.timeout(1e6) end",
    ["signal.on"] = "function() neap.signal.on('SIGUSR1', print):close() end",
  } do
    it(name, function()
      local result = support.run { "neap", "-e", PROGRAM:format(what) }
      assert.are.same({ code = 0, stdout = "", stderr = "" },
        { code = result.code, signal = result.signal, stdout = result.stdout,
          stderr = result.stderr:sub(1, 500) })
    end)
  end
end)
