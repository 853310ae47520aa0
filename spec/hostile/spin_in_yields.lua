-- expect: failed: .*step limit exceeded
local next = coroutine.wrap(function() while true do coroutine.yield() end end)
while true do next() end
