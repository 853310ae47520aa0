-- expect: ended: protected
assert(getmetatable("") == nil)
local neap = require "neap"
assert(not getmetatable(neap.current_task()))
assert(not getmetatable(neap.timeout(10)))
assert(not pcall(setmetatable, "", {}))
return "protected"
