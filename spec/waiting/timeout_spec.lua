-- neap.timeout, neap.timeout_at and neap.move_on_after (E01 to E15, X01).
local neap = require "neap"
local in_loop = require "spec.support.loop"
local expect = require "spec.support.expect"

local label = expect.label

--- Sleeps and logs how that ended, with the time; an error goes on.
local function watched_sleep(log, delay)
  local ok, err = pcall(neap.sleep, delay)
  log[#log + 1] = { ok and "slept" or label(err), neap.time() }
  if not ok then
    error(err, 0)
  end
end

--- Runs fn(scope, ...) under a scope. Returns the scope and what pcall returned.
local function under(scope, fn, ...)
  return scope, pcall(function(...)
    local guard <close> = scope
    return fn(guard, ...)
  end, ...)
end

describe("neap.timeout as a scope", function()
  it("E01 raises CancelledError inside and TimeoutError at the block's end", in_loop(function()
    local log = {}
    local scope, ok, err = under(neap.timeout(1), function()
      watched_sleep(log, 100)
    end)
    log[#log + 1] = { ok, label(err), neap.time() }
    assert.are.same({ { "CancelledError", 1 }, { false, "TimeoutError", 1 } }, log)
    assert.is_true(scope:expired())
    assert.are.equal(0, neap.current_task():cancelling())
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("E01 the cause of the TimeoutError is the CancelledError", in_loop(function()
    local _, _, err = under(neap.timeout(1), function() neap.sleep(100) end)
    assert.are.equal("TimeoutError", label(err))
    assert.are.equal("CancelledError", label(err.cause))
  end))

  it("E01 cleanup inside the block may wait before the TimeoutError", in_loop(function()
    local _, ok, err = under(neap.timeout(1), function()
      local _, cancelled = pcall(neap.sleep, 100)
      neap.sleep(2)
      error(cancelled, 0)
    end)
    assert.are.same({ false, "TimeoutError", 3 }, { ok, label(err), neap.time() })
  end))

  it("E01 works in a task that has swallowed a cancel before", in_loop(function()
    local log = {}
    local task = neap.create_task(function()
      pcall(neap.sleep, 100)
      local _, ok, err = under(neap.timeout(1), function() neap.sleep(100) end)
      log[1] = { ok, label(err), neap.time(), neap.current_task():cancelling() }
    end)
    neap.sleep(1)
    task:cancel()
    task:await()
    assert.are.same({ { false, "TimeoutError", 2, 1 } }, log)
  end))

  it("E02 in time has not expired, and leaves nothing armed", in_loop(function()
    local scope, ok, value = under(neap.timeout(5), function()
      return neap.sleep(1, "in time")
    end)
    assert.are.same({ true, "in time" }, { ok, value })
    assert.is_false(scope:expired())
    assert.are.equal("slept", neap.sleep(100, "slept"))
    assert.are.equal(101, neap.time())
    assert.is_false(scope:expired())
  end))

  it("E03 nested with the outer one first, the outer one raises", in_loop(function()
    local log = {}
    local inner
    local outer, ok, err = under(neap.timeout(1), function()
      local inner_ok, inner_err
      inner, inner_ok, inner_err = under(neap.timeout(5), function() neap.sleep(100) end)
      log[#log + 1] = { inner_ok, label(inner_err), neap.time() }
      error(inner_err, 0)
    end)
    log[#log + 1] = { ok, label(err), neap.time() }
    assert.are.same({ { false, "CancelledError", 1 }, { false, "TimeoutError", 1 } }, log)
    assert.are.same({ false, true }, { inner:expired(), outer:expired() })
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("E04 nested with the inner one first, the outer block goes on", in_loop(function()
    local log = {}
    local inner
    local outer, ok, value = under(neap.timeout(5), function()
      local inner_ok, err
      inner, inner_ok, err = under(neap.timeout(1), function() neap.sleep(100) end)
      log[#log + 1] = { inner_ok, label(err), neap.time() }
      return neap.sleep(2, "went on")
    end)
    log[#log + 1] = { ok, label(value), neap.time() }
    assert.are.same({ { false, "TimeoutError", 1 }, { true, "went on", 3 } }, log)
    assert.are.same({ true, false }, { inner:expired(), outer:expired() })
  end))

  it("E05 nested and equal, both expire and the outer one raises", in_loop(function()
    local log = {}
    local inner
    local outer, ok, err = under(neap.timeout(1), function()
      local inner_ok, inner_err
      inner, inner_ok, inner_err = under(neap.timeout(1), function() neap.sleep(100) end)
      log[#log + 1] = { inner_ok, label(inner_err) }
      error(inner_err, 0)
    end)
    log[#log + 1] = { ok, label(err) }
    assert.are.same({ { false, "CancelledError" }, { false, "TimeoutError" } }, log)
    assert.are.same({ true, true }, { inner:expired(), outer:expired() })
    assert.are.equal(0, neap.current_task():cancelling())
    assert.are.equal(1, neap.time())
  end))

  it("E06 reschedule extends the time", in_loop(function()
    local scope, ok, value = under(neap.timeout(1), function(scope)
      scope:reschedule(neap.time() + 5)
      return neap.sleep(3, "extended")
    end)
    assert.are.same({ true, "extended", 3 }, { ok, value, neap.time() })
    assert.is_false(scope:expired())
    assert.are.equal(5, scope:when())
  end))

  it("E06 reschedule shortens the time", in_loop(function()
    local scope, ok, err = under(neap.timeout(50), function(scope)
      scope:reschedule(2)
      neap.sleep(100)
    end)
    assert.are.same({ false, "TimeoutError", 2 }, { ok, label(err), neap.time() })
    assert.is_true(scope:expired())
  end))

  it("E06 reschedule to the past ends the block at its next wait", in_loop(function()
    local log = {}
    neap.sleep(10)
    local scope, ok, err = under(neap.timeout(50), function(scope)
      scope:reschedule(3)
      log[#log + 1] = scope:expired()
      neap.sleep(100)
    end)
    assert.are.same({ false }, log)
    assert.are.same({ false, "TimeoutError", 10 }, { ok, label(err), neap.time() })
    assert.is_true(scope:expired())
  end))

  it("E06 reschedule to nil takes the limit away", in_loop(function()
    local scope, ok, value = under(neap.timeout(1), function(scope)
      scope:reschedule(nil)
      return neap.sleep(100, "no limit")
    end)
    assert.are.same({ true, "no limit" }, { ok, value })
    assert.is_nil(scope:when())
    assert.is_false(scope:expired())
  end))

  it("E06 another task may reschedule it", in_loop(function()
    local scope
    neap.create_task(function()
      neap.sleep(1)
      scope:reschedule(3)
    end)
    scope = neap.timeout(50)
    local _, ok, err = under(scope, function() neap.sleep(100) end)
    assert.are.same({ false, "TimeoutError", 3 }, { ok, label(err), neap.time() })
  end))

  it("E07 without a limit at first, reschedule sets one", in_loop(function()
    local log = {}
    local scope, ok, err = under(neap.timeout(nil), function(scope)
      log[#log + 1] = scope:when() == nil
      neap.sleep(10)
      scope:reschedule(neap.time() + 1)
      log[#log + 1] = scope:when()
      neap.sleep(100)
    end)
    assert.are.same({ true, 11 }, log)
    assert.are.same({ false, "TimeoutError", 11 }, { ok, label(err), neap.time() })
    assert.is_true(scope:expired())
  end))

  it("E07 without a limit ends as late as it likes", in_loop(function()
    local scope, ok, value = under(neap.timeout(nil), function()
      return neap.sleep(1e6, "late")
    end)
    assert.are.same({ true, "late" }, { ok, value })
    assert.is_false(scope:expired())
  end))

  it("E07 a limit of math.huge is never reached", in_loop(function()
    local scope, ok, value = under(neap.timeout(math.huge), function()
      return neap.sleep(1e6, "late")
    end)
    assert.are.same({ true, "late" }, { ok, value })
    assert.is_false(scope:expired())
  end))

  it("E08 timeout(0) around a block that does not wait raises nothing", in_loop(function()
    local scope, ok, value = under(neap.timeout(0), function() return "done" end)
    assert.are.same({ true, "done" }, { ok, value })
    assert.is_false(scope:expired())
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  for title, delay in pairs { ["a sleep"] = 100, ["a sleep(0)"] = 0 } do
    it("E08b timeout(0) raises at the first real wait, " .. title, in_loop(function()
      local log = {}
      local scope, ok, err = under(neap.timeout(0), function()
        watched_sleep(log, delay)
      end)
      log[#log + 1] = { ok, label(err), neap.time() }
      assert.are.same({ { "CancelledError", 0 }, { false, "TimeoutError", 0 } }, log)
      assert.is_true(scope:expired())
    end))
  end

  it("E08b a negative delay is like 0", in_loop(function()
    local _, ok, err = under(neap.timeout(-5), function() neap.sleep(100) end)
    assert.are.same({ false, "TimeoutError", 0 }, { ok, label(err), neap.time() })
  end))

  it("E08c timeout(0) around the await of a done future raises nothing", in_loop(function()
    local future = neap.future()
    future:set_result("value")
    local scope, ok, value = under(neap.timeout(0), function() return future:await() end)
    assert.are.same({ true, "value" }, { ok, value })
    assert.is_false(scope:expired())
  end))

  it("E09 a cancel from outside stays a CancelledError", in_loop(function()
    local log = {}
    local scope
    local task = neap.create_task(function()
      local ok, err
      scope, ok, err = under(neap.timeout(5), function() neap.sleep(100) end)
      log[#log + 1] = { ok, label(err), err.message, neap.time() }
      error(err, 0)
    end)
    neap.sleep(1)
    task:cancel("from outside")
    pcall(task.await, task)
    assert.are.same({ { false, "CancelledError", "from outside", 1 } }, log)
    assert.is_false(scope:expired())
    assert.is_true(task:cancelled())
    assert.are.equal(1, task:cancelling())
  end))

  for order, cancel_first in pairs { ["cancel first"] = true, ["expiry first"] = false } do
    it("E10 a cancel from outside in the tick of the expiry wins, " .. order, in_loop(function()
      local task
      local function arm()
        neap.call_at(1, function() task:cancel() end)
      end
      if cancel_first then
        arm()
      end
      task = neap.create_task(function()
        local scope <close> = neap.timeout(1)
        neap.sleep(scope:when() + 100)
      end)
      neap.sleep(0)
      if not cancel_first then
        arm()
      end
      local ok, err = pcall(task.await, task)
      assert.are.same({ false, "CancelledError", 1 }, { ok, label(err), neap.time() })
      assert.is_true(task:cancelled())
      assert.are.equal(1, task:cancelling())
    end))
  end

  it("E11 a block that swallows the cancellation raises no TimeoutError", in_loop(function()
    local scope, ok, value = under(neap.timeout(1), function(scope)
      pcall(neap.sleep, 100)
      return scope:expired()
    end)
    assert.are.same({ true, true }, { ok, value })
    assert.is_true(scope:expired())
    assert.are.equal(0, neap.current_task():cancelling())
    assert.are.equal("slept", neap.sleep(1, "slept"))
    assert.are.equal(2, neap.time())
  end))

  it("E12 an error raised while the cancellation unwinds is raised instead", in_loop(function()
    local boom = { "boom" }
    local scope, ok, err = under(neap.timeout(1), function()
      pcall(neap.sleep, 100)
      error(boom)
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.is_true(scope:expired())
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("E13 a TimeoutError of the block's own passes, and nothing has expired", in_loop(function()
    local own = neap.TimeoutError "my own"
    local scope, ok, err = under(neap.timeout(5), function()
      neap.sleep(1)
      error(own)
    end)
    assert.is_false(ok)
    assert.are.equal(own, err)
    assert.is_false(scope:expired())
  end))

  it("E13 so does any other error", in_loop(function()
    local boom = { "boom" }
    local scope, ok, err = under(neap.timeout(5), function()
      neap.sleep(1)
      error(boom)
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.is_false(scope:expired())
    assert.are.equal("slept", neap.sleep(100, "slept"))
  end))

  it("E15 reschedule after the block's end is an error", in_loop(function()
    local scope = under(neap.timeout(5), function() end)
    local ok, err = pcall(function() scope:reschedule(50) end)
    assert.is_false(ok)
    assert.are.equal("string", type(err))
    assert.are.equal("slept", neap.sleep(100, "slept"))
  end))

  it("E15 reschedule after the expiry is an error", in_loop(function()
    local log = {}
    local _, ok, err = under(neap.timeout(1), function(scope)
      local _, cancelled = pcall(neap.sleep, 100)
      local rescheduled, misuse = pcall(function() scope:reschedule(50) end)
      log[#log + 1] = { rescheduled, type(misuse) }
      error(cancelled, 0)
    end)
    assert.are.same({ { false, "string" } }, log)
    assert.are.same({ false, "TimeoutError" }, { ok, label(err) })
  end))

  it("E15 when tells the deadline on the loop's clock", in_loop(function()
    neap.sleep(2)
    local scope = under(neap.timeout(1.5), function() end)
    assert.are.equal(3.5, scope:when())
  end))

  it("X01 RULE a cancel requested before the block is never taken for a timeout", in_loop(function()
    local log = {}
    for _, delay in ipairs { 0, 0.001, 5 } do
      local task = neap.create_task(function()
        neap.current_task():cancel("requested")
        local scope <close> = neap.timeout(delay)
        neap.sleep(scope:when() + 100)
      end)
      local ok, err = pcall(task.await, task)
      log[#log + 1] = { delay, ok, label(err), err.message, task:cancelled() }
    end
    assert.are.same({
      { 0, false, "CancelledError", "requested", true },
      { 0.001, false, "CancelledError", "requested", true },
      { 5, false, "CancelledError", "requested", true },
    }, log)
    assert.are.equal(0, neap.time())
  end))

  it("X01 RULE the same when timeout(0) and the cancel are requested in turn", in_loop(function()
    local task = neap.create_task(function()
      local scope <close> = neap.timeout(0)
      neap.current_task():cancel("requested")
      neap.sleep(scope:when() + 100)
    end)
    local ok, err = pcall(task.await, task)
    assert.are.same({ false, "CancelledError" }, { ok, label(err) })
    assert.is_true(task:cancelled())
  end))
end)

describe("neap.timeout with a function", function()
  it("E02 passes arguments and returns all results", in_loop(function()
    local results = table.pack(neap.timeout(5, function(...)
      neap.sleep(1)
      return select("#", ...), ...
    end, "a", nil, "c", nil))
    assert.are.same({ 4, "a", nil, "c", nil, n = 5 }, results)
    assert.are.equal(1, neap.time())
  end))

  it("E01 raises TimeoutError when time runs out", in_loop(function()
    local log = {}
    local ok, err = pcall(neap.timeout, 1, watched_sleep, log, 100)
    log[#log + 1] = { ok, label(err), neap.time() }
    assert.are.same({ { "CancelledError", 1 }, { false, "TimeoutError", 1 } }, log)
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("E02 runs it in the caller's task", in_loop(function()
    local me = neap.current_task()
    assert.are.equal(me, neap.timeout(5, neap.current_task))
  end))

  it("E08 with delay 0 a function that does not wait returns its results", in_loop(function()
    assert.are.equal("done", neap.timeout(0, function() return "done" end))
    local ok, err = pcall(neap.timeout, 0, neap.sleep, 100)
    assert.are.same({ false, "TimeoutError", 0 }, { ok, label(err), neap.time() })
  end))

  it("E09 a cancel from outside stays a CancelledError", in_loop(function()
    local task = neap.create_task(neap.timeout, 5, neap.sleep, 100)
    neap.sleep(1)
    task:cancel("from outside")
    local ok, err = pcall(task.await, task)
    assert.are.same({ false, "CancelledError", "from outside" }, { ok, label(err), err.message })
    assert.is_true(task:cancelled())
  end))

  it("E11 a function that swallows the cancellation returns its results", in_loop(function()
    local value = neap.timeout(1, function()
      pcall(neap.sleep, 100)
      return "swallowed"
    end)
    assert.are.equal("swallowed", value)
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("E13 errors of its own pass unchanged", in_loop(function()
    for _, own in ipairs { neap.TimeoutError "my own", { "boom" } } do
      local ok, err = pcall(neap.timeout, 5, error, own)
      assert.is_false(ok)
      assert.are.equal(own, err)
    end
  end))

  it("E07 with a delay of nil sets no limit", in_loop(function()
    assert.are.equal("late", neap.timeout(nil, neap.sleep, 1e6, "late"))
  end))
end)

describe("neap.timeout_at", function()
  it("E01 expires at a time of the loop's clock", in_loop(function()
    neap.sleep(10)
    local scope, ok, err = under(neap.timeout_at(12.5), function() neap.sleep(100) end)
    assert.are.same({ false, "TimeoutError", 12.5 }, { ok, label(err), neap.time() })
    assert.are.equal(12.5, scope:when())
    assert.is_true(scope:expired())
  end))

  it("E02 in time has not expired", in_loop(function()
    local scope, ok, value = under(neap.timeout_at(2), function() return neap.sleep(1, "ok") end)
    assert.are.same({ true, "ok", false }, { ok, value, scope:expired() })
  end))

  it("E08 in the past raises at the first real wait, not before", in_loop(function()
    neap.sleep(10)
    local log = {}
    local _, ok, err = under(neap.timeout_at(3), function()
      log[#log + 1] = "body"
      watched_sleep(log, 100)
    end)
    log[#log + 1] = { ok, label(err), neap.time() }
    assert.are.same({ "body", { "CancelledError", 10 }, { false, "TimeoutError", 10 } }, log)
  end))

  it("E08 in the past around a block that does not wait raises nothing", in_loop(function()
    neap.sleep(10)
    local scope, ok = under(neap.timeout_at(3), function() end)
    assert.are.same({ true, false }, { ok, scope:expired() })
  end))
end)

describe("neap.move_on_after", function()
  it("E02 in time returns true and all results", in_loop(function()
    local results = table.pack(neap.move_on_after(5, function(...)
      neap.sleep(1)
      return ...
    end, "a", nil, "c", nil))
    assert.are.same({ true, "a", nil, "c", nil, n = 5 }, results)
    assert.are.equal(1, neap.time())
  end))

  it("E01 out of time returns just false", in_loop(function()
    local log = {}
    local results = table.pack(neap.move_on_after(1, watched_sleep, log, 100))
    assert.are.same({ false, n = 1 }, results)
    assert.are.same({ { "CancelledError", 1 } }, log)
    assert.are.equal(1, neap.time())
    assert.are.equal(0, neap.current_task():cancelling())
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("E01 out of time waits for cleanup first", in_loop(function()
    local moved = neap.move_on_after(1, function()
      local _, cancelled = pcall(neap.sleep, 100)
      neap.sleep(2)
      error(cancelled, 0)
    end)
    assert.are.same({ false, 3 }, { moved, neap.time() })
  end))

  it("E08 with delay 0 moves on at the first real wait", in_loop(function()
    local results = table.pack(neap.move_on_after(0, function() return "no wait" end))
    assert.are.same({ true, "no wait", n = 2 }, results)
    assert.are.same({ false, n = 1 }, table.pack(neap.move_on_after(0, neap.sleep, 100)))
    assert.are.equal(0, neap.time())
  end))

  it("E09 a cancel from outside is raised", in_loop(function()
    local task = neap.create_task(neap.move_on_after, 5, neap.sleep, 100)
    neap.sleep(1)
    task:cancel("from outside")
    local ok, err = pcall(task.await, task)
    assert.are.same({ false, "CancelledError", "from outside" }, { ok, label(err), err.message })
    assert.is_true(task:cancelled())
  end))

  it("E03 inside a shorter timeout, the timeout is raised", in_loop(function()
    local moved_on = false
    local ok, err = pcall(neap.timeout, 1, function()
      neap.move_on_after(5, neap.sleep, 100)
      moved_on = true
    end)
    assert.are.same({ false, "TimeoutError", 1 }, { ok, label(err), neap.time() })
    assert.is_false(moved_on)
  end))

  it("E04 around a shorter one, each ends in its own time", in_loop(function()
    local log = {}
    local outer = neap.move_on_after(3, function()
      log[#log + 1] = { neap.move_on_after(1, neap.sleep, 100), neap.time() }
      neap.sleep(100)
    end)
    log[#log + 1] = { outer, neap.time() }
    assert.are.same({ { false, 1 }, { false, 3 } }, log)
  end))

  it("E11 a function that swallows the cancellation returns its results", in_loop(function()
    local results = table.pack(neap.move_on_after(1, function()
      pcall(neap.sleep, 100)
      return "swallowed"
    end))
    assert.are.same({ true, "swallowed", n = 2 }, results)
  end))

  it("E13 errors of its own are raised, TimeoutErrors too", in_loop(function()
    for _, own in ipairs { neap.TimeoutError "my own", { "boom" } } do
      local ok, err = pcall(neap.move_on_after, 5, error, own)
      assert.is_false(ok)
      assert.are.equal(own, err)
    end
  end))
end)
