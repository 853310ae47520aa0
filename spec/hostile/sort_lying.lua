-- expect: failed: .*step limit exceeded
-- A comparator that is never right, on a table that changes.
local t = {}
for i = 1, 1000 do t[i] = i end
while true do
  pcall(table.sort, t, function(a) t[#t + 1] = a return true end)
  pcall(table.sort, t, function() error "no" end)
end
