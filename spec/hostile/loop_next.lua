-- expect: failed: .*step limit exceeded
-- A table of empty places, which next looks through from the beginning.
local t = {}
for i = 1, 100000 do t["k" .. i] = true end
for i = 1, 100000 do t["k" .. i] = nil end
while true do next(t) end
