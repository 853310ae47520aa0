-- script.lua - runs a fuzz target that is written in Lua.
--
-- fuzz/NAME.lua returns a function target(data, bytes), which is the main task of a run on a
-- virtual clock, once for each input. `data` is the input, `bytes` a reader of it
-- (fuzz/bytes.lua). These are findings:
--
--   - an error that leaves the target, a deadlock among them
--   - a report (neap.set_exception_handler), unless the target takes it from `reports`
--   - tasks or timers that are left when the run has ended
--   - what the sanitizers report; more than 20 seconds; memory that grows
--
-- It may return a table of options as well:
--
--   guided = false   do not watch lines of Lua. The hook that does so keeps coroutines from
--                    being used again, so a target of the scheduler itself may want none.
--   plain = true     the target is no task: it calls neap.run itself
local root, name, watch_lines = ...

package.path = root .. "/?.lua;" .. package.path

local neap = require "neap"
local new_bytes = require "fuzz.bytes"

local reports = {}
local target, options = assert(loadfile(root .. "/fuzz/" .. name .. ".lua"))(reports)
if not options or options.guided ~= false then watch_lines() end

local function text_of_reports()
  local lines = {}
  for _, report in ipairs(reports) do
    lines[#lines + 1] = ("%s: %s"):format(report.message, tostring(report.exception))
  end
  return table.concat(lines, "\n")
end

neap.set_exception_handler(function(report) reports[#reports + 1] = report end)

return function(data)
  local clock <close> = neap.testing.virtual_clock()
  for i = #reports, 1, -1 do reports[i] = nil end
  if options and options.plain then
    target(data, new_bytes(data))
  else
    neap.run(target, data, new_bytes(data))
  end
  assert(#reports == 0, text_of_reports())
  local stats = neap.stats()
  assert(stats.tasks.pending == 0, "tasks are left")
  assert(stats.timers == 0, "timers are left")
  assert(clock)
end
