-- expect: failed: .*not enough memory|failed: not enough memory|failed: .*step limit exceeded|ended: nothing
-- A source that is far larger compiled than written.
local source = ("a={};"):rep(200000)
while true do
  local f = load(source)
  if not f then return "nothing" end
end
