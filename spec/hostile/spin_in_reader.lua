-- expect: failed: .*step limit exceeded
assert(load(function() return " " end))
