-- expect: failed: .*step limit exceeded
local s = ("x"):rep(100000)
while true do pcall(string.byte, s, 1, -1) end
