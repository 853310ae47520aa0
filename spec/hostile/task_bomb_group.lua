-- expect: failed: .*too many tasks
local neap = require "neap"
neap.task_group(function(group)
  while true do group:create_task(neap.sleep, 1) end
end)
