-- expect: failed: Class: x
local Class = require "neap".Error:extend "Class"
local function forever() while true do end end
local err = Class "x"
Class.__index, Class.__tostring, Class.__name = forever, forever, nil
error(err)
