-- expect: ended: 1
local neap = require "neap"
local task = neap.create_task(function() end)
task:add_done_callback(function() while true do end end)
task:await()
neap.sleep(0)
return 1
