-- neap.sleep: arguments, extra values, order (A05 to A10, A20).
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

--- The message of the argument error that fn raises; it carries a position.
local function misuse(fn)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.are.equal("string", type(err))
  assert.matches("^[^\n]-:%d+: ", err)
  return err:lower()
end

describe("neap.sleep", function()
  it("A05 sleep(0) lets every other ready task run once", in_loop(function()
    local log = {}
    for _, name in ipairs { "a", "b", "c" } do
      neap.create_task(function()
        for step = 1, 2 do
          log[step][name] = true
          neap.sleep(0)
        end
      end)
    end
    for step = 1, 2 do
      log[step] = {}
      neap.sleep(0)
      assert.are.same({ a = true, b = true, c = true }, log[step])
    end
    assert.are.equal(0, neap.time())
  end))

  it("A05 sleep(0) takes exactly one pass", in_order(function()
    local log = {}
    neap.call_soon(function()
      log[#log + 1] = "first pass"
      neap.call_soon(function() log[#log + 1] = "second pass" end)
    end)
    neap.sleep(0)
    log[#log + 1] = "awake"
    neap.sleep(0)
    assert.are.same({ "first pass", "awake", "second pass" }, log)
  end))

  for _, delay in ipairs { -5, -0.0, -1e300, -math.huge, math.mininteger } do
    it("A06 sleep(" .. delay .. ") is like sleep(0)", in_order(function()
      local log = {}
      neap.call_soon(function()
        log[#log + 1] = "first pass"
        neap.call_soon(function() log[#log + 1] = "second pass" end)
      end)
      local awake = neap.sleep(delay, "awake")
      log[#log + 1] = awake
      neap.sleep(0)
      assert.are.same({ "first pass", "awake", "second pass" }, log)
      assert.are.equal(0, neap.time())
    end))
  end

  it("A07 returns the extra values, nils kept", in_loop(function()
    for _, delay in ipairs { 0, -1, 1 } do
      local results = table.pack(neap.sleep(delay, nil, "b", nil, { "d" }, nil))
      assert.are.same({ nil, "b", nil, { "d" }, nil, n = 5 }, results)
      assert.are.equal(0, select("#", neap.sleep(delay)))
    end
  end))

  it("A07 returns many values", in_loop(function()
    local values = {}
    for i = 1, 200 do
      values[i] = i
    end
    assert.are.same(values, { neap.sleep(1, table.unpack(values)) })
    assert.are.same(values, { neap.sleep(0, table.unpack(values)) })
  end))

  it("A08 NaN is an argument error", in_loop(function()
    local message = misuse(function() neap.sleep(0 / 0) end)
    assert.matches("nan", message, 1, true)
    assert.are.equal("slept", neap.sleep(1, "slept"))
    assert.are.equal(1, neap.time())
  end))

  it("A08 a delay that is no number is an argument error", in_loop(function()
    for _, delay in ipairs { "soon", {}, true, print } do
      local message = misuse(function() neap.sleep(delay) end)
      assert.matches("number", message, 1, true)
      assert.matches("#1", message, 1, true)
    end
    assert.matches("number", misuse(function() neap.sleep(nil) end), 1, true)
    assert.matches("number", misuse(function() neap.sleep() end), 1, true)
    assert.are.equal("slept", neap.sleep(1, "slept"))
    assert.are.equal(1, neap.time())
  end))

  it("A09 sleepers wake in the order of their deadlines", in_loop(function()
    local log = {}
    local tasks = {}
    for i, delay in ipairs { 3, 1, 2 } do
      tasks[i] = neap.create_task(function()
        neap.sleep(delay)
        log[#log + 1] = { delay, neap.time() }
      end)
    end
    for _, task in ipairs(tasks) do
      task:await()
    end
    assert.are.same({ { 1, 1 }, { 2, 2 }, { 3, 3 } }, log)
  end))

  it("A10 RULE equal deadlines wake in the order of the calls", in_order(function()
    local log, expected = {}, {}
    local last
    for i = 1, 100 do
      expected[i] = i
      last = neap.create_task(function()
        neap.sleep(1)
        log[#log + 1] = i
      end)
    end
    last:await()
    assert.are.same(expected, log)
  end))

  it("A10 RULE the order is that of the calls, not of the tasks", in_order(function()
    local log = {}
    local first = neap.create_task(function()
      neap.sleep(0.5)
      neap.sleep(0.5)
      log[#log + 1] = "called at 0.5"
    end)
    local second = neap.create_task(function()
      neap.sleep(1)
      log[#log + 1] = "called at 0"
    end)
    first:await()
    second:await()
    assert.are.same({ "called at 0", "called at 0.5" }, log)
  end))

  it("A10 RULE the order holds when sleepers in between are cancelled", in_order(function()
    local log, expected, tasks = {}, {}, {}
    for i = 1, 60 do
      tasks[i] = neap.create_task(function()
        neap.sleep(i % 2 == 0 and 1 or 2)
        log[#log + 1] = i
      end)
    end
    neap.sleep(0)
    for i = 3, 60, 3 do
      tasks[i]:cancel()
    end
    for parity = 0, 1 do
      for i = 1, 60 do
        if i % 2 == parity and i % 3 ~= 0 then
          expected[#expected + 1] = i
        end
      end
    end
    neap.sleep(5)
    assert.are.same(expected, log)
  end))

  it("A10 RULE deadlines are exact: 0.1 and 0.2 make 0.3", in_order(function()
    local log = {}
    neap.create_task(function()
      neap.sleep(0.3)
      log[#log + 1] = { "0.3", neap.time() }
    end)
    neap.create_task(function()
      neap.sleep(0.1)
      neap.sleep(0.2)
      log[#log + 1] = { "0.1 + 0.2", neap.time() }
    end)
    neap.sleep(1)
    assert.are.same({ { "0.3", 0.3 }, { "0.1 + 0.2", 0.3 } }, log)
  end))

  it("A20 a callback queued earlier runs before a timer that is due", in_order(function()
    local log = {}
    neap.call_soon(function() log[#log + 1] = "soon" end)
    neap.call_later(0, function() log[#log + 1] = "timer" end)
    neap.sleep(1)
    assert.are.same({ "soon", "timer" }, log)
  end))

  for title, delay in pairs {
    ["math.huge"] = math.huge,
    ["1e300"] = 1e300,
    ["math.maxinteger"] = math.maxinteger,
  } do
    it("sleep(" .. title .. ") lasts until cancelled", in_loop(function()
      local sleeper = neap.create_task(neap.sleep, delay)
      neap.sleep(1e8)
      assert.is_false(sleeper:done())
      assert.is_true(sleeper:cancel("wake up"))
      local ok, err = pcall(sleeper.await, sleeper)
      assert.is_false(ok)
      assert.are.same({ "CancelledError", "wake up" }, { err.name, err.message })
      assert.are.equal(1e8, neap.time())
    end))
  end

  it("a cancelled sleep leaves nothing armed", in_loop(function()
    local log = {}
    local sleeper = neap.create_task(function()
      pcall(neap.sleep, 5)
      log[#log + 1] = { neap.sleep(10, "whole sleep"), neap.time() }
    end)
    neap.sleep(1)
    sleeper:cancel()
    sleeper:await()
    assert.are.same({ { "whole sleep", 11 } }, log)
  end))

  it("very short sleeps are no sleep(0): they wait for their time", in_loop(function()
    neap.sleep(1e-9)
    assert.are.equal(1e-9, neap.time())
    neap.sleep(0.25)
    assert.are.equal(0.250000001, neap.time())
  end))
end)
