-- expect: ended: no finalizer
-- An error class is the metatable of its instances.
local neap = require "neap"
local Class = neap.Error:extend "Class"
local ran = false
Class.__gc = function() ran = true while true do end end
neap.TimeoutError.__gc = Class.__gc
for _ = 1, 200 do
  Class "x"
  pcall(neap.wait_for, function() neap.sleep(1) end, 0)
end
local Derived = Class:extend "Derived"
Derived = nil
for i = 1, 3e4 do local _ = { i } end
return ran and "ran" or "no finalizer"
