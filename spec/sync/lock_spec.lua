-- Section 9 of the semantics: the lock, and the guards that all primitives share.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"
local expect = require "spec.support.expect"

local insert = table.insert

-- Acquires, logs name, and releases after a time.
local function use(lock, seen, name, time)
  lock:acquire()
  insert(seen, name)
  if time then neap.sleep(time) end
  lock:release()
end

describe("lock", function()
  it("L01 L06 is handed on first come, first served", in_order(function()
    local lock, seen = neap.lock(), {}
    lock:acquire()
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = started(use, lock, seen, i)
    end
    lock:release()
    neap.wait_for(tasks[5], 1)
    assert.are.same({ 1, 2, 3, 4, 5 }, seen)
    assert.is_false(lock:locked())
  end))

  it("L01 L06 nobody barges past who waits", in_order(function()
    local lock, seen = neap.lock(), {}
    lock:acquire()
    local waiter = started(use, lock, seen, "waiter")
    lock:release()
    use(lock, seen, "releaser") -- the waiter has not run yet
    assert.are.same({ "waiter", "releaser" }, seen)
    waiter:await()
  end))

  it("L01 is locked while somebody holds it", in_loop(function()
    local lock = neap.lock()
    assert.is_false(lock:locked())
    lock:acquire()
    assert.is_true(lock:locked())
    assert.are.equal(0, select("#", lock:release()))
    assert.is_false(lock:locked())
  end))

  it("L01 two tasks that acquire again at once take turns", in_order(function()
    local lock, seen = neap.lock(), {}
    local function worker(name)
      for _ = 1, 4 do
        local _ <close> = lock:acquire()
        insert(seen, name)
        neap.sleep(1)
      end
    end
    local a, b = neap.create_task(worker, "a"), neap.create_task(worker, "b")
    a:await()
    b:await()
    assert.are.equal("abababab", table.concat(seen))
    assert.are.equal(8, neap.time())
  end))

  it("L02 a cancelled waiter is skipped", in_loop(function()
    local lock, seen = neap.lock(), {}
    lock:acquire()
    local a = started(use, lock, seen, "a")
    local b = started(use, lock, seen, "b")
    local c = started(use, lock, seen, "c")
    a:cancel()
    lock:release()
    b:await()
    c:await()
    expect.cancelled(a)
    assert.are.same({ "b", "c" }, seen)
    assert.is_false(lock:locked())
  end))

  it("L03 a waiter that is cancelled after it was woken passes the lock on", in_loop(function()
    local lock, seen = neap.lock(), {}
    lock:acquire()
    local a = started(use, lock, seen, "a")
    local b = started(use, lock, seen, "b")
    lock:release()
    a:cancel()
    neap.wait_for(b, 1)
    expect.cancelled(a)
    assert.are.same({ "b" }, seen)
    assert.is_false(lock:locked())
  end))

  it("L03 the lock is passed on past several such waiters", in_loop(function()
    local lock, seen, tasks = neap.lock(), {}, {}
    lock:acquire()
    for i = 1, 6 do
      tasks[i] = started(use, lock, seen, i)
    end
    lock:release()
    for i = 1, 5 do
      tasks[i]:cancel()
    end
    neap.wait_for(tasks[6], 1)
    assert.are.same({ 6 }, seen)
  end))

  it("L03 without another waiter the lock is free again", in_loop(function()
    local lock, seen = neap.lock(), {}
    lock:acquire()
    local a = started(use, lock, seen, "a")
    lock:release()
    a:cancel()
    expect.cancelled(a)
    assert.is_false(lock:locked())
    neap.wait_for(lock.acquire, 1, lock)
  end))

  it("L04 to release an unlocked lock is misuse", in_loop(function()
    local lock = neap.lock()
    assert.matches("^[^\n]*lock_spec%.lua:%d+: ", expect.misuse(function() lock:release() end))
    lock:acquire()
    lock:release()
    expect.misuse(lock.release, lock)
    assert.is_false(lock:locked())
    neap.wait_for(lock.acquire, 1, lock)
  end))

  it("L04 so it is between a release and the run of who was woken", in_loop(function()
    local lock, seen = neap.lock(), {}
    lock:acquire()
    local a, b = started(use, lock, seen, "a", 1), started(use, lock, seen, "b", 1)
    lock:release()
    assert.is_false(lock:locked())
    expect.misuse(lock.release, lock)
    a:await()
    b:await()
    assert.are.same({ "a", "b" }, seen)
    assert.are.equal(2, neap.time())
  end))

  it("L04 another task than its holder may release it", in_loop(function()
    local lock = neap.lock()
    lock:acquire()
    started(lock.release, lock):await()
    assert.is_false(lock:locked())
  end))

  it("L05 is not re-entrant", in_loop(function()
    local lock = neap.lock()
    lock:acquire()
    local ok, err = pcall(neap.wait_for, lock.acquire, 1, lock)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.TimeoutError))
    assert.is_true(lock:locked())
    lock:release()
    assert.is_false(lock:locked())
  end))

  it("L18 is acquired without a pass when it is free", in_loop(function(_, passes)
    local lock = neap.lock()
    assert.are.equal(0, (passes(function()
      lock:acquire()
      lock:release()
      lock:with(function() end)
      local _ <close> = lock:acquire()
    end)))
  end))

  it("acquire outside of a task is misuse #plain", function()
    local lock = neap.lock()
    assert.matches("task", expect.misuse(lock.acquire, lock))
    assert.is_false(lock:locked())
  end)

  it("checks whose method is called", in_loop(function()
    local event, lock = neap.event(), neap.lock()
    for name, method in pairs { acquire = lock.acquire, release = lock.release,
      locked = lock.locked, with = lock.with } do
      for _, wrong in ipairs { event, neap.semaphore(1), neap.condition(), {}, "lock", 1 } do
        local err = expect.misuse(method, wrong, print)
        assert.matches("bad argument #1", err, 1, true, name)
      end
      expect.misuse(method)
    end
    assert.is_false(event:is_set())
  end))

  it("its text tells whether it is locked, and how many wait", in_loop(function()
    local lock = neap.lock()
    assert.matches("Lock", tostring(lock))
    assert.matches("unlocked", tostring(lock))
    lock:acquire()
    assert.matches("[^n]locked", tostring(lock))
    local seen = {}
    local a, b = started(use, lock, seen, "a"), started(use, lock, seen, "b")
    assert.matches("%f[%d]2%f[%D]", tostring(lock))
    lock:release()
    a:await()
    b:await()
  end))

  it("an inner coroutine may wait for it", in_loop(function()
    local lock = neap.lock()
    lock:acquire()
    neap.call_later(1, lock.release, lock)
    coroutine.wrap(function() lock:acquire() end)()
    assert.is_true(lock:locked())
    assert.are.equal(1, neap.time())
  end))
