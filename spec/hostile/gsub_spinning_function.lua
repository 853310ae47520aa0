-- expect: failed: .*step limit exceeded
while true do
  pcall(string.gsub, "aaaa", "a", function() while true do end end)
end
