-- What the small models have found (spec/models).
local neap = require "neap"

local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

describe("found by small models:", function()
  it("who is cancelled passes a notification on when it has the lock again", in_loop(function()
    local condition = neap.condition()
    local function wait()
      return condition:with(function() return condition:wait() end)
    end
    local first = neap.create_task(wait)
    neap.sleep(0)
    condition:acquire()
    local second = neap.create_task(wait)
    neap.sleep(0) -- it is the next to have the lock, and will wait when the first has it back
    condition:notify()
    first:cancel()
    condition:release()
    local in_time, result = neap.move_on_after(1, second.await, second)
    assert.are.same({ true, true }, { in_time, result })
    assert.is_true(first:cancelled())
  end))

  it("a reset wakes those who wait outside of a barrier, in their turn", in_order(function()
    local barrier, log = neap.barrier(2), {}
    local function wait(name)
      local _, err = pcall(barrier.wait, barrier)
      log[#log + 1] = name .. err.name
    end
    local inside = neap.create_task(wait, "inside: ")
    neap.sleep(0)
    barrier:reset()
    local outside = neap.create_task({ eager_start = true }, wait, "outside: ")
    barrier:reset()
    neap.create_task(function() log[#log + 1] = "later" end)
    outside:cancel()
    neap.sleep(0)
    neap.sleep(0)
    assert.are.same({ "inside: BrokenBarrierError", "outside: CancelledError", "later" }, log)
    assert.is_true(inside:done() and outside:done())
  end))
end)
