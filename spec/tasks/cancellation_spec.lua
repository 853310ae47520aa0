-- Section 3 of the semantics: cancellation, scenario by scenario. X03, X04 and X12 stand
-- beside the lines they belong to.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"

local insert = table.insert

-- What fn(...) raises, as text.
local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  return ok and "nothing raised" or tostring(err)
end

-- For `local _ <close>`: what Python writes as `finally`.
local function finally(fn)
  return setmetatable({}, { __close = fn })
end

local function state(task)
  return { done = task:done(), cancelled = task:cancelled(), cancelling = task:cancelling() }
end

describe("cancellation", function()
  it("C01 a task cancelled before its first step never runs", in_loop(function()
    local seen = {}
    local task = neap.create_task(function()
      local _ <close> = finally(function() insert(seen, "finally") end)
      insert(seen, "body")
    end)
    assert.is_true(task:cancel("early"))
    assert.are.same({ done = false, cancelled = false, cancelling = 1 }, state(task))
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.CancelledError))
    assert.are.equal("early", err.message)
    assert.is_true(task:cancelled())
    assert.are.same({}, seen)
  end))

  it("C02 a cancelled sleeper gets CancelledError at its sleep", in_loop(function()
    local seen, caught = {}, nil
    local task = started(function()
      local _ <close> = finally(function() insert(seen, "finally") end)
      local ok, err = pcall(neap.sleep, 10)
      caught = err
      insert(seen, ok)
      error(err, 0)
    end)
    assert.is_true(task:cancel("stop"))
    assert.are.same({ done = false, cancelled = false, cancelling = 1 }, state(task))
    assert.are.same({}, seen)
    assert.are.equal("CancelledError: stop", raised(task.await, task))
    assert.are.same({ false, "finally" }, seen)
    assert.is_true(neap.is(caught, neap.CancelledError))
    assert.are.equal("stop", caught.message)
    assert.are.same({ done = true, cancelled = true, cancelling = 1 }, state(task))
    assert.are.equal(0, neap.time())
  end))

  it("C03 to cancel a done task changes nothing", in_loop(function()
    local problem = neap.Error "broken"
    local returned = started(function() return "value" end)
    local failed = started(error, problem)
    assert.is_false(returned:cancel("late"))
    assert.is_false(failed:cancel("late"))
    assert.are.same({ done = true, cancelled = false, cancelling = 0 }, state(returned))
    assert.are.same({ done = true, cancelled = false, cancelling = 0 }, state(failed))
    assert.are.equal("value", returned:result())
    assert.are.equal(problem, failed:exception())
  end))

  it("C04 two requests before delivery give one CancelledError, the first", in_loop(function()
    local seen = {}
    local task = started(function()
      insert(seen, raised(neap.sleep, 10))
      insert(seen, raised(neap.sleep, 1))
    end)
    assert.is_true(task:cancel("one"))
    assert.is_true(task:cancel("two"))
    assert.are.equal(2, task:cancelling())
    task:await()
    assert.are.same({ "CancelledError: one", "nothing raised" }, seen)
    assert.are.equal(1, neap.time())
  end))

  it("C05 a body that catches the error and returns is not cancelled", in_loop(function()
    local seen = {}
    local task = started(function()
      insert(seen, raised(neap.sleep, 10))
      return 42
    end)
    assert.is_true(task:cancel("stop"))
    assert.are.equal(42, task:await())
    assert.are.equal(42, task:result())
    assert.are.same({ "CancelledError: stop" }, seen)
    assert.are.same({ done = true, cancelled = false, cancelling = 1 }, state(task))
  end))

  it("C06 a request is delivered once: later awaits go on", in_loop(function()
    local seen = {}
    local future = neap.future()
    local task = started(function()
      insert(seen, raised(neap.sleep, 10))
      insert(seen, raised(neap.sleep, 0))
      insert(seen, raised(neap.sleep, 2))
      insert(seen, raised(future.await, future))
    end)
    neap.call_later(5, future.set_result, future)
    task:cancel()
    task:await()
    assert.are.same({
      "CancelledError", "nothing raised", "nothing raised", "nothing raised",
    }, seen)
    assert.are.equal(5, neap.time())
  end))

  it("C07 cancel wins over a future that is already set", in_loop(function()
    local seen = {}
    local future = neap.future()
    local task = started(function() insert(seen, raised(future.await, future)) end)
    future:set_result("lost")
    assert.is_true(task:cancel())
    task:await()
    assert.are.same({ "CancelledError" }, seen)
    assert.are.equal("lost", future:result())
  end))

  it("X04 cancel wins over an awaited task that is already done", in_order(function()
    local seen, inner = {}, nil
    local outer = neap.create_task(function() insert(seen, raised(inner.await, inner)) end)
    inner = neap.create_task(function() return "lost" end)
    neap.sleep(0)
    assert.is_true(inner:done())
    assert.is_false(outer:done())
    assert.is_true(outer:cancel())
    outer:await()
    assert.are.same({ "CancelledError" }, seen)
    assert.are.equal("lost", inner:result())
  end))

  it("C08 cancelling the awaiter cancels the future it waits for", in_loop(function()
    local future = neap.future()
    local task = started(future.await, future)
    assert.is_true(task:cancel("stop"))
    assert.is_true(future:cancelled())
    local ok, err = pcall(future.set_result, future, "late")
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.InvalidStateError))
    assert.are.equal("CancelledError: stop", raised(task.await, task))
  end))

  it("C09 a task that cancels itself runs on to its next await", in_loop(function()
    local seen = {}
    local task = started(function()
      insert(seen, neap.current_task():cancel("self"))
      insert(seen, "still running")
      insert(seen, raised(neap.sleep, 1))
      insert(seen, raised(neap.sleep, 2))
    end)
    task:await()
    assert.are.same({ true, "still running", "CancelledError: self", "nothing raised" }, seen)
    assert.are.equal(2, neap.time())
  end))

  it("C10 a task that cancels itself and returns is cancelled", in_loop(function()
    local task = started(function()
      neap.current_task():cancel("self")
      return "value"
    end)
    assert.are.same({ done = true, cancelled = true, cancelling = 1 }, state(task))
    assert.are.equal("CancelledError: self", raised(task.await, task))
  end))

  it("C11 a task that cancels itself and raises has failed", in_loop(function()
    local problem = neap.Error "broken"
    local task = started(function()
      neap.current_task():cancel("self")
      error(problem)
    end)
    assert.are.same({ done = true, cancelled = false, cancelling = 1 }, state(task))
    assert.are.equal(problem, task:exception())
  end))

  it("C12 a request goes to the awaited task first, then to the awaiter", in_loop(function()
    local seen = {}
    local inner = started(function()
      local _ <close> = finally(function()
        insert(seen, "inner cleans up")
        neap.sleep(1)
        insert(seen, "inner ends")
      end)
      neap.sleep(10)
    end)
    local outer = started(function()
      local ok, err = pcall(inner.await, inner)
      insert(seen, { ok, tostring(err), neap.time() })
      error(err, 0)
    end)
    assert.is_true(outer:cancel("m"))
    assert.are.same({ done = false, cancelled = false, cancelling = 1 }, state(outer))
    assert.are.same({ done = false, cancelled = false, cancelling = 1 }, state(inner))
    assert.are.equal("CancelledError: m", raised(outer.await, outer))
    assert.are.same({
      "inner cleans up", "inner ends", { false, "CancelledError: m", 1 },
    }, seen)
    assert.is_true(inner:cancelled())
    assert.is_true(outer:cancelled())
  end))

  it("C13 an awaited task that swallows the request gives its value", in_loop(function()
    local inner = started(function()
      return raised(neap.sleep, 10), "value"
    end)
    local outer = started(inner.await, inner)
    assert.is_true(outer:cancel("m"))
    assert.are.same({ "CancelledError: m", "value" }, { outer:await() })
    assert.are.same({ done = true, cancelled = false, cancelling = 1 }, state(outer))
    assert.are.same({ done = true, cancelled = false, cancelling = 1 }, state(inner))
  end))

  it("C14 an awaited task that turns the request into an error passes that on", in_loop(function()
    local problem = neap.Error "broken"
    local inner = started(function()
      pcall(neap.sleep, 10)
      error(problem)
    end)
    local outer = started(inner.await, inner)
    assert.is_true(outer:cancel("m"))
    local ok, err = pcall(outer.await, outer)
    assert.is_false(ok)
    assert.are.equal(problem, err)
    assert.is_false(outer:cancelled())
  end))

  it("C15 cleanup may wait and is completed", in_loop(function()
    local seen = {}
    local task = started(function()
      local _ <close> = finally(function()
        insert(seen, neap.time())
        neap.sleep(2)
        insert(seen, neap.time())
      end)
      neap.sleep(10)
    end)
    neap.sleep(1)
    task:cancel("stop")
    assert.are.equal("CancelledError: stop", raised(task.await, task))
    assert.are.same({ 1, 3 }, seen)
    assert.are.equal(3, neap.time())
    assert.is_true(task:cancelled())
  end))

  it("C16 a second request interrupts the cleanup", in_loop(function()
    local seen = {}
    local task = started(function()
      local _ <close> = finally(function()
        insert(seen, "cleanup starts")
        neap.sleep(2)
        insert(seen, "cleanup ends")
      end)
      neap.sleep(10)
    end)
    assert.is_true(task:cancel("1"))
    neap.sleep(1)
    assert.is_true(task:cancel("2"))
    assert.are.equal("CancelledError: 2", raised(task.await, task))
    assert.are.same({ "cleanup starts" }, seen)
    assert.are.same({ done = true, cancelled = true, cancelling = 2 }, state(task))
    assert.are.equal(1, neap.time())
  end))

  it("C17 uncancel returns how many requests remain, never below zero", in_loop(function()
    local task = started(function()
      pcall(neap.sleep, 10)
      pcall(neap.sleep, 10)
      neap.sleep(1)
      return "value"
    end)
    assert.are.equal(0, task:uncancel())
    for _ = 1, 2 do
      task:cancel()
      neap.sleep(0)
    end
    assert.are.equal(2, task:cancelling())
    local seen = {}
    for _ = 1, 3 do
      insert(seen, task:uncancel())
    end
    assert.are.same({ 1, 0, 0 }, seen)
    assert.are.equal(0, task:cancelling())
    assert.are.equal("value", task:await())
  end))

  it("C18 a request taken back before its delivery is not delivered", in_loop(function()
    local unstarted = neap.create_task(function() return "started" end)
    assert.is_true(unstarted:cancel())
    assert.are.equal(0, unstarted:uncancel())
    assert.are.equal("started", unstarted:await())

    local itself = started(function()
      local me = neap.current_task()
      me:cancel()
      me:uncancel()
      neap.sleep(1)
      return "slept"
    end)
    assert.are.equal("slept", itself:await())

    local future = neap.future()
    local woken = started(future.await, future)
    future:set_result("woken")
    assert.is_true(woken:cancel())
    assert.are.equal(0, woken:uncancel())
    assert.are.equal("woken", woken:await())

    local twice = neap.create_task(function() return "started" end)
    twice:cancel("kept")
    twice:cancel("kept")
    assert.are.equal(1, twice:uncancel()) -- one request still stands
    assert.are.equal("CancelledError: kept", raised(twice.await, twice))
  end))

  it("C19 the awaiter of a future that a third party cancels is cancelled", in_loop(function()
    local future = neap.future()
    local task = started(future.await, future)
    future:cancel("third party")
    assert.are.equal("CancelledError: third party", raised(task.await, task))
    assert.are.same({ done = true, cancelled = true, cancelling = 0 }, state(task))
  end))

  it("C21 the awaiter of a task that a third party cancels is cancelled", in_loop(function()
    local inner = started(neap.sleep, 10)
    local outer = started(inner.await, inner)
    inner:cancel("third party")
    assert.are.equal("CancelledError: third party", raised(outer.await, outer))
    assert.are.same({ done = true, cancelled = true, cancelling = 0 }, state(outer))
    assert.are.same({ done = true, cancelled = true, cancelling = 1 }, state(inner))
  end))

  it("C22 cancelling() tells one's own cancellation from that of the awaited", in_loop(function()
    local function observe(awaited)
      local text = raised(neap.await, awaited)
      return text, neap.current_task():cancelling()
    end
    local inner = started(neap.sleep, 10)
    local outer = started(observe, inner)
    inner:cancel()
    assert.are.same({ "CancelledError", 0 }, { outer:await() })

    inner = started(neap.sleep, 10)
    outer = started(observe, inner)
    outer:cancel()
    assert.are.same({ "CancelledError", 1 }, { outer:await() })
  end))

  it("C20 a task in sleep(0) gets CancelledError at that sleep(0)", in_loop(function()
    local seen = {}
    local task = neap.create_task({ eager_start = true }, function()
      insert(seen, raised(neap.sleep, 0))
      insert(seen, raised(neap.sleep, 0))
    end)
    assert.is_true(task:cancel("stop"))
    task:await()
    assert.are.same({ "CancelledError: stop", "nothing raised" }, seen)
  end))

  it("C23 RULE the message reaches every awaiter and result()", in_loop(function()
    local seen = {}
    local task = started(neap.sleep, 10)
    local awaiters = {}
    for i = 1, 3 do
      awaiters[i] = started(function() insert(seen, raised(task.await, task)) end)
    end
    task:cancel("m")
    awaiters[3]:await()
    insert(seen, raised(task.await, task))
    insert(seen, raised(task.result, task))
    insert(seen, raised(task.exception, task))
    local m = "CancelledError: m"
    assert.are.same({ m, m, m, m, m, m }, seen)
  end))

  it("C24 to cancel a task that swallows it succeeds every time", in_loop(function()
    local seen = {}
    local task = started(function()
      for _ = 1, 3 do
        insert(seen, raised(neap.sleep, 10))
      end
      return "survived"
    end)
    for i = 1, 3 do
      insert(seen, task:cancel(tostring(i)))
      neap.sleep(0)
    end
    assert.are.same({
      true, "CancelledError: 1", true, "CancelledError: 2", true, "CancelledError: 3",
    }, seen)
    assert.are.equal("survived", task:result())
    assert.are.same({ done = true, cancelled = false, cancelling = 3 }, state(task))
    assert.is_false(task:cancel("4"))
  end))

  it("C25 an error raised in cleanup replaces the cancellation", in_loop(function()
    local problem = neap.Error "broken"
    local task = started(function()
      local _ <close> = finally(function() error(problem) end)
      neap.sleep(10)
    end)
    task:cancel()
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.are.equal(problem, err)
    assert.is_false(task:cancelled())
    assert.are.equal(problem, task:exception())
  end))

  it("C26 cancel wins over a timer that fired in the same tick", in_loop(function()
    local results = {}
    local task = started(function() return raised(neap.sleep, 1) end)
    neap.call_at(1, function() insert(results, task:cancel("stop")) end)
    assert.are.equal("CancelledError: stop", task:await())
    assert.are.same({ true }, results)
    assert.are.equal(1, neap.time())
  end))

  it("C27 cancel wins over a future that was set in the same tick", in_order(function()
    local results = {}
    local future = neap.future()
    local task = started(function() return raised(future.await, future) end)
    neap.call_at(1, future.set_result, future, "lost")
    neap.call_at(1, function() insert(results, task:cancel()) end)
    assert.are.equal("CancelledError", task:await())
    assert.are.same({ true }, results)
    assert.are.equal("lost", future:result())
  end))

  it("C28 uncancel counts down after the task is done", in_loop(function()
    local task = started(function()
      pcall(neap.sleep, 10)
      return "value"
    end)
    task:cancel()
    assert.are.equal("value", task:await())
    assert.are.equal(1, task:cancelling())
    assert.are.equal(0, task:uncancel())
    assert.are.equal(0, task:cancelling())
    assert.are.equal(0, task:uncancel())
    assert.are.equal("value", task:result())
  end))

  it("X03 a request made while the first is handled is raised at the next await", in_loop(
    function()
      local seen = {}
      local task = started(function()
        insert(seen, raised(neap.sleep, 10))
        insert(seen, neap.current_task():cancel("again"))
        insert(seen, raised(neap.sleep, 1))
        insert(seen, raised(neap.sleep, 2))
      end)
      task:cancel("first")
      task:await()
      assert.are.same({
        "CancelledError: first", true, "CancelledError: again", "nothing raised",
      }, seen)
      assert.are.equal(2, neap.time())
    end))

  it("X12 cancel returns, then the body gets the error, then callbacks run", in_loop(function()
    local seen = {}
    local task = started(function()
      insert(seen, raised(neap.sleep, 10))
    end)
    task:add_done_callback(function() insert(seen, "done callback") end)
    task:cancel()
    insert(seen, "cancel returned")
    neap.sleep(0)
    insert(seen, "pass 1 ends")
    neap.sleep(0)
    insert(seen, "pass 2 ends")
    assert.are.same({
      "cancel returned", "CancelledError", "pass 1 ends", "done callback", "pass 2 ends",
    }, seen)
  end))
end)
