-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded
return #("x"):rep(1e9)
