-- in_loop(body): a function for `it` that runs body(reports, passes) in a task on a virtual
-- clock, and then checks that nothing was left behind. Under plain busted that is the main task
-- of a run of its own; under `neap test` or --helper=neap.busted it is the test's, which
-- neap.busted watches.
--
--   reports  the list of what reached neap.set_exception_handler. A body that expects
--            reports checks them and then removes them from the list; any report that
--            is still there when the run has ended fails the test.
--   passes   passes(fn, ...) calls fn(...) in the current task and returns how many
--            passes over the ready queue it took, then fn's results.

local assert = require "luassert"
local neap = require "neap"
local testing = require "neap.testing"

local MOST_PASSES = 100 -- a ticker without end would hold the virtual clock for ever

local function on_close(fn)
  return setmetatable({}, { __close = fn })
end

local function passes(fn, ...)
  local count = 0
  local handle

  -- Queued before anything fn queues, so it is the first callback of every pass.
  local function tick()
    count = count + 1
    if count < MOST_PASSES then
      handle = neap.call_soon(tick)
    end
  end

  handle = neap.call_soon(tick)
  local _ <close> = on_close(function() handle:cancel() end)
  local results = table.pack(fn(...))
  return count, table.unpack(results, 1, results.n)
end

local function describe_reports(reports)
  local lines = { "reports that the test did not expect:" }
  for _, report in ipairs(reports) do
    lines[#lines + 1] = ("  %s (%s)"):format(report.message, tostring(report.exception))
  end
  return table.concat(lines, "\n")
end

--- Errors that nobody has looked at are reported when they are collected.
local function let_reports_come()
  neap.testing.settle()
  collectgarbage()
end

local function in_loop(body)
  return function()
    local _ <close> = testing.virtual_clock()
    local reports = {}
    neap.set_exception_handler(function(report) reports[#reports + 1] = report end)
    local _ <close> = on_close(function() neap.set_exception_handler(nil) end)

    if neap.current_task() then
      body(reports, passes)
      let_reports_come()
    else
      neap.run(body, reports, passes)
      assert.are.equal(0, neap.stats().tasks.pending, "tasks are pending after the run")
    end
    assert.are.equal(0, #reports, describe_reports(reports))
  end
end

return in_loop
