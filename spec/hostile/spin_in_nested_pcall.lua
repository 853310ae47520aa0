-- expect: failed: .*step limit exceeded
local function spin(depth)
  while true do
    if depth > 0 then pcall(spin, depth - 1) end
  end
end
spin(50)
