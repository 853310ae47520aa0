-- neap.future: what can be set, who is woken, how it is read (beside A11 to A23, B01 to B12 and
-- K05, which are in spec/tasks and spec/errors).
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local expect = require "spec.support.expect"

local label = expect.label

--- A task that logs how its wait for `future` ended, with all the values.
local function waiter(log, name, future)
  return neap.create_task(function()
    local results = table.pack(pcall(future.await, future))
    if not results[1] then
      results[2] = label(results[2])
    end
    log[#log + 1] = { name, table.unpack(results, 1, results.n) }
  end)
end

local function state(future)
  return { done = future:done(), cancelled = future:cancelled() }
end

describe("a future", function()
  it("B01 is pending at first: no result, no exception", in_loop(function()
    local future = neap.future()
    assert.are.same({ done = false, cancelled = false }, state(future))
    for method, message in pairs {
      result = "Result is not set.",
      exception = "Exception is not set.",
    } do
      local ok, err = pcall(future[method], future)
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.InvalidStateError))
      assert.are.equal(message, err.message)
    end
    future:set_result("still possible")
    assert.are.equal("still possible", future:result())
  end))

  for title, values in pairs {
    ["nothing"] = table.pack(),
    ["nil"] = table.pack(nil),
    ["false"] = table.pack(false),
    ["several, nils among and behind them"] = table.pack(nil, "b", nil, { "d" }, nil),
    ["very many"] = table.pack(string.byte(("x"):rep(200), 1, -1)),
  } do
    it("set to " .. title .. " gives exactly that", in_loop(function()
      local future = neap.future()
      assert.are.equal(0, select("#", future:set_result(table.unpack(values, 1, values.n))))
      assert.are.same({ done = true, cancelled = false }, state(future))
      assert.are.same(values, table.pack(future:result()))
      assert.are.same(values, table.pack(future:await()))
      assert.are.same(values, table.pack(neap.await(future)))
      assert.is_nil(future:exception())
    end))
  end

  for title, problem in pairs {
    ["a table"] = { "boom" },
    ["a string"] = "boom",
    ["a number"] = 42,
    ["false"] = false,
    ["an error object"] = neap.Error "boom",
  } do
    it("that fails with " .. title .. " raises that very value", in_loop(function()
      local future = neap.future()
      assert.are.equal(0, select("#", future:set_exception(problem)))
      assert.are.same({ done = true, cancelled = false }, state(future))
      assert.are.equal(problem, future:exception())
      for _, read in ipairs { future.result, future.await, neap.await } do
        local ok, err = pcall(read, future)
        assert.is_false(ok)
        assert.are.equal(problem, err)
      end
    end))
  end

  it("needs an error to fail with", in_loop(function()
    local future = neap.future()
    local ok, err = pcall(function() future:set_exception() end)
    assert.is_false(ok)
    assert.matches("future_spec%.lua:%d+: bad argument", err)
    assert.is_false((pcall(future.set_exception, future, nil)))
    assert.is_false(future:done())
  end))

  it("B06 B12 is set once: whatever comes later is refused", in_loop(function()
    local ends = {
      result = function(future) future:set_result("first") end,
      exception = function(future) future:set_exception("first") end,
      cancel = function(future) future:cancel("first") end,
    }
    for _, first in pairs(ends) do
      local future = neap.future()
      first(future)
      local before = { pcall(future.result, future) }
      for _, method in ipairs { "set_result", "set_exception" } do
        local ok, err = pcall(future[method], future, "second")
        assert.is_false(ok)
        assert.is_true(neap.is(err, neap.InvalidStateError))
      end
      assert.is_false(future:cancel("second"))
      local after = { pcall(future.result, future) }
      assert.are.equal(before[1], after[1])
      assert.are.equal(tostring(before[2]), tostring(after[2]))
    end
  end))

  it("A13 wakes its waiters in order, each with all the values", in_order(function()
    local log, future = {}, neap.future()
    for _, name in ipairs { "a", "b", "c" } do
      waiter(log, name, future)
    end
    neap.sleep(1)
    future:set_result("value", nil, 3)
    assert.are.same({}, log)
    neap.sleep(0)
    assert.are.same({
      { "a", true, "value", nil, 3 },
      { "b", true, "value", nil, 3 },
      { "c", true, "value", nil, 3 },
    }, log)
  end))

  it("B09 B10 raises the very same error in all its waiters", in_order(function()
    local log, future, boom = {}, neap.future(), { "boom" }
    for _, name in ipairs { "a", "b" } do
      waiter(log, name, future)
    end
    neap.sleep(0)
    future:set_exception(boom)
    neap.sleep(0)
    assert.are.same({ { "a", false, boom }, { "b", false, boom } }, log)
    assert.are.equal(boom, log[1][3])
    assert.are.equal(boom, log[2][3])
  end))

  it("can be set from a callback, a timer and a task", in_loop(function()
    local log = {}
    local futures = { neap.future(), neap.future(), neap.future() }
    for i, future in ipairs(futures) do
      waiter(log, i, future)
    end
    neap.sleep(0)
    neap.call_later(2, futures[1].set_result, futures[1], "timer")
    neap.call_soon(futures[2].set_exception, futures[2], "callback")
    neap.create_task(function()
      neap.sleep(1)
      futures[3]:set_result("task")
    end)
    neap.sleep(3)
    assert.are.same({
      { 2, false, "callback" }, { 3, true, "task" }, { 1, true, "timer" },
    }, log)
  end))

  it("can be set inside a coroutine of a task", in_loop(function()
    local log, future = {}, neap.future()
    waiter(log, "a", future)
    neap.sleep(0)
    coroutine.wrap(function() future:set_result("value") end)()
    neap.sleep(0)
    assert.are.same({ { "a", true, "value" } }, log)
  end))

  it("C08 cancelled by one waiter is cancelled for all, as in asyncio", in_loop(function()
    local log, future = {}, neap.future()
    local first = waiter(log, "first", future)
    local second = waiter(log, "second", future)
    neap.sleep(0)
    first:cancel()
    assert.are.same({ done = true, cancelled = true }, state(future))
    neap.sleep(0)
    table.sort(log, function(a, b) return a[1] < b[1] end)
    assert.are.same({
      { "first", false, "CancelledError" }, { "second", false, "CancelledError" },
    }, log)
    assert.are.same({ 1, 0 }, { first:cancelling(), second:cancelling() })
  end))

  it("C04 two requests to its waiter give one CancelledError, the first", in_loop(function()
    local future = neap.future()
    local task = neap.create_task(future.await, future)
    neap.sleep(0)
    assert.are.same({ true, true }, { task:cancel("one"), task:cancel("two") })
    local _, err = pcall(task.await, task)
    assert.are.same({ "CancelledError: one", 2 }, { tostring(err), task:cancelling() })
  end))

  it("B11 RULE C23 keeps the message of its cancellation for everybody", in_loop(function()
    local future, seen = neap.future(), {}
    assert.is_true(future:cancel("enough"))
    for _, read in ipairs { future.await, future.result, future.exception, future.await } do
      seen[#seen + 1] = tostring(select(2, pcall(read, future)))
    end
    local m = "CancelledError: enough"
    assert.are.same({ m, m, m, m }, seen)
    local silent = neap.future()
    silent:cancel()
    assert.are.equal("CancelledError", tostring(select(2, pcall(silent.await, silent))))
  end))

  it("A16 A17 calls its done callbacks in order, with itself, from the loop", in_order(
    function()
      local log, future = {}, neap.future()
      local function callback(name)
        return function(...)
          log[#log + 1] = { name, select("#", ...), (...) == future }
        end
      end
      local twice, removed = callback "twice", callback "removed"
      future:add_done_callback(callback "first")
      future:add_done_callback(twice)
      future:add_done_callback(removed)
      future:add_done_callback(twice)
      assert.are.same({ 1, 0 }, {
        future:remove_done_callback(removed), future:remove_done_callback(removed),
      })
      future:set_result("value")
      future:add_done_callback(callback "late")
      assert.are.same({}, log)
      neap.sleep(0)
      assert.are.same({
        { "first", 1, true }, { "twice", 1, true }, { "twice", 1, true }, { "late", 1, true },
      }, log)
    end))

  it("calls its done callbacks when it fails and when it is cancelled", in_loop(function()
    local log = {}
    local failed, cancelled = neap.future(), neap.future()
    failed:add_done_callback(function(future) log.failed = future:exception() end)
    cancelled:add_done_callback(function(future) log.cancelled = future:cancelled() end)
    failed:set_exception("boom")
    cancelled:cancel()
    neap.sleep(0)
    assert.are.same({ failed = "boom", cancelled = true }, log)
  end))

  it("may be resolved by a done callback of another", in_order(function(_, passes)
    local first, second = neap.future(), neap.future()
    first:add_done_callback(function(done) second:set_result("after", done:result()) end)
    assert.are.same({ 3, "after", "first" }, { passes(function()
      neap.call_soon(first.set_result, first, "first")
      return second:await()
    end) })
  end))

  it("says what it is", in_loop(function()
    local pending, finished, failed = neap.future(), neap.future(), neap.future()
    local cancelled = neap.future()
    finished:set_result()
    failed:set_exception("boom")
    failed:exception()
    cancelled:cancel()
    local expected = {
      { pending, "pending" }, { finished, "finished" }, { failed, "failed: boom" },
      { cancelled, "cancelled" },
    }
    for _, each in ipairs(expected) do
      assert.matches("^<Future .*" .. each[2], tostring(each[1]))
    end
  end))

  it("is no task: it has no name and cannot be set like one", in_loop(function()
    local future = neap.future()
    local ok = pcall(function() return future:get_name() end)
    assert.is_false(ok)
    assert.is_false(neap.is(future, neap.Error))
    for _, method in ipairs { "cancelling", "uncancel", "traceback" } do
      assert.is_false((pcall(function() return future[method](future) end)), method)
    end
  end))

  it("is collected when nobody needs it", in_loop(function()
    local probe = setmetatable({}, { __mode = "k" })
    do
      probe[neap.future()] = true
      local called, awaited = neap.future(), neap.future()
      probe[called], probe[awaited] = true, true
      called:add_done_callback(function() return called end)
      neap.call_soon(called.set_result, called)
      neap.call_soon(awaited.set_result, awaited)
      awaited:await()
    end
    neap.sleep(1)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(probe))
  end))

  it("neap.await and wait_for take any object with an await method", in_loop(function()
    local function awaitable(seconds)
      return setmetatable({}, { __index = { await = function(self, ...)
        neap.sleep(seconds)
        return self, select("#", ...), nil
      end } })
    end
    local object = awaitable(1)
    assert.are.same({ n = 3, object, 0 }, table.pack(neap.await(object)))
    assert.are.same({ n = 3, object, 0 }, table.pack(neap.wait_for(object)))
    assert.are.same({ n = 3, object, 0 }, table.pack(neap.wait_for(object, 2)))
    local ok, err = pcall(neap.wait_for, object, 0.5)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.TimeoutError))
    local quick = { await = function() return "at once" end }
    assert.are.equal("at once", neap.await(quick))
    assert.are.equal("at once", neap.wait_for(quick, 1))
    for _, value in ipairs { 1, "text", {}, { await = 1 }, io.stdout, true } do
      assert.matches("object with an await method", select(2, pcall(neap.await, value)), 1, true)
    end
  end))

  it("a new task may be given a context", in_loop(function()
    local var = neap.context_var "var"
    var:set "outer"
    local context = neap.copy_context()
    var:set "changed"
    local task = neap.create_task({ context = context }, function() return var:get() end)
    assert.are.same({ "outer", "changed" }, { task:await(), var:get() })
    assert.matches("option 'context' must be a table",
      select(2, pcall(neap.create_task, { context = 1 }, print)), 1, true)
  end))
end)
