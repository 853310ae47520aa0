-- expect: failed: .*step limit exceeded
local t = {}
while true do pcall(table.unpack, t, 1, 100000) end
