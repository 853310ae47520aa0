-- expect: failed: .*step limit exceeded
local s = ("x"):rep(1e6)
while true do string.packsize(s) end
