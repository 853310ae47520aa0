-- expect: failed: .*step limit exceeded
return (""):rep(math.maxinteger)
