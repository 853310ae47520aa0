-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local queue = require "neap".queue()
while true do queue:put_nowait {} end
