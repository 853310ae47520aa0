-- Section 9 of the semantics: the barrier.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"
local expect = require "spec.support.expect"

local insert = table.insert

local function assert_broken(fn, ...)
  expect.error(neap.BrokenBarrierError, fn, ...)
end

-- Logs the index that the barrier gives, or what it raises.
local function wait(barrier, seen)
  local ok, result = pcall(barrier.wait, barrier)
  insert(seen, ok and result or result.name)
end

local function waiters(barrier, seen, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = started(wait, barrier, seen)
  end
  return tasks
end

describe("barrier", function()
  it("L17 lets all go when the last has come, that one first", in_order(function(_, passes)
    local barrier, seen = neap.barrier(3), {}
    waiters(barrier, seen, 2)
    neap.sleep(5)
    assert.are.same({}, seen)
    assert.are.equal(0, (passes(wait, barrier, seen)))
    insert(seen, "the last goes on")
    assert.are.equal(1, (passes(neap.sleep, 0)))
    assert.are.same({ 2, "the last goes on", 0, 1 }, seen)
  end))

  it("L17 serves again and again", in_order(function()
    local barrier, seen = neap.barrier(3), {}
    for i = 1, 3 do
      neap.create_task(function()
        for round = 1, 3 do
          neap.sleep(i)
          insert(seen, { round, barrier:wait(), neap.time() })
        end
      end)
    end
    neap.sleep(100)
    local expected = {}
    for round = 1, 3 do
      for _, index in ipairs { 2, 0, 1 } do
        insert(expected, { round, index, round * 3 })
      end
    end
    assert.are.same(expected, seen)
  end))

  it("whoever comes while others leave waits for the next round", in_loop(function()
    local barrier, seen = neap.barrier(2), {}
    local function two_rounds(name)
      for round = 1, 2 do
        barrier:wait()
        insert(seen, name .. round)
      end
    end
    local a, b = neap.create_task(two_rounds, "a"), neap.create_task(two_rounds, "b")
    neap.wait_for(a, 1)
    neap.wait_for(b, 1)
    table.sort(seen, function(x, y) return x:sub(2) < y:sub(2) end)
    assert.are.equal("1122", (table.concat(seen):gsub("%a", "")))

    local late = started(wait, barrier, seen)
    assert.are.equal(1, barrier:n_waiting())
    barrier:wait()
    late:await()
  end))

  it("of one party never waits", in_loop(function(_, passes)
    local barrier = neap.barrier(1)
    for _ = 1, 3 do
      local count, index = passes(barrier.wait, barrier)
      assert.are.equal(0, count)
      assert.are.equal(0, index)
    end
  end))

  it("a cancelled waiter has not come", in_loop(function()
    local barrier, seen = neap.barrier(3), {}
    local tasks = waiters(barrier, seen, 2)
    tasks[1]:cancel()
    neap.sleep(1)
    assert.are.same({ "CancelledError" }, seen)
    assert.are.equal(1, barrier:n_waiting())
    local third = started(barrier.wait, barrier)
    neap.sleep(1)
    assert.is_false(third:done())
    assert.are.equal(2, barrier:wait())
    third:await()
    assert.is_true(tasks[2]:done())
    assert.is_false(barrier:broken())
  end))

  it("one that is cancelled after it was let go does not keep the others", in_order(function()
    local barrier, seen = neap.barrier(3), {}
    local tasks = waiters(barrier, seen, 2)
    assert.are.equal(2, barrier:wait())
    tasks[1]:cancel()
    neap.sleep(1)
    assert.are.same({ "CancelledError", 1 }, seen)
    waiters(barrier, seen, 2)
    assert.are.equal(2, barrier:n_waiting())
    assert.are.equal(2, neap.wait_for(barrier.wait, 1, barrier))
    neap.sleep(0)
    assert.are.same({ "CancelledError", 1, 0, 1 }, seen)
  end))

  it("reset throws out who waits, and then it serves again", in_loop(function()
    local barrier, seen = neap.barrier(3), {}
    waiters(barrier, seen, 2)
    barrier:reset()
    assert.is_false(barrier:broken())
    assert.are.equal(0, barrier:n_waiting())
    neap.testing.settle()
    assert.are.same({ "BrokenBarrierError", "BrokenBarrierError" }, seen)
    seen = {}
    waiters(barrier, seen, 2)
    assert.are.equal(2, barrier:wait())
    neap.testing.settle()
    table.sort(seen)
    assert.are.same({ 0, 1 }, seen)
  end))

  it("reset of an empty one does nothing", in_loop(function()
    local barrier, seen = neap.barrier(2), {}
    barrier:reset()
    waiters(barrier, seen, 1)
    assert.are.equal(1, barrier:wait())
  end))

  it("whoever comes right after a reset belongs to the next round", in_loop(function()
    local barrier, seen = neap.barrier(2), {}
    waiters(barrier, seen, 1)
    barrier:reset()
    local later = neap.create_task(wait, barrier, seen)
    wait(barrier, seen)
    neap.wait_for(later, 1)
    assert.are.equal("BrokenBarrierError", table.remove(seen, 1))
    table.sort(seen)
    assert.are.same({ 0, 1 }, seen)
  end))

  it("abort breaks it, for those who wait and those who come", in_loop(function(_, passes)
    local barrier, seen = neap.barrier(3), {}
    assert.is_false(barrier:broken())
    waiters(barrier, seen, 2)
    barrier:abort()
    assert.is_true(barrier:broken())
    assert.are.equal(0, (passes(assert_broken, barrier.wait, barrier)))
    neap.sleep(1)
    assert.are.same({ "BrokenBarrierError", "BrokenBarrierError" }, seen)
    assert_broken(barrier.wait, barrier)
    assert.are.equal(0, barrier:n_waiting())
  end))

  it("reset mends what abort broke", in_loop(function()
    local barrier, seen = neap.barrier(2), {}
    waiters(barrier, seen, 1)
    barrier:abort()
    neap.sleep(1)
    barrier:reset()
    assert.is_false(barrier:broken())
    waiters(barrier, seen, 1)
    assert.are.equal(1, barrier:wait())
    neap.sleep(0)
    neap.sleep(0)
    assert.are.same({ "BrokenBarrierError", 0 }, seen)
  end))

  it("tells how many it is for and how many wait", in_loop(function()
    local barrier, seen = neap.barrier(3), {}
    assert.are.equal(3, barrier:parties())
    for n = 0, 2 do
      assert.are.equal(n, barrier:n_waiting())
      waiters(barrier, seen, 1)
    end
    assert.are.equal(0, barrier:n_waiting())
  end))

  it("is for one at least", function()
    for _, wrong in ipairs { 0, -1, 1.5, "many", {} } do
      assert.matches("bad argument #1", expect.misuse(neap.barrier, wrong), 1, true)
    end
    assert.matches("bad argument #1", expect.misuse(neap.barrier), 1, true)
  end)

  it("wait outside of a task is misuse #plain", function()
    local barrier = neap.barrier(1)
    assert.matches("task", expect.misuse(barrier.wait, barrier))
  end)

  it("checks whose method is called", in_loop(function()
    local barrier = neap.barrier(2)
    local names = { "wait", "reset", "abort", "parties", "n_waiting", "broken" }
    for _, name in ipairs(names) do
      for _, wrong in ipairs { neap.event(), neap.lock(), {}, 1 } do
        local err = expect.misuse(barrier[name], wrong)
        assert.matches("bad argument #1", err, 1, true)
      end
    end
  end))

  it("its text tells how many wait, of how many, and whether it is broken", in_loop(function()
    local barrier, seen = neap.barrier(7), {}
    assert.matches("Barrier", tostring(barrier))
    waiters(barrier, seen, 2)
    assert.matches("%f[%d]2%f[%D]", tostring(barrier))
    assert.matches("%f[%d]7%f[%D]", tostring(barrier))
    assert.not_matches("broken", tostring(barrier))
    barrier:abort()
    assert.matches("broken", tostring(barrier))
    neap.sleep(0)
  end))

  it("the tree of tasks says how many of how many wait", in_loop(function()
    local barrier = neap.barrier(3)
    for _ = 1, 2 do neap.create_task(barrier.wait, barrier) end
    neap.testing.settle()
    assert.matches("barrier (2 of 3)", neap.format_tasks(), 1, true)
    barrier:wait()
  end))
end)
