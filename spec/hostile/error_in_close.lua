-- expect: failed: .*step limit exceeded
local closing = setmetatable({}, { __close = function() error "in closing" end })
while true do
  pcall(function()
    local a <close> = closing
    local b <close> = closing
    error "in the block"
  end)
end
