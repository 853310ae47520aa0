-- expect: failed: .*step limit exceeded
local t = setmetatable({}, { __index = function() return "" end })
return table.concat(t, "", 1, 1 << 50)
