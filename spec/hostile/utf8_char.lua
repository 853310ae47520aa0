-- expect: failed: .*step limit exceeded|failed: .*not enough memory
local t = {}
for i = 1, 50000 do t[i] = 0x7FFFFFFF end
local s = ""
while true do s = s .. utf8.char(table.unpack(t)) end
