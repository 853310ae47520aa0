-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local neap = require "neap"
while true do neap.call_later(1, print) end
