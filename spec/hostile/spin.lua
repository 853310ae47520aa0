-- expect: failed: .*step limit exceeded
while true do end
