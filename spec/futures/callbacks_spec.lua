-- call_soon, call_later and call_at: order, arguments, handles, errors (beside A18 to A20 in
-- spec/tasks, and misuse in spec/tasks/misuse_spec.lua).
local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

--- A function that logs its name, the time and how many arguments it got.
local function logger(log, name)
  return function(...)
    log[#log + 1] = { name, neap.time(), select("#", ...) }
  end
end

describe("neap.call_soon", function()
  it("calls on the next pass, never inside the call, in order", in_order(function()
    local log = {}
    for _, name in ipairs { "a", "b", "c" } do
      neap.call_soon(function() log[#log + 1] = name end)
    end
    log[#log + 1] = "returned"
    neap.sleep(0)
    log[#log + 1] = "one pass later"
    assert.are.same({ "returned", "a", "b", "c", "one pass later" }, log)
  end))

  it("keeps the order among tasks and callbacks", in_order(function()
    local log = {}
    neap.call_soon(table.insert, log, "callback 1")
    neap.create_task(table.insert, log, "task")
    neap.call_soon(table.insert, log, "callback 2")
    neap.sleep(0)
    assert.are.same({ "callback 1", "task", "callback 2" }, log)
  end))

  it("passes the arguments, nils kept", in_loop(function()
    local seen
    neap.call_soon(function(...) seen = table.pack(...) end, nil, "b", nil, { "d" }, nil)
    neap.sleep(0)
    assert.are.same({ nil, "b", nil, { "d" }, nil, n = 5 }, seen)
    neap.call_soon(function(...) seen = table.pack(...) end)
    neap.sleep(0)
    assert.are.same({ n = 0 }, seen)
  end))

  it("A19 from a callback runs on the next pass", in_order(function()
    local log = {}
    neap.call_soon(function()
      neap.call_soon(function() log[#log + 1] = "inner" end)
      log[#log + 1] = "outer"
    end)
    neap.sleep(0)
    log[#log + 1] = "one pass"
    neap.sleep(0)
    assert.are.same({ "outer", "one pass", "inner" }, log)
  end))

  it("A26 calls outside of any task", in_loop(function()
    local log = {}
    neap.call_soon(function() log[1] = neap.current_task() == nil end)
    neap.call_later(1, function() log[2] = neap.current_task() == nil end)
    neap.sleep(2)
    assert.are.same({ true, true }, log)
  end))

  it("takes anything that can be called", in_loop(function()
    local seen
    neap.call_soon(setmetatable({ "self" }, { __call = function(...) seen = { ... } end }), "b")
    neap.sleep(0)
    assert.are.same({ { "self" }, "b" }, seen)
  end))

  it("may create tasks and set futures", in_loop(function()
    local future = neap.future()
    neap.call_soon(function()
      neap.create_task(function()
        neap.sleep(1)
        future:set_result("from a task")
      end)
    end)
    assert.are.same({ "from a task", 1 }, { future:await(), neap.time() })
  end))

  it("outside a run is an error, and calls nothing later #plain", function()
    local called = false
    for _, call in ipairs {
      function(fn) neap.call_soon(fn) end,
      function(fn) neap.call_later(1, fn) end,
      function(fn) neap.call_at(1, fn) end,
    } do
      local ok, err = pcall(call, function() called = true end)
      assert.is_false(ok)
      assert.matches("callbacks_spec%.lua:%d+: ", err)
    end
    in_loop(function() neap.sleep(5) end)()
    assert.is_false(called)
  end)
end)

describe("neap.call_later and neap.call_at", function()
  it("call at their time, passing arguments", in_loop(function()
    local log = {}
    neap.sleep(1)
    neap.call_later(1.5, logger(log, "later"), nil, "b", nil)
    neap.call_at(2, logger(log, "at"))
    neap.sleep(5)
    assert.are.same({ { "at", 2, 0 }, { "later", 2.5, 3 } }, log)
  end))

  it("A09 call in the order of their deadlines", in_loop(function()
    local log, expected = {}, {}
    for i = 1, 50 do
      neap.call_later((i * 7) % 50 + 1, function() log[#log + 1] = neap.time() end)
      expected[i] = i
    end
    neap.sleep(60)
    assert.are.same(expected, log)
  end))

  it("A10 RULE of one deadline call in the order of the calls, sleeps among them", in_order(
    function()
      local log = {}
      neap.call_later(1, logger(log, "later 1"))
      neap.create_task({ eager_start = true }, function()
        neap.sleep(1)
        logger(log, "sleep")()
      end)
      neap.call_at(1, logger(log, "at 1"))
      neap.call_later(0.5, function() neap.call_later(0.5, logger(log, "late call")) end)
      neap.call_later(1, logger(log, "later 2"))
      neap.sleep(2)
      local order = {}
      for i, each in ipairs(log) do
        order[i] = each[1]
      end
      -- A task that wakes runs on the pass after its timer, as in asyncio.
      assert.are.same({ "later 1", "at 1", "later 2", "late call", "sleep" }, order)
    end))

  for _, delay in ipairs { 0, -1, -math.huge } do
    it("with a delay of " .. delay .. " call soon, in no time", in_order(function()
      local log = {}
      neap.call_later(delay, logger(log, "later"))
      neap.call_at(delay, logger(log, "at"))
      assert.are.same({}, log)
      neap.sleep(0)
      neap.sleep(0)
      neap.sleep(0)
      assert.are.same({ { "later", 0, 0 }, { "at", 0, 0 } }, log)
    end))
  end

  it("with math.huge never call, and do not hold the run", in_loop(function()
    local called = false
    neap.call_later(math.huge, function() called = true end)
    neap.call_at(math.huge, function() called = true end)
    neap.sleep(1e9)
    assert.are.equal(1e9, neap.time())
    assert.is_false(called)
  end))

  it("that are left when the run ends are never called #plain", function()
    local called = {}
    local clock <close> = testing.virtual_clock()
    assert(clock)
    neap.run(function()
      neap.call_later(5, table.insert, called, "later")
      neap.call_later(1e6, table.insert, called, "much later")
      neap.sleep(1)
    end)
    assert.are.same({}, called)
    neap.run(neap.sleep, 100)
    assert.are.same({}, called)
  end)
end)

describe("a handle", function()
  it("cancels its call, and says so", in_loop(function()
    local called = false
    local function callback() called = true end
    for _, handle in ipairs {
      neap.call_soon(callback), neap.call_later(1, callback), neap.call_at(1, callback),
      neap.call_later(0, callback), neap.call_later(math.huge, callback),
    } do
      assert.is_false(handle:cancelled())
      handle:cancel()
      assert.is_true(handle:cancelled())
      handle:cancel()
      assert.is_true(handle:cancelled())
    end
    neap.sleep(2)
    assert.is_false(called)
  end))

  it("knows its time", in_loop(function()
    local function nothing() end
    neap.sleep(10)
    local later, at = neap.call_later(2.5, nothing), neap.call_at(17, nothing)
    assert.are.same({ 12.5, 17, math.huge }, {
      later:when(), at:when(), neap.call_later(math.huge, nothing):when(),
    })
    later:cancel()
    assert.are.equal(12.5, later:when())
    neap.sleep(10)
    assert.are.equal(17, at:when())
    assert.is_nil(neap.call_soon(nothing):when())
  end))

  it("can be cancelled by an earlier callback of the same pass", in_order(function()
    local log, second = {}, nil
    neap.call_soon(function()
      log[#log + 1] = "first"
      second:cancel()
    end)
    second = neap.call_soon(function() log[#log + 1] = "second" end)
    neap.call_soon(function() log[#log + 1] = "third" end)
    neap.sleep(1)
    assert.are.same({ "first", "third" }, log)
  end))

  it("can be cancelled by an earlier timer of the same tick", in_order(function()
    local log, second = {}, nil
    neap.call_later(1, function()
      log[#log + 1] = "first"
      second:cancel()
    end)
    second = neap.call_later(1, function() log[#log + 1] = "second" end)
    neap.call_later(1, function() log[#log + 1] = "third" end)
    neap.sleep(2)
    assert.are.same({ "first", "third" }, log)
  end))

  it("may be cancelled inside its own call and after it", in_loop(function()
    local calls, handle = 0, nil
    handle = neap.call_soon(function()
      calls = calls + 1
      handle:cancel()
    end)
    neap.sleep(1)
    handle:cancel()
    neap.sleep(1)
    assert.are.equal(1, calls)
  end))

  it("need not be kept", in_loop(function()
    local log = {}
    neap.call_soon(logger(log, "soon"))
    neap.call_later(1, logger(log, "later"))
    collectgarbage()
    collectgarbage()
    neap.sleep(2)
    assert.are.same({ { "soon", 0, 0 }, { "later", 1, 0 } }, log)
  end))

  it("lets go of a function that it has cancelled or called", in_loop(function()
    local probe = setmetatable({}, { __mode = "k" })
    local handles = {}
    do
      local function make()
        local argument = {}
        probe[argument] = true
        return function() return argument end, argument
      end
      handles[1] = neap.call_soon(make())
      handles[2] = neap.call_later(100, make())
      handles[2]:cancel()
    end
    neap.sleep(1)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(probe))
    assert.are.same({ false, true }, { handles[1]:cancelled(), handles[2]:cancelled() })
  end))

  it("of cancelled timers by the thousand leaves the others in order", in_order(function()
    local log, expected = {}, {}
    for i = 1, 3000 do
      local handle = neap.call_later(i % 100 + 1, function() log[#log + 1] = i end)
      if i % 10 ~= 0 then
        handle:cancel()
      end
    end
    for second = 0, 99 do
      for i = 10, 3000, 10 do
        if i % 100 == second then
          expected[#expected + 1] = i
        end
      end
    end
    neap.sleep(200)
    assert.are.same(expected, log)
  end))

  it("has methods that take only a handle", in_loop(function()
    local handle = neap.call_soon(function() end)
    for _, name in ipairs { "cancel", "cancelled", "when" } do
      for _, self in ipairs { 42, {}, neap.future(), io.stdout } do
        local ok, err = pcall(function() handle[name](self) end)
        assert.is_false(ok)
        assert.matches("callbacks_spec%.lua:%d+: bad argument #1", err)
      end
    end
    assert.is_false(handle:cancelled())
  end))
end)

describe("an error in a callback", function()
  local ways = {
    ["call_soon"] = function(fn) neap.call_soon(fn) end,
    ["call_later"] = function(fn) neap.call_later(1, fn) end,
    ["call_at"] = function(fn) neap.call_at(1, fn) end,
    ["a done callback"] = function(fn)
      local future = neap.future()
      future:add_done_callback(fn)
      future:set_result()
    end,
  }
  for title, schedule in pairs(ways) do
    it("A18 of " .. title .. " goes to the exception handler, unchanged", in_loop(
      function(reports)
        for _, problem in ipairs { { "boom" }, "boom", 42, neap.Error "boom" } do
          schedule(function() error(problem, 0) end)
          neap.sleep(2)
          assert.are.equal(1, #reports)
          local report = table.remove(reports)
          assert.are.equal(problem, report.exception)
          assert.matches("Exception in callback", report.message, 1, true)
          assert.is_nil(report.task)
        end
      end))

    it("A18 of " .. title .. " disturbs neither later callbacks nor tasks", in_loop(
      function(reports)
        local log = {}
        local task = neap.create_task(neap.sleep, 3, "task ends")
        schedule(function() error { "boom" } end)
        schedule(function() log[#log + 1] = "next callback" end)
        assert.are.equal("task ends", task:await())
        assert.are.same({ "next callback" }, log)
        assert.are.equal(1, #reports)
        table.remove(reports)
      end))
  end

  it("is reported when it happens, and once for each", in_loop(function(reports)
    neap.call_later(1, error, "first", 0)
    neap.call_later(1.25, error, "second", 0)
    neap.call_later(2, error, "third", 0)
    local counts = {}
    for i = 1, 3 do
      neap.sleep(0.75)
      counts[i] = #reports
    end
    local errors = {}
    for i = #reports, 1, -1 do
      errors[i] = table.remove(reports, i).exception
    end
    assert.are.same({ 0, 2, 3 }, counts)
    assert.are.same({ "first", "second", "third" }, errors)
  end))

  it("may be a CancelledError: it cancels nobody", in_loop(function(reports)
    local task = neap.create_task(neap.sleep, 2, "task ends")
    local problem = neap.CancelledError "by hand"
    neap.call_later(1, error, problem)
    assert.are.equal("task ends", task:await())
    assert.are.equal(0, neap.current_task():cancelling())
    assert.are.equal(1, #reports)
    assert.are.equal(problem, table.remove(reports).exception)
  end))
end)
