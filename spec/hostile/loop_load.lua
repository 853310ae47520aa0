-- expect: failed: .*step limit exceeded
local s = ("x = 1 "):rep(1e5)
while true do load(s) end
