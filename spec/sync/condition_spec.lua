-- Section 9 of the semantics: the condition. Its guards are in lock_spec.lua.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"
local expect = require "spec.support.expect"

local insert = table.insert

local function wait(condition, seen, name)
  local _ <close> = condition:acquire()
  assert.is_true(condition:wait())
  assert.is_true(condition:locked())
  insert(seen, name)
end

-- n tasks that wait; they log their numbers.
local function waiters(condition, seen, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = started(wait, condition, seen, i)
  end
  return tasks
end

local function notify(condition, n)
  condition:with(function() condition:notify(n) end)
end

local function notify_all(condition)
  condition:with(function() condition:notify_all() end)
end

describe("condition", function()
  it("L08 a cancelled wait acquires the lock again first", in_loop(function()
    local condition, seen = neap.condition(), {}
    local task = started(function()
      condition:acquire()
      local ok, err = pcall(condition.wait, condition)
      insert(seen, { ok, err.name, err.message, condition:locked(), neap.time() })
      condition:release()
      error(err, 0)
    end)
    condition:acquire()
    task:cancel("stop")
    neap.sleep(2)
    assert.are.same({}, seen)
    condition:release()
    expect.cancelled(task)
    assert.are.same({ { false, "CancelledError", "stop", true, 2 } }, seen)
    assert.is_false(condition:locked())
  end))

  it("L08 so does one that is cancelled again meanwhile", in_loop(function()
    local condition, seen = neap.condition(), {}
    local task = started(function()
      local _ <close> = condition:acquire()
      local ok, err = pcall(condition.wait, condition)
      insert(seen, { ok, err.message, condition:locked(), neap.time() })
      error(err, 0)
    end)
    condition:acquire()
    for i = 1, 3 do
      task:cancel("number " .. i)
      neap.sleep(1)
    end
    assert.are.same({}, seen)
    condition:release()
    expect.cancelled(task)
    assert.are.same({ { false, "number 3", true, 3 } }, seen)
    assert.is_false(condition:locked())
  end))

  it("L08 one that is notified and then cancelled while it waits for the lock", in_loop(function()
    local condition, seen = neap.condition(), {}
    local tasks = waiters(condition, seen, 2)
    condition:acquire()
    condition:notify()
    neap.sleep(1) -- the first waits for the lock now
    tasks[1]:cancel()
    neap.sleep(1)
    assert.is_false(tasks[1]:done())
    condition:release()
    expect.cancelled(tasks[1])
    neap.wait_for(tasks[2], 1)
    assert.are.same({ 2 }, seen)
    assert.is_false(condition:locked())
  end))

  it("L09 wait, wait_for and notify without the lock are misuse", in_loop(function()
    local condition = neap.condition()
    local function never() return false end
    assert.matches("condition_spec%.lua:%d+: ", expect.misuse(function() condition:wait() end))
    assert.matches("condition_spec%.lua:%d+: ", expect.misuse(function() condition:notify() end))
    expect.misuse(condition.wait_for, condition, never)
    expect.misuse(condition.notify, condition, 2)
    expect.misuse(condition.notify_all, condition)
    expect.misuse(condition.release, condition)
    assert.is_false(condition:locked())
    local task = waiters(condition, {}, 1)[1]
    expect.misuse(condition.notify, condition)
    neap.sleep(1)
    assert.is_false(task:done())
    notify(condition)
    neap.wait_for(task, 1)
  end))

  it("notify wakes as many as it says, in the order in which they came", in_order(function()
    local condition, seen = neap.condition(), {}
    waiters(condition, seen, 6)
    notify(condition)
    neap.sleep(0)
    neap.sleep(0)
    assert.are.same({ 1 }, seen)
    notify(condition, 0)
    neap.sleep(1)
    assert.are.same({ 1 }, seen)
    notify(condition, 3)
    neap.sleep(1)
    assert.are.same({ 1, 2, 3, 4 }, seen)
    notify(condition, 100)
    neap.sleep(1)
    assert.are.same({ 1, 2, 3, 4, 5, 6 }, seen)
    notify(condition) -- is not stored
    local late = started(wait, condition, seen, "late")
    neap.sleep(1)
    assert.is_false(late:done())
    notify_all(condition)
    late:await()
  end))

  it("notify_all wakes all, and each has the lock in turn", in_order(function()
    local condition, seen = neap.condition(), {}
    for i = 1, 3 do
      started(function()
        local _ <close> = condition:acquire()
        condition:wait()
        insert(seen, i)
        neap.sleep(1)
        insert(seen, i)
      end)
    end
    notify_all(condition)
    neap.sleep(10)
    assert.are.same({ 1, 1, 2, 2, 3, 3 }, seen)
  end))

  it("the notified go on when the notifier has released the lock", in_loop(function()
    local condition, seen = neap.condition(), {}
    local task = waiters(condition, seen, 1)[1]
    condition:acquire()
    condition:notify()
    neap.sleep(2)
    insert(seen, "release")
    condition:release()
    task:await()
    assert.are.same({ "release", 1 }, seen)
  end))

  it("a waiter that is cancelled after it was notified passes it on", in_loop(function()
    local condition, seen = neap.condition(), {}
    local tasks = waiters(condition, seen, 3)
    condition:acquire()
    condition:notify()
    tasks[1]:cancel()
    condition:release()
    neap.sleep(1)
    expect.cancelled(tasks[1])
    assert.are.same({ 2 }, seen)
    notify(condition)
    tasks[3]:await()
  end))

  it("a cancelled waiter is skipped by notify", in_loop(function()
    local condition, seen = neap.condition(), {}
    local tasks = waiters(condition, seen, 3)
    condition:acquire()
    tasks[1]:cancel()
    condition:notify(2)
    condition:release()
    neap.testing.settle()
    expect.cancelled(tasks[1])
    table.sort(seen)
    assert.are.same({ 2, 3 }, seen)
  end))

  it("wait_for waits until its predicate is true, and returns that", in_loop(function()
    local condition, calls, value = neap.condition(), 0, nil
    local task = started(function()
      local _ <close> = condition:acquire()
      return condition:wait_for(function()
        calls = calls + 1
        assert.is_true(condition:locked())
        return value
      end)
    end)
    assert.are.equal(1, calls)
    for n, new in ipairs { false, false, "ready" } do
      value = new
      notify(condition)
      neap.sleep(1)
      assert.are.equal(n + 1, calls)
    end
    assert.are.equal("ready", task:await())
  end))

  it("wait_for does not wait for what is true", in_loop(function(_, passes)
    local condition = neap.condition()
    condition:acquire()
    local count, value = passes(condition.wait_for, condition, function() return 42 end)
    assert.are.equal(0, count)
    assert.are.equal(42, value)
    condition:release()
    assert.are.equal(42, condition:wait_for(function() return 42 end))
  end))

  it("wait_for lets its predicate's error out, with the lock held", in_loop(function()
    local condition, problem = neap.condition(), neap.Error "broken"
    local broken = false
    local task = started(function()
      condition:acquire()
      local ok, err = pcall(condition.wait_for, condition, function()
        if broken then error(problem) end
      end)
      local locked = condition:locked()
      condition:release()
      return ok, err, locked
    end)
    broken = true
    notify(condition)
    assert.are.same({ false, problem, true }, { task:await() })
    assert.is_false(condition:locked())
    assert.matches("function", expect.misuse(condition.wait_for, condition, 42))
  end))

  it("wait_for's predicate may wait itself", in_loop(function()
    local condition, ready = neap.condition(), false
    local task = started(function()
      local _ <close> = condition:acquire()
      return condition:wait_for(function()
        neap.sleep(1)
        return ready
      end)
    end)
    neap.sleep(2)
    ready = true
    notify(condition)
    assert.is_true(task:await())
    assert.are.equal(3, neap.time())
  end))

  it("may share a lock with others", in_loop(function()
    local lock, seen = neap.lock(), {}
    local full, free = neap.condition(lock), neap.condition(lock)
    local a, b = started(wait, full, seen, "full"), started(wait, free, seen, "free")
    lock:acquire()
    assert.is_true(full:locked())
    assert.is_true(free:locked())
    free:notify()
    full:release()
    assert.is_false(lock:locked())
    b:await()
    assert.is_false(a:done())
    lock:with(full.notify_all, full)
    a:await()
    assert.are.same({ "free", "full" }, seen)
  end))

  it("takes a lock and nothing else", function()
    for _, wrong in ipairs { neap.event(), neap.condition(), {}, 1 } do
      assert.matches("bad argument #1", expect.misuse(neap.condition, wrong), 1, true)
    end
  end)

  it("notify takes a number that is not negative", in_loop(function()
    local condition = neap.condition()
    local _ <close> = condition:acquire()
    expect.misuse(condition.notify, condition, -1)
    expect.misuse(condition.notify, condition, "many")
    expect.misuse(condition.notify, condition, 1.5)
  end))

  it("L18 its lock is acquired without a pass when it is free", in_loop(function(_, passes)
    local condition = neap.condition()
    assert.are.equal(0, (passes(condition.acquire, condition)))
  end))

  it("checks whose method is called", in_loop(function()
    local lock, condition = neap.lock(), neap.condition()
    local names = {
      "acquire", "release", "locked", "with", "wait", "wait_for", "notify", "notify_all",
    }
    for _, name in ipairs(names) do
      for _, wrong in ipairs { lock, neap.event(), {}, "condition" } do
        local err = expect.misuse(condition[name], wrong, print)
        assert.matches("bad argument #1", err, 1, true)
      end
    end
  end))

  it("a guard still belongs to its block after a wait", in_loop(function()
    local condition, seen = neap.condition(), {}
    local task = waiters(condition, seen, 1)[1]
    notify(condition)
    task:await()
    assert.is_false(condition:locked())
  end))

  it("its text tells whether it is locked, and how many wait", in_loop(function()
    local condition = neap.condition()
    assert.matches("Condition", tostring(condition))
    assert.matches("unlocked", tostring(condition))
    waiters(condition, {}, 2)
    condition:acquire()
    assert.matches("[^n]locked", tostring(condition))
    assert.matches("%f[%d]2%f[%D]", tostring(condition))
    condition:notify_all()
    condition:release()
    neap.sleep(1)
  end))

  it("whoever was notified, but can never have the lock again, is told #plain", function()
    local ok, err = pcall(neap.run, function()
      local condition = neap.condition()
      condition:acquire()
      neap.create_task(function()
        condition:acquire() -- and keeps it
        condition:notify()
        neap.future():await()
      end)
      condition:wait()
    end)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.DeadlockError), tostring(err))
  end)
end)
