-- Functions that the specs run as tasks, and what their blocks end with.
local neap = require "neap"
local expect = require "spec.support.expect"

local bodies = {}

--- A body that sleeps; when cancelled it cleans up for `cleanup` seconds and raises
-- `problem`, or passes the cancellation on. Each step goes into `log` with its time.
function bodies.careful(log, name, cleanup, problem)
  return function()
    local _, err = pcall(neap.sleep, 100)
    log[#log + 1] = { name, expect.label(err), neap.time() }
    neap.sleep(cleanup)
    log[#log + 1] = { name, "cleaned up", neap.time() }
    error(problem or err, 0)
  end
end

--- A body that, when cancelled, returns `...` as if nothing had happened.
function bodies.stubborn(...)
  local results = table.pack(...)
  return function()
    pcall(neap.sleep, 100)
    return table.unpack(results, 1, results.n)
  end
end

--- A body that fails with `problem` after `delay` seconds.
function bodies.failing(delay, problem)
  return function()
    neap.sleep(delay)
    error(problem, 0)
  end
end

--- A value for a <close> variable; calls fn(err) when it is closed.
function bodies.on_close(fn)
  return setmetatable({}, { __close = function(_, err) fn(err) end })
end

--- Lets the loop finish its pass, collects all garbage, lets the loop report what was found.
function bodies.collect()
  neap.sleep(0)
  collectgarbage()
  collectgarbage()
  neap.sleep(0)
end

return bodies
