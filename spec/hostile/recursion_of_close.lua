-- expect: ended: false
-- Closing a coroutine closes another, and so on.
local co = coroutine.create(function() end)
for _ = 1, 1000 do
  local inner = co
  co = coroutine.create(function()
    local c <close> = setmetatable({}, { __close = function() assert(coroutine.close(inner)) end })
    coroutine.yield()
  end)
  coroutine.resume(co)
end
return tostring(coroutine.close(co))
