-- expect: failed: .*step limit exceeded
local s = ("x"):rep(1e6)
while true do pcall(utf8.len, s) end
