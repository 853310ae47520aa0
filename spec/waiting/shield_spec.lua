-- neap.shield: asyncio's rules, scenario by scenario (G01 to G05, D16).
local neap = require "neap"
local in_loop = require "spec.support.loop"
local bodies = require "spec.support.bodies"
local expect = require "spec.support.expect"

local label = expect.label
local collect = bodies.collect

--- A task that waits for shield(inner), logs how that ended, and ends likewise.
local function shielded(log, inner)
  local task = neap.create_task(function()
    local ok, err = pcall(neap.await, neap.shield(inner))
    log[#log + 1] = { ok, label(err), neap.time() }
    if not ok then
      error(err, 0)
    end
  end)
  neap.sleep(0)
  return task
end

--- A task that fails with `problem` after `delay` seconds.
local function failing(delay, problem)
  return neap.create_task(function()
    neap.sleep(delay)
    error(problem)
  end)
end

describe("neap.shield", function()
  it("G01 a cancelled waiter gets CancelledError at once, the task runs on", in_loop(function()
    local log = {}
    local inner = neap.create_task(function()
      local ends = neap.sleep(5, "inner ends")
      log[#log + 1] = { ends, neap.time() }
      return "value"
    end)
    local waiter = shielded(log, inner)
    neap.sleep(1)
    assert.is_true(waiter:cancel("enough"))
    local _, err = pcall(waiter.await, waiter)
    assert.are.equal("CancelledError: enough", tostring(err))
    assert.is_true(waiter:cancelled())
    assert.are.same({ 0, false }, { inner:cancelling(), inner:done() })
    assert.are.equal("value", inner:await())
    assert.are.same({ { false, "CancelledError", 1 }, { "inner ends", 5 } }, log)
  end))

  it("G01 leaves a bare future alone as well", in_loop(function()
    local log, inner = {}, neap.future()
    local waiter = shielded(log, inner)
    waiter:cancel()
    neap.sleep(1)
    assert.are.same({ { false, "CancelledError", 0 } }, log)
    assert.is_false(inner:done())
    inner:set_result("value")
    neap.sleep(1)
    assert.are.equal("value", inner:result())
  end))

  it("G01 cancelling the shield itself leaves the task running", in_loop(function()
    local inner = neap.create_task(neap.sleep, 2, "value")
    local shield = neap.shield(inner)
    assert.are.same({ true, true, false }, {
      shield:cancel("m"), shield:cancelled(), shield:cancel(),
    })
    local _, err = pcall(shield.await, shield)
    assert.are.equal("CancelledError: m", tostring(err))
    assert.are.equal("value", inner:await())
    assert.is_true(shield:cancelled())
  end))

  it("G01 two shields of one task do not disturb each other", in_loop(function()
    local log = {}
    local inner = neap.create_task(neap.sleep, 2, "value")
    local first, second = shielded(log, inner), shielded(log, inner)
    neap.sleep(1)
    first:cancel()
    second:await()
    assert.are.same({ { false, "CancelledError", 1 }, { true, "value", 2 } }, log)
    assert.is_true(first:cancelled())
  end))

  it("G01 a waiter that catches it may wait for the task after all", in_loop(function()
    local inner = neap.create_task(neap.sleep, 5, "value")
    local waiter = neap.create_task(function()
      local _, err = pcall(neap.await, neap.shield(inner))
      return label(err), inner:await()
    end)
    neap.sleep(1)
    waiter:cancel()
    assert.are.same({ "CancelledError", "value" }, { waiter:await() })
    assert.are.equal(5, neap.time())
  end))

  it("G02 passes all the results on", in_loop(function()
    local inner = neap.create_task(function() return neap.sleep(1, "a", nil, "c", nil) end)
    local shield = neap.shield(inner)
    assert.are_not.equal(inner, shield)
    assert.is_false(shield:done())
    assert.are.same({ "a", nil, "c", nil, n = 4 }, table.pack(shield:await()))
    assert.are.same({ "a", nil, "c", nil, n = 4 }, table.pack(shield:result()))
    assert.are.equal(1, neap.time())
  end))

  it("G02 passes the very error on, and it is not reported", in_loop(function()
    local boom = { "boom" }
    local shield = neap.shield(failing(1, boom))
    local ok, err = pcall(shield.await, shield)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal(boom, shield:exception())
    shield = nil
    collect()
    assert.is_nil(shield)
  end))

  it("G02 an error that nobody looked at is reported once", in_loop(function(reports)
    local boom = { "boom" }
    neap.shield(failing(1, boom))
    neap.sleep(2)
    collect()
    collect()
    assert.are.equal(1, #reports)
    assert.are.equal(boom, table.remove(reports).exception)
  end))

  it("G03 a cancelled task raises CancelledError in the waiter", in_loop(function()
    local log = {}
    local inner = neap.create_task(neap.sleep, 100)
    local waiter = shielded(log, inner)
    neap.sleep(1)
    inner:cancel()
    pcall(waiter.await, waiter)
    assert.are.same({ { false, "CancelledError", 1 } }, log)
    assert.are.same({ true, 0 }, { waiter:cancelled(), waiter:cancelling() })
  end))

  it("G04 an error after the waiter left is reported at once, and once", in_loop(
    function(reports)
      local log, boom = {}, { "boom" }
      local inner = failing(2, boom)
      local waiter = shielded(log, inner)
      neap.sleep(1)
      waiter:cancel()
      neap.sleep(2)
      assert.are.same({ { false, "CancelledError", 1 } }, log)
      assert.is_true(inner:done())
      assert.are.equal(1, #reports)
      local report = table.remove(reports)
      assert.are.equal(boom, report.exception)
      assert.matches("shielded future", report.message, 1, true)
      inner, waiter = nil, nil
      collect()
      assert.is_nil(inner or waiter)
    end))

  it("G04 a task that ends well or is cancelled after that is not reported", in_loop(function()
    local log = {}
    local good = neap.create_task(neap.sleep, 2, "value")
    local cancelled = neap.create_task(neap.sleep, 100)
    local waiters = { shielded(log, good), shielded(log, cancelled) }
    neap.sleep(1)
    waiters[1]:cancel()
    waiters[2]:cancel()
    neap.sleep(2)
    cancelled:cancel()
    neap.sleep(1)
    assert.are.same({ { false, "CancelledError", 1 }, { false, "CancelledError", 1 } }, log)
    assert.are.same({ true, true }, { good:done(), cancelled:cancelled() })
  end))

  it("G05 of a done task or future is that very one", in_loop(function(_, passes)
    local task = neap.create_task(function() return "value" end)
    task:await()
    local future = neap.future()
    future:set_result("value")
    assert.are.equal(task, neap.shield(task))
    assert.are.equal(future, neap.shield(future))
    assert.are.same({ 0, "value" }, { passes(neap.await, neap.shield(task)) })
  end))

  it("D16 under wait_for raises TimeoutError in time, the task runs on", in_loop(function()
    local inner = neap.create_task(neap.sleep, 5, "value")
    local ok, err = pcall(neap.wait_for, neap.shield(inner), 1)
    assert.are.same({ false, "TimeoutError", 1 }, { ok, label(err), neap.time() })
    assert.are.same({ false, 0 }, { inner:done(), inner:cancelling() })
    assert.are.equal("value", inner:await())
    assert.are.equal(5, neap.time())
  end))

  it("D16 under wait_for in time returns all the results", in_loop(function()
    local inner = neap.create_task(function() return neap.sleep(1, "a", nil, "c") end)
    assert.are.same({ "a", nil, "c", n = 3 },
      table.pack(neap.wait_for(neap.shield(inner), 5)))
  end))

  it("in a gather keeps that one from being cancelled with the others", in_loop(function()
    local kept = neap.create_task(neap.sleep, 5, "kept")
    local other = neap.create_task(neap.sleep, 5)
    local waiter = neap.create_task(neap.gather, neap.shield(kept), other)
    neap.sleep(1)
    waiter:cancel()
    pcall(waiter.await, waiter)
    assert.are.equal("kept", kept:await())
    assert.are.same({ true, true }, { waiter:cancelled(), other:cancelled() })
  end))

  for title, value in pairs { ["42"] = 42, ["a string"] = "task", ["a table"] = {} } do
    it("of " .. title .. " is an argument error", in_loop(function()
      local ok, err = pcall(function() neap.shield(value) end)
      assert.is_false(ok)
      assert.matches("shield_spec%.lua:%d+: bad argument #1", err)
    end))
  end

  it("of nothing is an argument error", in_loop(function()
    assert.matches("#1", select(2, pcall(function() neap.shield() end)), 1, true)
  end))
end)
