-- neap.wait_for with a function: semantics D01 to D29 where they concern one.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local bodies = require "spec.support.bodies"
local expect = require "spec.support.expect"

local label = expect.label
local careful = bodies.careful
local stubborn = bodies.stubborn

describe("neap.wait_for with a function", function()
  it("D01 passes the extra arguments and returns all results", in_loop(function()
    local results = table.pack(neap.wait_for(function(...)
      neap.sleep(1)
      return select("#", ...), ...
    end, 2, "a", nil, "c", nil))
    assert.are.same({ 4, "a", nil, "c", nil, n = 5 }, results)
    assert.are.equal(1, neap.time())
  end))

  it("D02 raises the very error of the function", in_loop(function()
    local boom = { "boom" }
    local ok, err = pcall(neap.wait_for, function()
      neap.sleep(1)
      error(boom)
    end, 2)
    assert.is_false(ok)
    assert.are.equal(boom, err)
  end))

  it("D03 raises TimeoutError only after the function's cleanup has ended", in_loop(function()
    local log = {}
    local ok, err = pcall(neap.wait_for, careful(log, "it", 2), 1)
    log[#log + 1] = { ok, label(err), neap.time() }
    assert.are.same({
      { "it", "CancelledError", 1 },
      { "it", "cleaned up", 3 },
      { false, "TimeoutError", 3 },
    }, log)
  end))

  it("D04 with a timeout of nil just calls it", in_loop(function()
    local results = table.pack(neap.wait_for(neap.sleep, nil, 1e6, "a", nil))
    assert.are.same({ "a", nil, n = 2 }, results)
    assert.are.equal(1e6, neap.time())
  end))

  for _, timeout in ipairs { 0, -1 } do
    it("D08 with timeout " .. timeout .. " never calls it", in_loop(function()
      local ran = false
      local ok, err = pcall(neap.wait_for, function() ran = true end, timeout)
      assert.is_false(ok)
      assert.are.equal("TimeoutError", label(err))
      assert.is_false(ran)
      assert.are.equal(0, neap.time())
    end))
  end

  it("D10 returns what it returned in spite of the timeout's cancel", in_loop(function()
    local results = table.pack(neap.wait_for(stubborn("kept", nil), 1))
    assert.are.same({ "kept", nil, n = 2 }, results)
    assert.are.equal(1, neap.time())
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("D29 may wait on after it swallowed the timeout's cancel", in_loop(function()
    local value = neap.wait_for(function()
      pcall(neap.sleep, 100)
      return neap.sleep(5, "late")
    end, 1)
    assert.are.equal("late", value)
    assert.are.equal(6, neap.time())
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("D11 raises what it raised in its cleanup, not TimeoutError", in_loop(function()
    local boom = { "cleanup failed" }
    local ok, err = pcall(neap.wait_for, function()
      pcall(neap.sleep, 100)
      error(boom)
    end, 1)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("D12 cancelling the caller cancels it, with its cleanup awaited", in_loop(function()
    local log = {}
    local waiter = neap.create_task(function()
      local _, err = pcall(neap.wait_for, careful(log, "it", 2), 50)
      log[#log + 1] = { label(err), err.message, neap.time() }
      error(err, 0)
    end)
    neap.sleep(1)
    waiter:cancel("enough")
    pcall(waiter.await, waiter)
    assert.are.same({
      { "it", "CancelledError", 1 },
      { "it", "cleaned up", 3 },
      { "CancelledError", "enough", 3 },
    }, log)
    assert.is_true(waiter:cancelled())
  end))

  it("D15 a sleep as long as the timeout raises TimeoutError", in_loop(function()
    local ok, err = pcall(neap.wait_for, neap.sleep, 1, 1, "too late")
    assert.is_false(ok)
    assert.are.equal("TimeoutError", label(err))
    assert.are.equal(1, neap.time())
  end))

  it("D18 lets its own TimeoutError through", in_loop(function()
    local own = neap.TimeoutError "my own"
    local ok, err = pcall(neap.wait_for, function()
      neap.sleep(1)
      error(own)
    end, 5)
    assert.is_false(ok)
    assert.are.equal(own, err)
  end))

  it("D21 nested with the inner one shorter, the outer one is unaffected", in_loop(function()
    local log = {}
    local value = neap.wait_for(function()
      local _, err = pcall(neap.wait_for, neap.sleep, 1, 100)
      log[#log + 1] = { label(err), neap.time(), neap.current_task():cancelling() }
      return neap.sleep(1, "fallback")
    end, 5)
    log[#log + 1] = { value, neap.time(), neap.current_task():cancelling() }
    assert.are.same({ { "TimeoutError", 1, 0 }, { "fallback", 2, 0 } }, log)
  end))

  it("D22 nested with the outer one shorter, the inner one sees CancelledError",
    in_loop(function()
      local log = {}
      local ok, err = pcall(neap.wait_for, function()
        local _, inner = pcall(neap.wait_for, neap.sleep, 5, 100)
        log[#log + 1] = { label(inner), neap.time() }
        error(inner, 0)
      end, 1)
      log[#log + 1] = { ok, label(err), neap.time(), neap.current_task():cancelling() }
      assert.are.same({ { "CancelledError", 1 }, { false, "TimeoutError", 1, 0 } }, log)
    end))

  it("X10 nested and equal, one TimeoutError and no request left", in_loop(function()
    local log = {}
    local ok, err = pcall(neap.wait_for, function()
      local _, inner = pcall(neap.wait_for, neap.sleep, 1, 100)
      log[#log + 1] = { label(inner), neap.time() }
      error(inner, 0)
    end, 1)
    log[#log + 1] = { ok, label(err), neap.time(), neap.current_task():cancelling() }
    assert.are.same({ { "CancelledError", 1 }, { false, "TimeoutError", 1, 0 } }, log)
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("X10 nested and equal around a task as well", in_loop(function()
    local inner = neap.create_task(neap.sleep, 100)
    local ok, err = pcall(neap.wait_for, neap.wait_for, 1, inner, 1)
    assert.are.same({ false, "TimeoutError" }, { ok, label(err) })
    assert.is_true(inner:cancelled())
    assert.are.equal(1, neap.time())
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("D23 the cause of the TimeoutError is the CancelledError", in_loop(function()
    local _, err = pcall(neap.wait_for, neap.sleep, 1, 100)
    assert.are.equal("TimeoutError", label(err))
    assert.are.equal("CancelledError", label(err.cause))
  end))

  it("D24 runs it in the caller's task, at once", in_loop(function()
    local log = {}
    local me = neap.current_task()
    local other = neap.create_task(function() log[#log + 1] = "other" end)
    local same = neap.wait_for(function()
      log[#log + 1] = "body"
      return neap.current_task() == me
    end, 5)
    log[#log + 1] = "returned"
    other:await()
    assert.is_true(same)
    assert.are.same({ "body", "returned", "other" }, log)
  end))

  it("D25 afterwards no cancel request is left and later waits work", in_loop(function()
    local log = {}
    for round = 1, 3 do
      local ok, err = pcall(neap.wait_for, neap.sleep, 1, 100)
      log[round] = { ok, label(err), neap.current_task():cancelling(), neap.time() }
    end
    neap.sleep(1)
    assert.are.same({
      { false, "TimeoutError", 0, 1 },
      { false, "TimeoutError", 0, 2 },
      { false, "TimeoutError", 0, 3 },
    }, log)
    assert.are.equal(4, neap.time())
  end))

  it("D25 a timeout that was not reached leaves nothing armed", in_loop(function()
    assert.are.equal("fast", neap.wait_for(neap.sleep, 5, 1, "fast"))
    assert.are.equal("slow", neap.sleep(100, "slow"))
    assert.are.equal(101, neap.time())
  end))

  it("D25 a body that never waits may take as long as it likes", in_loop(function()
    local value = neap.wait_for(function()
      return "no suspension"
    end, 1e-9)
    assert.are.equal("no suspension", value)
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))
end)
