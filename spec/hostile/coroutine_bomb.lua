-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
local all = {}
while true do
  local co = coroutine.create(coroutine.yield)
  coroutine.resume(co)
  all[#all + 1] = co
end
