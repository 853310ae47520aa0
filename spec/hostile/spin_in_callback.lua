-- expect: ended: 1
local neap = require "neap"
neap.call_soon(function() while true do pcall(function() while true do end end) end end)
neap.sleep(0)
return 1
