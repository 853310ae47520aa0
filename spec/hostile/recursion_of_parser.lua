-- expect: failed: .*overflow
assert(load("return " .. ("("):rep(1e5)))
