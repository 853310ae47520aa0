-- expect: failed: .*stack overflow|failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local function f() return 1 + f() end
f()
