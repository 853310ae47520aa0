-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local s = "x"
while true do s = string.format("%s%s%q", s, s, s) end
