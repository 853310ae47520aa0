-- expect: failed: .*caused by
local neap = require "neap"
local a, b = neap.Error "a", neap.Error "b"
a.cause, b.cause = b, a
error(a)
