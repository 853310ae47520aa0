-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local t = {}
for i = 1, 1e9 do t[i] = i end
