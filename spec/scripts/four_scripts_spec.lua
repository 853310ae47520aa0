-- The scripts in scripts/: what they print, under the program and under the stock interpreter.
local process = require "spec.support.process"

local outputs = {
  running_a_task = [[
Running other code while the task is active.
Retrieved data:
{ input_data = 1, timestamp = TIME }
]],
  canceling_a_task = [[
Task was canceled.
]],
  task_result = [[
Error: Result is not set.
Retrieved data after waiting:
{ input_data = 3, timestamp = TIME }
Is the task done? true
]],
  task_timeout = [[
Request took too long. Try again.
]],
}

local function prints(expected, words)
  local result = process.run(words)
  result.stdout = result.stdout:gsub("timestamp = %d+", "timestamp = TIME")
  assert.are.same({ code = 0, stdout = expected, stderr = "" }, result)
end

for name, expected in pairs(outputs) do
  local path = ("scripts/%s.lua"):format(name)

  describe(path, function()
    it("runs under neap", function()
      prints(expected, { "neap", "--virtual-clock", path })
    end)

    it("runs under lua5.4", function()
      -- As the script would, but at once.
      local clock = "_clock = require 'neap.testing'.virtual_clock()"
      prints(expected, { "lua5.4", "-l", "neap", "-e", clock, path })
    end)
  end)
end

it("scripts/running_a_task.lua takes real time without the option", function()
  local child <close> = process.start { "neap", "scripts/running_a_task.lua" }
  child:wait_for "Running other code"
  child:kill "INT"
  assert.are.equal(130, child:finish().code)
end)
