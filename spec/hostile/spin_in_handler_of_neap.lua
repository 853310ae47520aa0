-- expect: failed: .*step limit exceeded
local neap = require "neap"
local function forever() while true do end end
while true do neap.xpcall(forever, forever) end