end)

describe("the guard of a lock", function()
  it("does nothing once the lock was released by hand, whoever holds it then",
    in_loop(function()
      local lock, seen = neap.lock(), {}
      local other
      do
        local _ <close> = lock:acquire()
        lock:release()
        other = started(use, lock, seen, "other", 2)
        assert.is_true(lock:locked())
      end
      assert.is_true(lock:locked())
      do
        local _ <close> = lock:acquire()
        insert(seen, neap.time())
        lock:release()
      end
      assert.are.same({ "other", 2 }, seen)
      assert.is_false(lock:locked())
      other:await()
    end))
end)

-- Each: the name of what a guard is for, and what makes one, with one holder at most.
local guarded = {
  { "lock", neap.lock },
  { "condition", neap.condition },
  { "semaphore", function() return neap.semaphore(1) end },
  { "bounded semaphore", function() return neap.bounded_semaphore(1) end },
}

for _, entry in ipairs(guarded) do
  local name, make = entry[1], entry[2]

  describe("the guard of a " .. name, function()
    it("releases at the end of its block", in_loop(function()
      local held = make()
      do
        local guard <close> = held:acquire()
        assert.is_truthy(guard)
        assert.is_true(held:locked())
      end
      assert.is_false(held:locked())
    end))

    it("releases when the block returns or breaks", in_loop(function()
      local held = make()
      local function returns()
        local _ <close> = held:acquire()
        return held:locked()
      end
      assert.is_true(returns())
      repeat
        local _ <close> = held:acquire()
        if held:locked() then break end
      until false
      assert.is_false(held:locked())
    end))

    it("releases when an error leaves the block", in_loop(function()
      local held, problem = make(), neap.Error "broken"
      local ok, err = pcall(function()
        local _ <close> = held:acquire()
        neap.sleep(1)
        error(problem)
      end)
      assert.is_false(ok)
      assert.are.equal(problem, err)
      assert.is_false(held:locked())
    end))

    it("releases when the task is cancelled in the block", in_loop(function()
      local held = make()
      local task = started(function()
        local _ <close> = held:acquire()
        neap.sleep(10)
      end)
      assert.is_true(held:locked())
      task:cancel()
      neap.wait_for(held.acquire, 1, held)
      assert.is_true(held:locked())
      expect.cancelled(task)
      assert.are.equal(0, neap.time())
    end))

    it("releases nothing when acquire is cancelled", in_loop(function()
      local held = make()
      held:acquire()
      local task = started(function()
        local _ <close> = held:acquire()
      end)
      task:cancel()
      expect.cancelled(task)
      assert.is_true(held:locked())
    end))

    it("is not needed: what it would release may be released by hand", in_loop(function()
      local held = make()
      held:acquire()
      collectgarbage()
      assert.is_true(held:locked())
      held:release()
      assert.is_false(held:locked())
    end))
  end)

  describe("with of a " .. name, function()
    it("passes the arguments in and all results out", in_loop(function()
      local held = make()
      local results = table.pack(held:with(function(...)
        assert.is_true(held:locked())
        neap.sleep(1)
        return ...
      end, 1, nil, "three", nil))
      assert.are.same({ n = 4, 1, nil, "three", nil }, results)
      assert.are.same({ n = 0 }, table.pack(held:with(function() end)))
      assert.is_false(held:locked())
    end))

    it("waits for its turn", in_loop(function()
      local held = make()
      held:acquire()
      neap.call_later(2, held.release, held)
      assert.are.equal(2, held:with(neap.time))
      assert.is_false(held:locked())
    end))

    it("releases when its function raises, and passes the error on", in_loop(function()
      local held, problem = make(), {}
      local ok, err = pcall(held.with, held, error, problem)
      assert.is_false(ok)
      assert.are.equal(problem, err)
      assert.is_false(held:locked())
    end))

    it("releases when it is cancelled", in_loop(function()
      local held = make()
      local inside = started(held.with, held, neap.sleep, 10)
      local waiting = started(held.with, held, neap.sleep, 10)
      assert.is_true(held:locked())
      inside:cancel()
      expect.cancelled(inside)
      neap.testing.settle()
      assert.is_true(held:locked())
      waiting:cancel()
      expect.cancelled(waiting)
      assert.is_false(held:locked())
    end))

    it("takes a function", in_loop(function()
      local held = make()
      assert.matches("function", expect.misuse(held.with, held))
      assert.matches("function", expect.misuse(held.with, held, 42))
      assert.is_false(held:locked())
    end))
  end)
end
