-- expect: failed: .*step limit exceeded
table.remove(setmetatable({}, { __len = function() return 1e15 // 1 | 0 end }), 1)
