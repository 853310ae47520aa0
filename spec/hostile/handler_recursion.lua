-- expect: failed: .*step limit exceeded
-- Each error of the handler calls the handler.
local function handler() error "again" end
local function nested() return xpcall(error, nested) end
while true do
  xpcall(error, handler, "first")
  xpcall(nested, nested)
end
