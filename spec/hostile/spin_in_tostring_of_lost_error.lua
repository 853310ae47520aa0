-- expect: ended: done
local neap = require "neap"
neap.create_task(function()
  error(setmetatable({}, { __tostring = function() while true do end end }))
end)
neap.sleep(0)
for i = 1, 1e5 do local _ = { i } end
return "done"
