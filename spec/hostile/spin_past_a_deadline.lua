-- expect: ended: TimeoutError
local neap = require "neap"
local _, err = pcall(neap.timeout, 0.01, function() while true do end end)
return err.name
