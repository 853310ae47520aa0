-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local s = "x"
while true do s = s .. s end
