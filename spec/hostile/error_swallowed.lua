-- expect: failed: .*step limit exceeded
local neap = require "neap"
local function retry() while true do neap.pcall(error, "again") end end
repeat until pcall(retry)
