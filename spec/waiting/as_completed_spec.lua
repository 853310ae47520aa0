-- neap.as_completed: asyncio's rules, scenario by scenario (I01 to I04, X09).
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local expect = require "spec.support.expect"

local label = expect.label

--- A task with a name that sleeps and then raises `problem`, if there is one.
local function task(name, delay, problem)
  return neap.create_task({ name = name }, function()
    neap.sleep(delay)
    if problem then
      error(problem, 0)
    end
    return name
  end)
end

--- Goes through neap.as_completed(...), which takes `pause` seconds per item. Each item goes
-- into `log` with the time it came.
local function consume(log, pause, ...)
  for each in neap.as_completed(...) do
    log[#log + 1] = { each:get_name(), neap.time() }
    if pause > 0 then
      neap.sleep(pause)
    end
  end
end

describe("neap.as_completed", function()
  it("I01 gives the tasks in the order of completion, as they complete", in_loop(function()
    local log = {}
    consume(log, 0, { task("a", 3), task("b", 1), task("c", 2) })
    assert.are.same({ { "b", 1 }, { "c", 2 }, { "a", 3 } }, log)
  end))

  it("I01 of one tick, in the order in which they ended", in_order(function()
    local log = {}
    local b, a = task("b", 1), task("a", 1)
    consume(log, 0, { a, b })
    assert.are.same({ { "b", 1 }, { "a", 1 } }, log)
  end))

  it("I01 keeps the order while the loop's body is busy", in_loop(function()
    local log = {}
    consume(log, 2.5, { task("a", 3), task("b", 1), task("c", 2) })
    assert.are.same({ { "b", 1 }, { "c", 3.5 }, { "a", 6 } }, log)
  end))

  it("I01 gives what is done already first, in the order of the list", in_order(function()
    local log = {}
    local first, second, pending = task("first", 1), task("second", 2), task("pending", 9)
    neap.sleep(3)
    consume(log, 0, { pending, second, first })
    assert.are.same({ { "second", 3 }, { "first", 3 }, { "pending", 9 } }, log)
  end))

  it("I01 takes futures beside tasks", in_loop(function()
    local seen, future = {}, neap.future()
    local a = task("a", 2)
    neap.call_later(1, future.set_result, future, "value")
    for each in neap.as_completed { a, future } do
      seen[#seen + 1] = each:result()
    end
    assert.are.same({ "value", "a" }, seen)
  end))

  it("I01 of nothing ends at once", in_loop(function(_, passes)
    local log = {}
    assert.are.equal(0, (passes(consume, log, 0, {})))
    assert.are.equal(0, (passes(consume, log, 0, {}, { timeout = 0 })))
    assert.are.same({}, log)
  end))

  it("I01 gives a task once that is in the list twice", in_loop(function()
    local log = {}
    local a, b = task("a", 2), task("b", 1)
    consume(log, 0, { a, b, a, b })
    assert.are.same({ { "b", 1 }, { "a", 2 } }, log)
  end))

  it("I01 two loops over the same tasks both see all", in_loop(function()
    local first, second = {}, {}
    local list = { task("a", 2), task("b", 1) }
    neap.gather(function() consume(first, 0, list) end, function() consume(second, 1, list) end)
    assert.are.same({ { "b", 1 }, { "a", 2 } }, first)
    assert.are.same({ { "b", 1 }, { "a", 2 } }, second)
  end))

  it("I02 on timeout the next item raises TimeoutError, nothing is cancelled", in_loop(
    function()
      local log = {}
      local list = { task("a", 3), task("b", 1), task("c", 9) }
      local ok, err = pcall(consume, log, 0, list, { timeout = 2 })
      assert.are.same({ false, "TimeoutError", 2 }, { ok, label(err), neap.time() })
      assert.are.same({ { "b", 1 } }, log)
      assert.are.same({ 0, 0, 0 }, {
        list[1]:cancelling(), list[3]:cancelling(), neap.current_task():cancelling(),
      })
      assert.are.same({ "a", "c" }, { list[1]:await(), list[3]:await() })
    end))

  it("I02 after a timeout what ended in time still comes first", in_loop(function()
    local log = {}
    local list = { task("a", 1), task("b", 9), task("c", 1.5) }
    local ok, err = pcall(consume, log, 3, list, { timeout = 2 })
    assert.are.same({ { "a", 1 }, { "c", 4 } }, log)
    assert.are.same({ false, "TimeoutError", 7 }, { ok, label(err), neap.time() })
    list[2]:await()
  end))

  it("I02 the time runs from the call, not from the first item", in_loop(function()
    local log = {}
    local list = { task("a", 1), task("b", 9) }
    local iterator = table.pack(neap.as_completed(list, { timeout = 2 }))
    neap.sleep(5)
    local ok, err = pcall(function()
      for each in table.unpack(iterator, 1, iterator.n) do
        log[#log + 1] = each:get_name()
      end
    end)
    assert.are.same({ false, "TimeoutError", 5 }, { ok, label(err), neap.time() })
    assert.are.same({ "a" }, log)
    list[2]:await()
  end))

  it("I02 a timeout not reached does no harm", in_loop(function()
    local log = {}
    consume(log, 0, { task("a", 1), task("b", 2) }, { timeout = 5 })
    assert.are.same({ { "a", 1 }, { "b", 2 } }, log)
    assert.are.equal("slept", neap.sleep(100, "slept"))
    log = {}
    consume(log, 0, { task("c", 1) }, { timeout = math.huge })
    assert.are.same({ { "c", 103 } }, log)
  end))

  it("I02 with all done a timeout in the loop's body does not matter", in_loop(function()
    local log = {}
    consume(log, 5, { task("a", 1), task("b", 2) }, { timeout = 3 })
    assert.are.same({ { "a", 1 }, { "b", 6 } }, log)
    assert.are.equal(11, neap.time())
  end))

  it("I03 gives the original tasks, done", in_loop(function()
    local a, b = task("a", 2), task("b", 1)
    local seen = {}
    for each in neap.as_completed { a, b } do
      seen[#seen + 1] = { each == a, each == b, each:done() }
    end
    assert.are.same({ { false, true, true }, { true, false, true } }, seen)
  end))

  it("I04 errors and cancellations come in their order, raised by nobody", in_loop(function()
    local seen = {}
    local list = { task("a", 3), task("b", 1, "boom"), task("c", 9) }
    neap.call_later(2, function() list[3]:cancel("third party") end)
    for each in neap.as_completed(list) do
      local ok, value = pcall(each.await, each)
      seen[#seen + 1] = { ok, tostring(value), neap.time() }
    end
    assert.are.same({
      { false, "boom", 1 },
      { false, "CancelledError: third party", 2 },
      { true, "a", 3 },
    }, seen)
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("K09 to be given a task does not count as looking at its error", in_loop(
    function(reports)
      local log, boom = {}, { "boom" }
      consume(log, 0, { task("failed", 1, boom) })
      assert.are.same({ { "failed", 1 } }, log)
      neap.sleep(0)
      collectgarbage()
      collectgarbage()
      neap.sleep(0)
      assert.are.equal(1, #reports)
      assert.are.equal(boom, table.remove(reports).exception)
    end))

  it("a loop that is left early leaves no timer behind", in_loop(function()
    local tasks = { neap.create_task(neap.sleep, 1), neap.create_task(neap.sleep, 2) }
    for _ in neap.as_completed(tasks, { timeout = 1000 }) do break end -- luacheck: ignore 512
    assert.is_false(pcall(function()
      for _ in neap.as_completed(tasks, { timeout = 1000 }) do error "left" end
    end))
    local timers = neap.stats().timers
    tasks[2]:await()
    assert.are.same({ 1, 0 }, { timers, neap.stats().timers })
  end))

  it("a loop that is left early leaves the others running", in_loop(function()
    local list = { task("a", 3), task("b", 1), task("c", 5) }
    for each in neap.as_completed(list, { timeout = 2 }) do
      if each == list[2] then
        break
      end
    end
    assert.are.equal(1, neap.time())
    assert.are.same({ "a", "c", 5 }, { list[1]:await(), list[3]:await(), neap.time() })
    assert.are.same({ 0, 0 }, { list[1]:cancelling(), list[3]:cancelling() })
  end))

  it("X09 a cancelled consumer leaves the children running", in_loop(function()
    local log, list = {}, { task("a", 3), task("b", 1), task("c", 5) }
    local consumer = neap.create_task(function()
      local _, err = pcall(consume, log, 0, list)
      log[#log + 1] = { label(err), err.message, neap.time() }
      error(err, 0)
    end)
    neap.sleep(2)
    assert.is_true(consumer:cancel("enough"))
    pcall(consumer.await, consumer)
    assert.are.same({ { "b", 1 }, { "CancelledError", "enough", 2 } }, log)
    assert.is_true(consumer:cancelled())
    assert.are.same({ "a", "c", 5 }, { list[1]:await(), list[3]:await(), neap.time() })
    assert.are.same({ 0, 0 }, { list[1]:cancelling(), list[3]:cancelling() })
  end))

  it("is bounded by a timeout around it", in_loop(function()
    local log, list = {}, { task("a", 1), task("b", 9) }
    local ok = neap.move_on_after(2, consume, log, 0, list)
    assert.are.same({ false, 2 }, { ok, neap.time() })
    assert.are.same({ { "a", 1 } }, log)
    assert.are.same({ "b", 9 }, { list[2]:await(), neap.time() })
  end))

  it("raises argument errors where it is called", in_loop(function()
    local a = task("a", 1)
    for _, list in ipairs { a, 42, "a" } do
      assert.matches("#1", expect.misuse_here(function() neap.as_completed(list) end), 1, true)
    end
    assert.matches("#1", expect.misuse_here(function() neap.as_completed() end), 1, true)
    assert.matches("#2", expect.misuse_here(function() neap.as_completed({ a }, 5) end), 1, true)
    expect.misuse_here(function() neap.as_completed { a, 42 } end)
    expect.misuse_here(function() neap.as_completed { a, {} } end)
    expect.misuse_here(function() neap.as_completed({ a }, { timeout = 0 / 0 }) end)
    expect.misuse_here(function() neap.as_completed({ a }, { timeout = "soon" }) end)
    assert.are.same({ "a", 1 }, { a:await(), neap.time() })
  end))
end)
