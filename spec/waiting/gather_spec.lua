-- neap.gather: asyncio's rules, scenario by scenario (F01 to F13, X06).
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local expect = require "spec.support.expect"

local label = expect.label
local collect = require("spec.support.bodies").collect

--- A body that sleeps; when cancelled it cleans up for `cleanup` seconds and passes the
-- cancellation on. Each step goes into `log` with its time.
local function careful(log, name, cleanup)
  return function()
    local _, err = pcall(neap.sleep, 100)
    log[#log + 1] = { name, label(err), err.message, neap.time() }
    neap.sleep(cleanup)
    log[#log + 1] = { name, "cleaned up", neap.time() }
    error(err, 0)
  end
end

--- A body that, when cancelled, goes on for a second and returns `value`.
local function stubborn(value)
  return function()
    pcall(neap.sleep, 100)
    neap.sleep(1)
    return value
  end
end

--- A task that calls neap.gather(...), logs how that ended, and ends likewise.
local function gatherer(log, ...)
  local task = neap.create_task(function(...)
    local ok, err = pcall(neap.gather, ...)
    log[#log + 1] = { "gather", ok, label(err), neap.time() }
    if not ok then
      error(err, 0)
    end
  end, ...)
  neap.sleep(0)
  return task
end

describe("neap.gather", function()
  it("F01 returns the results in the order of the arguments", in_loop(function()
    local slow = neap.create_task(neap.sleep, 3, "slow")
    local future = neap.future()
    neap.call_later(1, future.set_result, future, "future")
    local results = table.pack(neap.gather(slow, function() return neap.sleep(2, "function") end,
      future))
    assert.are.same({ "slow", "function", "future", n = 3 }, results)
    assert.are.equal(3, neap.time())
  end))

  it("F01 returns the first result of each, nil kept", in_loop(function()
    local function nothing() neap.sleep(1) end
    local function several() return "a", "b" end
    local function a_nil() return nil, "not this" end
    local function a_false() return false end
    local results = table.pack(neap.gather(nothing, several, a_nil, a_false, nothing))
    assert.are.same({ nil, "a", nil, false, nil, n = 5 }, results)
  end))

  it("F01 makes a task of each function, started in order on the next pass", in_order(function()
    local log, tasks = {}, {}
    local function child(name)
      return function()
        log[#log + 1] = name
        tasks[#tasks + 1] = neap.current_task()
        neap.sleep(1)
      end
    end
    neap.create_task(function() log[#log + 1] = "created before" end)
    neap.gather(child "a", child "b")
    assert.are.same({ "created before", "a", "b" }, log)
    assert.are_not.equal(tasks[1], tasks[2])
    assert.are_not.equal(neap.current_task(), tasks[1])
    assert.are.equal(1, neap.time())
  end))

  it("F01 gathers very many", in_loop(function()
    local bodies, expected = {}, {}
    for i = 1, 200 do
      bodies[i] = function() return neap.sleep(201 - i, i) end
      expected[i] = i
    end
    assert.are.same(expected, { neap.gather(table.unpack(bodies)) })
    assert.are.equal(200, neap.time())
  end))

  it("F06 of nothing returns nothing without yielding", in_loop(function(_, passes)
    local results = table.pack(passes(neap.gather))
    assert.are.same({ 0, n = 1 }, results)
  end))

  it("F06 of what is done already returns without yielding", in_loop(function(_, passes)
    local task = neap.create_task(function() return "task" end)
    task:await()
    local future = neap.future()
    future:set_result("future")
    assert.are.same({ 0, "task", "future" }, { passes(neap.gather, task, future) })
  end))

  it("F07 of one function twice makes two tasks", in_loop(function()
    local calls = 0
    local function count()
      calls = calls + 1
      return calls
    end
    local results = { neap.gather(count, count) }
    table.sort(results)
    assert.are.same({ 1, 2 }, results)
    results = neap.gather { count, count }
    table.sort(results)
    assert.are.same({ 3, 4, n = 2 }, results)
  end))

  it("F07 of one task twice runs it once and returns its value twice", in_loop(function()
    local runs = 0
    local task = neap.create_task(function()
      runs = runs + 1
      return neap.sleep(1, "value")
    end)
    assert.are.same({ "value", "value" }, { neap.gather(task, task) })
    assert.are.equal(1, runs)
  end))

  it("F02 X06 raises the first error at once, and the others run to their end", in_loop(
    function()
      local boom, log = { "boom" }, {}
      local sibling = neap.create_task(function()
        log[#log + 1] = neap.sleep(3, "sibling ends")
        return "kept"
      end)
      local ok, err = pcall(neap.gather, sibling, function()
        neap.sleep(1)
        error(boom)
      end)
      assert.is_false(ok)
      assert.are.equal(boom, err)
      assert.are.equal(1, neap.time())
      assert.is_false(sibling:done())
      assert.are.equal(0, sibling:cancelling())
      assert.are.equal("kept", sibling:await())
      assert.are.same({ "sibling ends" }, log)
      assert.are.equal(3, neap.time())
    end))

  it("F02 raises the error of a task that has failed already", in_loop(function()
    local boom = { "boom" }
    local failed = neap.create_task(error, boom)
    neap.sleep(0)
    local pending = neap.create_task(neap.sleep, 5)
    local ok, err = pcall(neap.gather, pending, failed)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal(0, neap.time())
    assert.is_false(pending:done())
    pending:await()
  end))

  it("F10 does not report errors that come after the first", function()
    local first, log = { "first" }, {}
    in_loop(function()
      local function failing(delay, problem)
        return neap.create_task(function()
          neap.sleep(delay)
          log[#log + 1] = delay
          error(problem)
        end)
      end
      local ok, err = pcall(neap.gather, failing(2, {}), failing(1, first), failing(3, {}))
      assert.is_false(ok)
      assert.are.equal(first, err)
      neap.sleep(5)
      collect()
    end)()
    assert.are.same({ 1, 2, 3 }, log)
  end)

  it("F13 of two errors in one tick raises that of the first to fail", in_order(function()
    local function failing(problem)
      return neap.create_task(function()
        neap.sleep(1)
        error(problem, 0)
      end)
    end
    local first, second = failing "first", failing "second"
    assert.are.same({ false, "first" }, { pcall(neap.gather, second, first) })
    neap.sleep(1)
    assert.is_true(second:done())
  end))

  it("F05 a child cancelled by a third party raises CancelledError", in_loop(function()
    local log = {}
    local cancelled = neap.create_task(neap.sleep, 100)
    local sibling = neap.create_task(neap.sleep, 3, "kept")
    local waiter = neap.create_task(function()
      local _, err = pcall(neap.gather, cancelled, sibling)
      log[1] = { label(err), err.message, neap.current_task():cancelling(), neap.time() }
      return neap.sleep(1, "goes on")
    end)
    neap.sleep(1)
    cancelled:cancel("third party")
    assert.are.equal("goes on", waiter:await())
    assert.are.same({ { "CancelledError", "third party", 0, 1 } }, log)
    assert.are.equal("kept", sibling:await())
    assert.are.equal(0, sibling:cancelling())
  end))

  it("B13 inside a task makes it fail with the first error", in_loop(function()
    local boom = { "boom" }
    local task = neap.create_task(neap.gather, function() error(boom) end)
    assert.are.equal(boom, select(2, pcall(task.await, task)))
    assert.are.equal(boom, task:exception())
  end))
end)

describe("a cancelled neap.gather", function()
  it("F04 cancels all and raises when the first child ends", in_order(function()
    local log = {}
    local slow = neap.create_task(careful(log, "slow", 3))
    local quick = neap.create_task(careful(log, "quick", 1))
    local waiter = gatherer(log, slow, quick)
    neap.sleep(1)
    assert.is_true(waiter:cancel("enough"))
    assert.is_false(waiter:done())
    local _, err = pcall(waiter.await, waiter)
    assert.are.equal("CancelledError: enough", tostring(err))
    assert.is_true(waiter:cancelled())
    assert.are.equal(1, waiter:cancelling())
    assert.is_false(slow:done())
    neap.sleep(5)
    assert.are.same({
      { "slow", "CancelledError", "enough", 1 },
      { "quick", "CancelledError", "enough", 1 },
      { "quick", "cleaned up", 2 },
      { "gather", false, "CancelledError", 2 },
      { "slow", "cleaned up", 4 },
    }, log)
    assert.are.same({ true, true }, { slow:cancelled(), quick:cancelled() })
  end))

  it("F04 cancels the tasks it made of functions, and futures", in_loop(function()
    local log, ended, future = {}, {}, neap.future()
    local waiter = gatherer(ended, careful(log, "function", 2), future)
    neap.sleep(1)
    waiter:cancel("enough")
    assert.is_true(future:cancelled())
    pcall(waiter.await, waiter)
    neap.sleep(5)
    assert.are.same({ { "gather", false, "CancelledError", 1 } }, ended)
    assert.are.same({
      { "function", "CancelledError", "enough", 1 },
      { "function", "cleaned up", 3 },
    }, log)
  end))

  it("F04 children that have not started never run", in_loop(function()
    local ran = false
    local waiter = neap.create_task(function()
      neap.gather(function() ran = true end, function() ran = true end)
    end)
    neap.call_soon(function() waiter:cancel() end)
    local _, err = pcall(waiter.await, waiter)
    assert.are.equal("CancelledError", label(err))
    neap.sleep(1)
    assert.is_false(ran)
  end))

  it("F04 raises an error that a child made of its cancellation", in_loop(function()
    local boom, log = { "boom" }, {}
    local slow = neap.create_task(careful(log, "slow", 3))
    local waiter = neap.create_task(neap.gather, slow, function()
      pcall(neap.sleep, 100)
      neap.sleep(1)
      error(boom)
    end)
    neap.sleep(1)
    waiter:cancel()
    local _, err = pcall(waiter.await, waiter)
    assert.are.equal(boom, err)
    assert.are.same({ 2, false }, { neap.time(), waiter:cancelled() })
    pcall(slow.await, slow)
    assert.are.equal(4, neap.time())
  end))

  it("F11 raises CancelledError though all children swallow the request", in_loop(function()
    local log = {}
    local a, b = neap.create_task(stubborn "a"), neap.create_task(stubborn "b")
    local waiter = gatherer(log, a, b)
    neap.sleep(1)
    assert.is_true(waiter:cancel())
    pcall(waiter.await, waiter)
    assert.is_true(waiter:cancelled())
    assert.are.same({ { "gather", false, "CancelledError", 2 } }, log)
    assert.are.same({ "a", "b" }, { a:result(), b:result() })
  end))

  it("F11 a child that swallows it is no end: the next child's end counts", in_loop(function()
    local log = {}
    local swallows = neap.create_task(stubborn "kept")
    local waiter = gatherer(log, swallows, neap.create_task(careful(log, "slow", 3)))
    neap.sleep(1)
    waiter:cancel("m")
    pcall(waiter.await, waiter)
    assert.are.same({
      { "slow", "CancelledError", "m", 1 },
      { "slow", "cleaned up", 4 },
      { "gather", false, "CancelledError", 4 },
    }, log)
    assert.are.equal("kept", swallows:result())
  end))

  it("F12 cancel is true, done later, and then false", in_loop(function()
    local log = {}
    local waiter = gatherer(log, careful(log, "child", 1))
    neap.sleep(0) -- the child has started
    local seen = { waiter:cancel(), waiter:done() }
    pcall(waiter.await, waiter)
    seen[3], seen[4], seen[5] = waiter:done(), waiter:cancelled(), waiter:cancel()
    assert.are.same({ true, false, true, true, false }, seen)
    assert.are.equal(1, neap.time())
  end))

  it("C26 cancel wins in the tick in which the last child ended", in_loop(function()
    local log, future = {}, neap.future()
    local child = neap.create_task(function() return future:await() end)
    local waiter = gatherer(log, child)
    child:add_done_callback(function() waiter:cancel("enough") end)
    neap.sleep(1)
    future:set_result("lost")
    pcall(waiter.await, waiter)
    assert.are.same({ { "gather", false, "CancelledError", 1 } }, log)
    assert.are.equal("lost", child:result())
  end))
end)

describe("neap.gather with a table", function()
  it("F01 returns one table with the results and their number", in_loop(function()
    local task = neap.create_task(neap.sleep, 2, "task")
    local results = table.pack(neap.gather { task, function() return neap.sleep(1, "b") end })
    assert.are.same({ { "task", "b", n = 2 }, n = 1 }, results)
    assert.are.equal(2, neap.time())
  end))

  it("F01 keeps nils in their places", in_loop(function()
    local function nothing() end
    local function several() return "a", "b" end
    assert.are.same({ nil, "a", nil, n = 3 }, neap.gather { nothing, several, nothing })
    assert.are.same({ nil, "a", nil, n = 3 },
      neap.gather { nothing, several, nothing, return_exceptions = true })
  end))

  it("F06 that is empty returns an empty one without yielding", in_loop(function(_, passes)
    assert.are.same({ 0, { n = 0 } }, { passes(neap.gather, {}) })
    assert.are.same({ 0, { n = 0 } }, { passes(neap.gather, { return_exceptions = true }) })
  end))

  it("F02 raises the first error unless return_exceptions is true", in_loop(function()
    for _, value in ipairs { false, "unset" } do
      local boom, sibling = { "boom" }, neap.create_task(neap.sleep, 3, "kept")
      local arguments = { sibling, function() error(boom) end }
      if value == false then
        arguments.return_exceptions = false
      end
      local ok, err = pcall(neap.gather, arguments)
      assert.is_false(ok)
      assert.are.equal(boom, err)
      assert.are.equal("kept", sibling:await())
    end
  end))

  it("F03 return_exceptions puts errors and cancellations in their places", in_loop(function()
    local boom = neap.Error "boom"
    local cancelled = neap.create_task(neap.sleep, 100)
    neap.call_later(2, function() cancelled:cancel("third party") end)
    local results = neap.gather {
      function() return neap.sleep(3, "value") end,
      function()
        neap.sleep(1)
        error(boom)
      end,
      cancelled,
      function() error("text", 0) end,
      return_exceptions = true,
    }
    assert.are.equal(boom, results[2])
    assert.is_true(neap.is(results[3], neap.CancelledError))
    assert.are.equal("third party", results[3].message)
    assert.are.same({ "value", "text", 4 }, { results[1], results[4], results.n })
    assert.are.equal(3, neap.time())
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("F03 errors that were returned are not reported", in_loop(function()
    local boom = { "boom" }
    do
      local task = neap.create_task(error, boom)
      assert.are.same({ boom, n = 1 }, neap.gather { task, return_exceptions = true })
    end
    collect()
  end))

  it("F07 of one task twice returns its error twice", in_loop(function()
    local boom = { "boom" }
    local task = neap.create_task(error, boom)
    local results = neap.gather { task, task, return_exceptions = true }
    assert.are.equal(boom, results[1])
    assert.are.equal(boom, results[2])
    assert.are.equal(2, results.n)
  end))

  it("F04 F08 with return_exceptions a cancel still raises, when all have ended", in_order(
    function()
      local log = {}
      local slow = neap.create_task(careful(log, "slow", 3))
      local quick = neap.create_task(careful(log, "quick", 1))
      local waiter = gatherer(log, { slow, quick, return_exceptions = true })
      neap.sleep(1)
      assert.is_true(waiter:cancel("enough"))
      pcall(waiter.await, waiter)
      assert.are.same({
        { "slow", "CancelledError", "enough", 1 },
        { "quick", "CancelledError", "enough", 1 },
        { "quick", "cleaned up", 2 },
        { "slow", "cleaned up", 4 },
        { "gather", false, "CancelledError", 4 },
      }, log)
      assert.are.same({ true, 1 }, { waiter:cancelled(), waiter:cancelling() })
    end))

  it("F08 a child's error in its cleanup does not replace that cancel", in_loop(function()
    local log = {}
    local waiter = gatherer(log, {
      careful(log, "slow", 3),
      function()
        pcall(neap.sleep, 100)
        error { "boom" }
      end,
      return_exceptions = true,
    })
    neap.sleep(1)
    waiter:cancel("m")
    pcall(waiter.await, waiter)
    assert.are.same({
      { "slow", "CancelledError", "m", 1 },
      { "slow", "cleaned up", 4 },
      { "gather", false, "CancelledError", 4 },
    }, log)
  end))

  it("C16 a second cancel reaches the children in their cleanup", in_order(function()
    local log = {}
    local a = neap.create_task(careful(log, "a", 9))
    local b = neap.create_task(careful(log, "b", 9))
    local waiter = gatherer(log, { a, b, return_exceptions = true })
    neap.sleep(1)
    waiter:cancel("1")
    neap.sleep(1)
    assert.is_true(waiter:cancel("2"))
    pcall(waiter.await, waiter)
    assert.are.same({
      { "a", "CancelledError", "1", 1 },
      { "b", "CancelledError", "1", 1 },
      { "gather", false, "CancelledError", 2 },
    }, log)
    assert.are.same({ 2, 2, 2 }, { a:cancelling(), b:cancelling(), waiter:cancelling() })
  end))
end)

describe("neap.gather given what it cannot gather", function()
  for title, value in pairs { ["42"] = 42, ["a string"] = "task", ["true"] = true } do
    it("raises an argument error for " .. title .. " and starts nothing", in_loop(function()
      local ran = false
      local task = neap.create_task(neap.sleep, 1, "own result")
      local function body() ran = true end
      assert.matches("#1", expect.misuse_here(function() neap.gather(value) end), 1, true)
      local message = expect.misuse_here(function() neap.gather(task, body, value) end)
      assert.matches("#3", message, 1, true)
      expect.misuse_here(function() neap.gather { body, task, value } end)
      assert.are.equal("own result", task:await())
      assert.is_false(ran)
    end))
  end

  it("raises an argument error for nil and for a table among others", in_loop(function()
    local task = neap.create_task(neap.sleep, 1, "own result")
    expect.misuse_here(function() neap.gather(nil) end)
    expect.misuse_here(function() neap.gather(task, nil) end)
    expect.misuse_here(function() neap.gather(task, {}) end)
    expect.misuse_here(function() neap.gather { task, {} } end)
    assert.are.equal("own result", task:await())
  end))

  it("raises an error that says so outside of a task", in_loop(function()
    local failures, task = {}, neap.create_task(neap.sleep, 1, "own result")
    neap.call_soon(function()
      failures[1] = expect.misuse_here(function() neap.gather(task) end):match "task"
    end)
    assert.are.equal("own result", task:await())
    assert.are.same({ "task" }, failures)
  end))
end)
