-- expect: failed: .*too many tasks
local neap = require "neap"
for _ = 1, 1e6 do neap.create_task(neap.sleep, 1) end
