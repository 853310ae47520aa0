-- expect: failed: .*step limit exceeded
-- Each step is within its limits or ended; the last error comes out.
local neap = require "neap"
local function spin() pcall(function() while true do end end) while true do end end
local first
for _ = 1, 5 do
  local task = neap.create_task(spin)
  first = first or task
end
first:await()
