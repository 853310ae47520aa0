-- Section 2 of the semantics: what a task or future ends with, and who gets to see it.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

local insert = table.insert

-- The error that fn(...) raises.
local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "expected an error")
  return err
end

local function assert_error(class, message, err)
  assert.is_true(neap.is(err, class), "wrong class of error: " .. tostring(err))
  assert.are.equal(message, err.message)
end

-- A done task that failed with err.
local function failed_task(err)
  local task = neap.create_task(error, err)
  neap.sleep(0)
  assert.is_true(task:done())
  return task
end

-- A done task that was cancelled with message.
local function cancelled_task(message)
  local task = neap.create_task(neap.sleep, 1)
  task:cancel(message)
  neap.sleep(0)
  assert.is_true(task:done())
  return task
end

describe("results and errors", function()
  it("B01 the result and the exception of a pending task are not set", in_loop(function()
    local task = neap.create_task(neap.sleep, 1)
    for _, pending in ipairs { task, neap.future() } do
      assert_error(neap.InvalidStateError, "Result is not set.", error_of(pending.result, pending))
      assert_error(neap.InvalidStateError, "Exception is not set.",
        error_of(pending.exception, pending))
      assert.is_false(pending:done())
    end
    task:await()
  end))

  it("B02 a failed task gives the same error object every time", in_loop(function()
    for _, problem in ipairs { neap.Error "broken", {}, "plain string", 42 } do
      local task = neap.create_task(function() error(problem, 0) end)
      neap.sleep(0)
      assert.are.equal(problem, error_of(task.result, task))
      assert.are.equal(problem, error_of(task.result, task))
      assert.are.equal(problem, error_of(task.await, task))
      assert.are.equal(problem, task:exception())
      assert.are.equal(problem, task:exception())
    end
  end))

  it("B03 exception() is nil after success and raises after a cancellation", in_loop(function()
    local succeeded = neap.create_task(function() return "value" end)
    neap.sleep(0)
    assert.is_nil(succeeded:exception())

    local cancelled = cancelled_task("stop")
    assert_error(neap.CancelledError, "stop", error_of(cancelled.result, cancelled))
    assert_error(neap.CancelledError, "stop", error_of(cancelled.exception, cancelled))
  end))

  it("B04 a body that raises CancelledError itself is cancelled, unrequested", in_loop(function()
    local task = failed_task(neap.CancelledError "mine")
    assert.is_true(task:cancelled())
    assert.are.equal(0, task:cancelling())
    assert_error(neap.CancelledError, "mine", error_of(task.await, task))
  end))

  it("B05 the result of a task cannot be set from outside", in_loop(function()
    local task = neap.create_task(function() return "own" end)
    local err = error_of(function() task:set_result("foreign") end)
    assert.is_string(err)
    assert.matches("set_result", err)
    err = error_of(function() task:set_exception("foreign") end)
    assert.is_string(err)
    assert.matches("set_exception", err)
    assert.is_false(task:done())
    assert.are.equal("own", task:await())
  end))

  it("B06 a future is set once, and its first value stays", in_loop(function()
    local future = neap.future()
    future:set_result("first", nil)
    assert.is_true(neap.is(error_of(future.set_result, future, "second"), neap.InvalidStateError))
    assert.is_true(neap.is(error_of(future.set_exception, future, "x"), neap.InvalidStateError))
    assert.are.same({ n = 2, "first", nil }, table.pack(future:result()))

    local failed, problem = neap.future(), neap.Error "broken"
    failed:set_exception(problem)
    assert.is_true(neap.is(error_of(failed.set_result, failed, "late"), neap.InvalidStateError))
    assert.are.equal(problem, failed:exception())
  end))

  it("B07 a task cannot await itself", in_loop(function(_, passes)
    local main = neap.current_task()
    local count, ok, err = passes(pcall, main.await, main)
    assert.are.equal(0, count)
    assert.is_false(ok)
    assert.is_string(err)
    assert.matches("itself", err)

    local task
    task = neap.create_task(function()
      local caught = error_of(neap.await, task)
      neap.sleep(0)
      return caught
    end)
    assert.matches("itself", task:await())
  end))

  it("B08 RULE the await that closes a cycle raises", in_order(function()
    local seen, tasks = {}, {}
    local function follow(name, other)
      local ok, err = pcall(neap.await, tasks[other])
      insert(seen, { name, ok, not ok and neap.is(err, neap.CancelledError) })
      return name
    end
    tasks.a = neap.create_task(follow, "a", "b")
    tasks.b = neap.create_task(follow, "b", "c")
    tasks.c = neap.create_task(follow, "c", "a")
    neap.sleep(0)
    assert.are.same({ { "c", false, false } }, seen)
    assert.are.equal("a", tasks.a:await())
    assert.are.same({ { "c", false, false }, { "b", true, false }, { "a", true, false } }, seen)
  end))

  it("B09 all awaiters get the identical object, in the order of their awaits", in_order(function()
    local value, seen = {}, {}
    local task = neap.create_task(neap.sleep, 1, value)
    local awaiters = {}
    for i = 1, 3 do
      awaiters[i] = neap.create_task(function()
        local got = task:await()
        insert(seen, { i, rawequal(got, value) })
      end)
    end
    awaiters[3]:await()
    assert.are.same({ { 1, true }, { 2, true }, { 3, true } }, seen)
  end))

  it("B10 all awaiters of a failed task get the same error object", in_order(function()
    local problem, seen = neap.Error "broken", {}
    local task = neap.create_task(function()
      neap.sleep(1)
      error(problem)
    end)
    local awaiters = {}
    for i = 1, 3 do
      awaiters[i] = neap.create_task(function()
        local ok, err = pcall(task.await, task)
        insert(seen, { i, ok, rawequal(err, problem) })
      end)
    end
    awaiters[3]:await()
    assert.are.same({ { 1, false, true }, { 2, false, true }, { 3, false, true } }, seen)
  end))

  it("B11 a future is cancelled once, and its awaiter gets the message", in_loop(function()
    local future = neap.future()
    local awaiter = neap.create_task(pcall, future.await, future)
    neap.sleep(0)
    assert.is_true(future:cancel("m"))
    assert.is_false(future:cancel("again"))
    assert.is_true(future:done())
    assert.is_true(future:cancelled())
    local ok, err = awaiter:await()
    assert.is_false(ok)
    assert_error(neap.CancelledError, "m", err)
  end))

  it("B12 a cancelled future takes no result", in_loop(function()
    local future = neap.future()
    future:cancel()
    assert.is_true(neap.is(error_of(future.set_result, future, 1), neap.InvalidStateError))
    assert.is_true(neap.is(error_of(future.set_exception, future, 1), neap.InvalidStateError))
    assert.is_true(future:cancelled())
  end))

  it("B13 an error that the awaiter does not catch becomes its own", in_loop(function()
    local problem, seen = neap.Error "broken", {}
    local inner = neap.create_task(function()
      neap.sleep(1)
      error(problem)
    end)
    local outer = neap.create_task(function()
      inner:await()
      insert(seen, "after the await")
    end)
    assert.are.equal(problem, error_of(outer.await, outer))
    assert.are.equal(problem, outer:exception())
    assert.is_false(outer:cancelled())
    assert.are.same({}, seen)
  end))

  it("done() is true however the task ended, cancelled() after a cancellation", in_loop(
    function()
      local returned = neap.create_task(function() return "value" end)
      neap.sleep(0)
      local failed = failed_task(neap.Error "broken")
      assert.is_not_nil(failed:exception())
      local seen = {}
      for _, task in ipairs { returned, failed, cancelled_task() } do
        insert(seen, { task:done(), task:cancelled() })
      end
      assert.are.same({ { true, false }, { true, false }, { true, true } }, seen)
    end))
end)
