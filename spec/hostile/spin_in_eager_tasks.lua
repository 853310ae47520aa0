-- expect: failed: .*step limit exceeded
local neap = require "neap"
local function spin() while true do end end
while true do pcall(neap.create_task, { eager_start = true }, spin) end
