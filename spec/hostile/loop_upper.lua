-- expect: failed: .*step limit exceeded
local s = ("x"):rep(4e6)
while true do pcall(s.upper, s) end
