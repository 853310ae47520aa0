-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded|failed: .*overflow
assert(load("return {" .. ("0,"):rep(3e6) .. "}"))()
