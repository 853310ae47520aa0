-- Every 997th of the small programs; `./dev models` plays them all.
local neap = require "neap"
local models = require "spec.models.models"

local STEP = 997

describe("small programs agree with the reference:", function()
  for _, kind in ipairs(models.kinds) do
    it(kind.name .. " #plain", function()
      local _ <close> = neap.testing.virtual_clock()
      neap.set_exception_handler(function() end)
      local played, cancelled = 0, 0
      for _, shape in ipairs(models.SHAPES) do
        local programs, cancellations, problem = models.check(kind, shape, models.MOST, STEP)
        played, cancelled = played + programs, cancelled + cancellations
        assert(not problem, problem)
      end
      neap.set_exception_handler(nil)
      assert.is_true(played > 0 and cancelled > played)
      assert.are.equal(0, neap.stats().tasks.pending)
    end)
  end
end)
