-- expect: ended: 3
-- Each step is bounded; between them the others have their turns.
local neap = require "neap"
local caught = 0
for _ = 1, 3 do
  if not pcall(function() while true do end end) then caught = caught + 1 end
  neap.sleep(0)
end
return caught
