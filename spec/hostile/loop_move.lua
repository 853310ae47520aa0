-- expect: failed: .*step limit exceeded
table.move({}, 1, math.maxinteger - 1, 2)
