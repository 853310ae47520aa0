-- neap.wait_for with tasks and futures: semantics D01 to D29.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local bodies = require "spec.support.bodies"
local expect = require "spec.support.expect"

local label = expect.label
local careful = bodies.careful
local stubborn = bodies.stubborn

describe("neap.wait_for with a task", function()
  it("D01 returns the results of a task that ends in time", in_loop(function()
    local task = neap.create_task(function()
      return neap.sleep(1, "a", nil, "c", nil)
    end)
    local results = table.pack(neap.wait_for(task, 2))
    assert.are.same({ "a", nil, "c", nil, n = 4 }, results)
    assert.are.equal(1, neap.time())
  end))

  it("D01 returns nothing when the task returns nothing", in_loop(function()
    local task = neap.create_task(function() neap.sleep(1) end)
    assert.are.equal(0, select("#", neap.wait_for(task, 2)))
  end))

  it("D02 raises the very error of a task that fails in time", in_loop(function()
    local boom = { "boom" }
    local task = neap.create_task(function()
      neap.sleep(1)
      error(boom)
    end)
    local ok, err = pcall(neap.wait_for, task, 2)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal(1, neap.time())
  end))

  it("D03 raises TimeoutError only after the task's cleanup has ended", in_loop(function()
    local log = {}
    local task = neap.create_task(careful(log, "it", 2))
    local ok, err = pcall(neap.wait_for, task, 1)
    log[#log + 1] = { label(err), neap.time() }
    assert.is_false(ok)
    assert.are.same({
      { "it", "CancelledError", 1 },
      { "it", "cleaned up", 3 },
      { "TimeoutError", 3 },
    }, log)
    assert.is_true(task:cancelled())
  end))

  it("D04 with a timeout of nil just awaits", in_loop(function()
    local task = neap.create_task(function() return neap.sleep(1e6, "late", "later") end)
    local results = table.pack(neap.wait_for(task, nil))
    assert.are.same({ "late", "later", n = 2 }, results)
    assert.are.equal(1e6, neap.time())
  end))

  it("D04 with a timeout of math.huge sets no limit either", in_loop(function()
    local task = neap.create_task(function() return neap.sleep(1e6, "late") end)
    assert.are.equal("late", neap.wait_for(task, math.huge))
    assert.are.equal(1e6, neap.time())
  end))

  for number, timeout in pairs { D05 = 0, D07 = -3 } do
    it(number .. " with timeout " .. timeout .. " cancels a running task", in_loop(function()
      local log = {}
      local task = neap.create_task(function()
        local _, err = pcall(neap.sleep, 100)
        log[#log + 1] = { label(err), neap.time() }
        error(err, 0)
      end)
      neap.sleep(1)
      local ok, err = pcall(neap.wait_for, task, timeout)
      log[#log + 1] = { ok, label(err), neap.time() }
      assert.are.same({ { "CancelledError", 1 }, { false, "TimeoutError", 1 } }, log)
      assert.is_true(task:cancelled())
    end))
  end

  it("D05 with timeout 0 waits for the cleanup of the task", in_loop(function()
    local log = {}
    local task = neap.create_task(careful(log, "it", 2))
    neap.sleep(1)
    local ok, err = pcall(neap.wait_for, task, 0)
    log[#log + 1] = { ok, label(err), neap.time() }
    assert.are.same({
      { "it", "CancelledError", 1 },
      { "it", "cleaned up", 3 },
      { false, "TimeoutError", 3 },
    }, log)
  end))

  it("D05 with timeout 0 a task that has not started never runs", in_loop(function()
    local ran = false
    local task = neap.create_task(function() ran = true end)
    local ok, err = pcall(neap.wait_for, task, 0)
    assert.is_false(ok)
    assert.are.equal("TimeoutError", label(err))
    assert.is_true(task:cancelled())
    assert.is_false(ran)
  end))

  it("D06 with timeout 0 returns the results of a done task without yielding", in_loop(function()
    local log = {}
    local task = neap.create_task(function() return "a", nil, "c" end)
    task:await()
    local other = neap.create_task(function() log[#log + 1] = "other" end)
    local results = table.pack(neap.wait_for(task, 0))
    log[#log + 1] = "returned"
    other:await()
    assert.are.same({ "a", nil, "c", n = 3 }, results)
    assert.are.same({ "returned", "other" }, log)
  end))

  it("D09 with timeout 0 raises the error of a done task that failed", in_loop(function()
    local boom = { "boom" }
    local task = neap.create_task(error, boom)
    neap.sleep(0)
    assert.is_true(task:done())
    local ok, err = pcall(neap.wait_for, task, 0)
    assert.is_false(ok)
    assert.are.equal(boom, err)
  end))

  it("D10 returns what a task returned in spite of the timeout's cancel", in_loop(function()
    local task = neap.create_task(stubborn("kept", nil, "all"))
    local results = table.pack(neap.wait_for(task, 1))
    assert.are.same({ "kept", nil, "all", n = 3 }, results)
    assert.are.equal(1, neap.time())
    assert.is_false(task:cancelled())
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("D11 raises what the task raised in its cleanup, not TimeoutError", in_loop(function()
    local boom = { "cleanup failed" }
    local task = neap.create_task(function()
      pcall(neap.sleep, 100)
      neap.sleep(1)
      error(boom)
    end)
    local ok, err = pcall(neap.wait_for, task, 1)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal(2, neap.time())
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("D12 a cancelled waiter cancels the task, awaits its cleanup, then raises", in_loop(function()
    local log = {}
    local inner = neap.create_task(careful(log, "it", 2))
    local waiter = neap.create_task(function()
      local _, err = pcall(neap.wait_for, inner, 50)
      log[#log + 1] = { label(err), err.message, neap.time() }
      error(err, 0)
    end)
    neap.sleep(1)
    assert.is_true(waiter:cancel("enough"))
    pcall(waiter.await, waiter)
    assert.are.same({
      { "it", "CancelledError", 1 },
      { "it", "cleaned up", 3 },
      { "CancelledError", "enough", 3 },
    }, log)
    assert.is_true(inner:cancelled())
    assert.is_true(waiter:cancelled())
    assert.are.equal(1, waiter:cancelling())
  end))

  it("D13 done and the waiter cancelled in one tick raises CancelledError", in_order(function()
    local future = neap.future()
    local inner = neap.create_task(function() return future:await() end)
    local waiter = neap.create_task(neap.wait_for, inner, 50)
    inner:add_done_callback(function() waiter:cancel() end)
    neap.sleep(1)
    future:set_result("lost")
    local ok, err = pcall(waiter.await, waiter)
    assert.is_false(ok)
    assert.are.equal("CancelledError", label(err))
    assert.is_true(waiter:cancelled())
    assert.are.equal("lost", inner:result())
  end))

  it("D14 a task cancelled by a third party raises CancelledError", in_loop(function()
    local log = {}
    local inner = neap.create_task(neap.sleep, 100)
    local waiter = neap.create_task(function()
      local _, err = pcall(neap.wait_for, inner, 50)
      log[#log + 1] = { label(err), err.message, neap.current_task():cancelling(), neap.time() }
      neap.sleep(1)
      return "goes on"
    end)
    neap.sleep(1)
    inner:cancel("third party")
    assert.are.equal("goes on", waiter:await())
    assert.are.same({ { "CancelledError", "third party", 0, 1 } }, log)
  end))

  it("D15 due in the tick of the timeout, which was armed first, raises TimeoutError",
    in_loop(function()
      local inner = neap.create_task(neap.sleep, 1, "too late")
      local ok, err = pcall(neap.wait_for, inner, 1)
      assert.is_false(ok)
      assert.are.equal("TimeoutError", label(err))
      assert.is_true(inner:cancelled())
      assert.are.equal(1, neap.time())
    end))

  it("D18 lets the task's own TimeoutError through", in_loop(function()
    local own = neap.TimeoutError "my own"
    local task = neap.create_task(function()
      neap.sleep(1)
      error(own)
    end)
    local ok, err = pcall(neap.wait_for, task, 5)
    assert.is_false(ok)
    assert.are.equal(own, err)
    assert.are.equal(1, neap.time())
  end))

  it("D20 with time left returns the results of a done task without yielding", in_loop(function()
    local log = {}
    local task = neap.create_task(function() return "value" end)
    task:await()
    local other = neap.create_task(function() log[#log + 1] = "other" end)
    table.insert(log, (neap.wait_for(task, 5)))
    other:await()
    assert.are.same({ "value", "other" }, log)
  end))

  it("D23 the cause of the TimeoutError is the CancelledError", in_loop(function()
    local task = neap.create_task(neap.sleep, 100)
    local ok, err = pcall(neap.wait_for, task, 1)
    assert.is_false(ok)
    assert.are.equal("TimeoutError", label(err))
    assert.are.equal("CancelledError", label(err.cause))
  end))

  it("D23 with timeout 0 as well", in_loop(function()
    local task = neap.create_task(neap.sleep, 100)
    neap.sleep(0)
    local _, err = pcall(neap.wait_for, task, 0)
    assert.are.equal("TimeoutError", label(err))
    assert.are.equal("CancelledError", label(err.cause))
  end))

  it("D25 afterwards no cancel request is left and later waits work", in_loop(function()
    local me = neap.current_task()
    local task = neap.create_task(neap.sleep, 100)
    pcall(neap.wait_for, task, 1)
    assert.are.equal(0, me:cancelling())
    assert.are.equal("slept", neap.sleep(2, "slept"))
    assert.are.equal(3, neap.time())
    assert.are.equal("again", neap.wait_for(neap.create_task(neap.sleep, 1, "again"), 2))
    neap.sleep(10)
    assert.are.equal(14, neap.time())
  end))

  it("D26 a waiter cancelled during the timeout's cleanup raises at once", in_loop(function()
    local log = {}
    local inner = neap.create_task(careful(log, "it", 5))
    local waiter = neap.create_task(function()
      local _, err = pcall(neap.wait_for, inner, 1)
      log[#log + 1] = { label(err), err.message, neap.time() }
      error(err, 0)
    end)
    neap.sleep(2)
    assert.is_true(waiter:cancel("again"))
    pcall(waiter.await, waiter)
    assert.are.same({ { "it", "CancelledError", 1 }, { "CancelledError", "again", 2 } }, log)
    assert.is_true(inner:cancelled())
    assert.is_true(waiter:cancelled())
    assert.are.equal(1, waiter:cancelling())
  end))

  for order, armed_first in pairs { ["cancel first"] = true, ["timeout first"] = false } do
    it("D27 cancel and timeout in one tick raise CancelledError, " .. order, in_loop(function()
      local waiter
      local function arm()
        neap.call_at(1, function() waiter:cancel() end)
      end
      if armed_first then
        arm()
      end
      waiter = neap.create_task(function()
        return neap.wait_for(neap.create_task(neap.sleep, 100), 1)
      end)
      neap.sleep(0)
      if not armed_first then
        arm()
      end
      local ok, err = pcall(waiter.await, waiter)
      assert.is_false(ok)
      assert.are.equal("CancelledError", label(err))
      assert.are.equal(1, neap.time())
      assert.is_true(waiter:cancelled())
      assert.are.equal(1, waiter:cancelling())
    end))
  end

  it("D28 with timeout 0 returns what a task returned in spite of the cancel", in_loop(function()
    local task = neap.create_task(stubborn("kept"))
    neap.sleep(0)
    assert.are.equal("kept", neap.wait_for(task, 0))
    assert.are.equal(0, neap.time())
  end))
end)

describe("neap.wait_for with a future", function()
  it("D01 returns all values of a future set in time", in_loop(function()
    local future = neap.future()
    neap.call_later(1, function() future:set_result("a", nil, "c") end)
    local results = table.pack(neap.wait_for(future, 2))
    assert.are.same({ "a", nil, "c", n = 3 }, results)
    assert.are.equal(1, neap.time())
  end))

  it("D02 raises the error set on the future", in_loop(function()
    local boom = { "boom" }
    local future = neap.future()
    neap.call_later(1, function() future:set_exception(boom) end)
    local ok, err = pcall(neap.wait_for, future, 2)
    assert.is_false(ok)
    assert.are.equal(boom, err)
  end))

  it("D13b cancelling the waiter one tick after the result comes too late", in_loop(function()
    local future = neap.future()
    local waiter = neap.create_task(neap.wait_for, future, 50)
    neap.sleep(1)
    future:set_result("value")
    neap.sleep(0)
    assert.is_false(waiter:cancel())
    assert.are.equal("value", waiter:await())
  end))

  it("D13 set and the waiter cancelled in one tick raises CancelledError", in_loop(function()
    local future = neap.future()
    local waiter = neap.create_task(neap.wait_for, future, 50)
    neap.sleep(1)
    future:set_result("lost")
    assert.is_true(waiter:cancel())
    local ok, err = pcall(waiter.await, waiter)
    assert.is_false(ok)
    assert.are.equal("CancelledError", label(err))
    assert.is_true(waiter:cancelled())
  end))

  it("D14 a future cancelled by a third party raises CancelledError", in_loop(function()
    local future = neap.future()
    neap.call_later(1, function() future:cancel("third party") end)
    local ok, err = pcall(neap.wait_for, future, 2)
    assert.is_false(ok)
    assert.are.same({ "CancelledError", "third party" }, { label(err), err.message })
    assert.are.equal(0, neap.current_task():cancelling())
    assert.are.equal(1, neap.time())
  end))

  it("D15b set in the tick of the timeout, before it, returns the value", in_order(function()
    local future = neap.future()
    neap.call_at(1, function() future:set_result("kept") end)
    local ok, value = pcall(neap.wait_for, future, 1)
    assert.are.same({ true, "kept" }, { ok, label(value) })
    assert.are.equal(1, neap.time())
    assert.are.equal(0, neap.current_task():cancelling())
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("D15c failed in the tick of the timeout, before it, raises that error", in_order(function()
    local boom = { "boom" }
    local future = neap.future()
    neap.call_at(1, function() future:set_exception(boom) end)
    local ok, err = pcall(neap.wait_for, future, 1)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("D17 cancels a bare future on timeout", in_loop(function()
    local future = neap.future()
    local ok, err = pcall(neap.wait_for, future, 1)
    assert.is_false(ok)
    assert.are.equal("TimeoutError", label(err))
    assert.is_true(future:cancelled())
    assert.are.equal(1, neap.time())
  end))

  it("D05 with timeout 0 cancels a pending future", in_loop(function()
    local future = neap.future()
    local ok, err = pcall(neap.wait_for, future, 0)
    assert.is_false(ok)
    assert.are.equal("TimeoutError", label(err))
    assert.is_true(future:cancelled())
    assert.are.equal(0, neap.time())
  end))

  it("D06 with timeout 0 returns the value of a done future without yielding", in_loop(function()
    local log = {}
    local future = neap.future()
    future:set_result("value")
    local other = neap.create_task(function() log[#log + 1] = "other" end)
    table.insert(log, (neap.wait_for(future, 0)))
    other:await()
    assert.are.same({ "value", "other" }, log)
  end))
end)
