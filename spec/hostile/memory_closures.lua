-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local f
while true do
  local g = f
  f = function() return g end
end
