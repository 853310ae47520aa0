-- started(fn, ...): a task that calls fn(...) and has run until it waits for something, in
-- whatever order tasks run.

local neap = require "neap"

return function(fn, ...)
  local task = neap.create_task(fn, ...)
  neap.testing.settle()
  return task
end
