-- in_order(body): as in_loop, for a body about the order itself, pass by pass: what is ready
-- runs first come, first served, under --shuffle-tasks too. All others hold in any order.

local in_loop = require "spec.support.loop"
local testing = require "neap.testing"

return function(body)
  return in_loop(function(...)
    testing.shuffle(0)
    body(...)
  end)
end
