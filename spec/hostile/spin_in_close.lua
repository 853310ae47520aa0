-- expect: failed: .*step limit exceeded
local closing = setmetatable({}, { __close = function() while true do end end })
while true do
  pcall(function()
    local c <close> = closing
    while true do end
  end)
end
