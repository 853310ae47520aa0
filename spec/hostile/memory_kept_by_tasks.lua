-- expect: ended: done|failed: not enough memory
-- Tasks without memory end, and so does the run.
local neap = require "neap"
kept = {}
while pcall(function() for _ = 1, 1000 do kept[#kept + 1] = {} end end) do end
for _ = 1, 50 do
  pcall(neap.create_task, function() kept[#kept + 1] = ("y"):rep(1e5) end)
end
pcall(neap.sleep, 0.01)
return "done"
