-- expect: ended: TimeoutError
local neap = require "neap"
local task = neap.create_task(function() while true do end end)
local _, err = pcall(neap.wait_for, task, 0.01)
return err.name
