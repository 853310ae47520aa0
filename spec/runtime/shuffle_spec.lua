-- testing.shuffle(seed): the ready tasks of each pass run in an order drawn from the seed.

local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"

local TASKS, ROUNDS = 20, 3

-- TASKS tasks note their number in each of ROUNDS seconds. Returns the numbers, second by second.
local function rounds()
  local log = {}
  for round = 1, ROUNDS do
    log[round] = {}
  end
  in_loop(function()
    for i = 1, TASKS do
      neap.create_task(function()
        for round = 1, ROUNDS do
          table.insert(log[round], i)
          neap.sleep(1)
        end
      end)
    end
    neap.sleep(ROUNDS + 1)
  end)()
  return log
end

local function shuffled(seed)
  testing.shuffle(seed)
  return rounds()
end

local function text(log)
  local lines = {}
  for i, numbers in ipairs(log) do
    lines[i] = table.concat(numbers, " ")
  end
  return table.concat(lines, "\n")
end

local function in_order()
  local numbers = {}
  for i = 1, TASKS do
    numbers[i] = i
  end
  return numbers
end

-- The order in which n callbacks of one pass are called.
local function order_of_callbacks(n)
  local seen = {}
  for i = 1, n do
    neap.call_soon(function() seen[#seen + 1] = i end)
  end
  neap.sleep(1)
  return table.concat(seen)
end

describe("testing.shuffle", function()
  before_each(function() testing.shuffle(0) end)
  after_each(function() testing.shuffle(0) end)

  it("is off with 0: tasks run in the order of their creation", function()
    assert.are.same({ in_order(), in_order(), in_order() }, rounds())
  end)

  it("repeats the order that a seed has given", function()
    for seed = 1, 20 do
      assert.are.equal(text(shuffled(seed)), text(shuffled(seed)))
    end
  end)

  it("gives other orders for other seeds", function()
    local seen, n = {}, 0
    for seed = 1, 50 do
      local order = text(shuffled(seed))
      n = n + (seen[order] and 0 or 1)
      seen[order] = true
    end
    assert.are.equal(50, n)
  end)

  it("draws a new order for each pass", function()
    local log = shuffled(42)
    assert.are_not.same(in_order(), log[1])
    assert.are_not.same(log[1], log[2])
    assert.are_not.same(log[2], log[3])
    assert.are_not.same(log[1], log[3])
  end)

  it("goes on from run to run until it is seeded again", function()
    local first, second = text(shuffled(7)), text(rounds())
    assert.are_not.equal(first, second)
    assert.are.equal(first, text(shuffled(7)))
    assert.are.equal(second, text(rounds()))
  end)

  it("runs everything exactly once in each pass", function()
    for seed = 1, 50 do
      for _, numbers in ipairs(shuffled(seed)) do
        table.sort(numbers)
        assert.are.same(in_order(), numbers)
      end
    end
  end)

  it("is first in, first out again with seed 0", function()
    assert.are_not.same({ in_order(), in_order(), in_order() }, shuffled(9))
    assert.are.same({ in_order(), in_order(), in_order() }, shuffled(0))
  end)

  it("finds every order of a few callbacks", in_loop(function()
    for n, orders in pairs { [2] = 2, [3] = 6, [4] = 24 } do
      local seen, found = {}, 0
      for seed = 1, 20 * orders do
        testing.shuffle(seed)
        local order = order_of_callbacks(n)
        found = found + (seen[order] and 0 or 1)
        seen[order] = true
      end
      assert.are.equal(orders, found)
    end
  end))

  it("takes any integer", function()
    for _, seed in ipairs { -1, math.mininteger, math.maxinteger, 1 << 32, 3.0 } do
      local order = text(shuffled(seed))
      assert.are.equal(order, text(shuffled(seed)))
      assert.are_not.equal(text { in_order(), in_order(), in_order() }, order)
    end
  end)

  it("can be turned on and off while the loop runs", in_loop(function()
    local function order()
      local seen = {}
      for i = 1, TASKS do
        neap.create_task(function() seen[#seen + 1] = i end)
      end
      neap.sleep(1)
      return seen
    end
    testing.shuffle(3)
    local first = order()
    testing.shuffle(3)
    local second = order()
    testing.shuffle(0)
    assert.are_not.same(in_order(), first)
    assert.are.same(first, second)
    assert.are.same(in_order(), order())
  end))

  it("leaves sleepers in the order of their deadlines", in_loop(function()
    testing.shuffle(11)
    local seen, expected = {}, {}
    for i = 1, 100 do
      expected[i] = i
      neap.create_task(function()
        neap.sleep(1 + i * 37 % 101)
        seen[#seen + 1] = neap.time()
      end)
    end
    neap.sleep(200)
    table.sort(expected)
    for i, time in ipairs(expected) do
      expected[i] = time + 1
    end
    assert.are.same(expected, seen)
  end))

  it("changes the order of sleepers with one deadline", in_loop(function()
    local function order(seed)
      local seen = {}
      testing.shuffle(seed)
      for i = 1, TASKS do
        neap.create_task(function()
          neap.sleep(1)
          seen[#seen + 1] = i
        end)
      end
      neap.sleep(2)
      return seen
    end
    local first = order(5)
    assert.are.same(first, order(5))
    assert.are_not.same(in_order(), first)
    assert.are_not.same(in_order(), order(6))
  end))

  it("leaves sleep(0) what it promises: all who are ready run first", in_loop(function()
    for seed = 1, 50 do
      testing.shuffle(seed)
      local runs, ended = {}, 0
      local function loop(me)
        for _ = 1, ROUNDS do
          runs[me] = runs[me] + 1
          local before = { table.unpack(runs) }
          neap.sleep(0)
          for i, n in ipairs(before) do
            assert.is_true(i == me or n == ROUNDS or runs[i] > n, seed)
          end
        end
        ended = ended + 1
      end
      for i = 1, TASKS do
        runs[i] = 0
        neap.create_task(loop, i)
      end
      testing.settle()
      assert.are.equal(TASKS, ended)
    end
  end))

  it("delivers a future to each of its waiters once", in_loop(function()
    for seed = 1, 20 do
      testing.shuffle(seed)
      local future, seen = neap.future(), {}
      for i = 1, TASKS do
        neap.create_task(function()
          local factor = future:await()
          seen[#seen + 1] = factor * i
        end)
      end
      neap.sleep(0.5)
      future:set_result(1)
      neap.sleep(0.5)
      table.sort(seen)
      assert.are.same(in_order(), seen)
    end
  end))

  for title, value in pairs { ["a string"] = "seed", ["a fraction"] = 1.5, ["a table"] = {} } do
    it("refuses " .. title, function()
      assert.has_error(function() testing.shuffle(value) end)
      assert.are.same({ in_order(), in_order(), in_order() }, rounds())
    end)
  end

  it("refuses nil", function()
    assert.has_error(function() testing.shuffle() end)
  end)
end)
