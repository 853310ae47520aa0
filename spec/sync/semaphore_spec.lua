-- Section 9 of the semantics: semaphores. Their guards are in lock_spec.lua.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"
local expect = require "spec.support.expect"

local insert = table.insert

-- Acquires and logs its name.
local function take(semaphore, seen, name)
  semaphore:acquire()
  insert(seen, name)
end

-- n tasks that acquire; they log their numbers.
local function takers(semaphore, seen, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = started(take, semaphore, seen, i)
  end
  return tasks
end

-- How many can be acquired at once.
local function free(semaphore)
  local n = 0
  while not semaphore:locked() do
    semaphore:acquire()
    n = n + 1
  end
  for _ = 1, n do
    semaphore:release()
  end
  return n
end

for _, name in ipairs { "semaphore", "bounded_semaphore" } do
  local new = neap[name]

  describe(name, function()
    it("L11 lets in as many as it has slots, first come, first served", in_order(function()
      local semaphore, seen, most, now = new(2), {}, 0, 0
      local tasks = {}
      for i = 1, 6 do
        tasks[i] = neap.create_task(function()
          local _ <close> = semaphore:acquire()
          insert(seen, i)
          now = now + 1
          most = math.max(most, now)
          neap.sleep(i % 2 + 1)
          now = now - 1
        end)
      end
      for _, task in ipairs(tasks) do
        task:await()
      end
      assert.are.same({ 1, 2, 3, 4, 5, 6 }, seen)
      assert.are.equal(2, most)
      assert.are.equal(2, free(semaphore))
    end))

    it("L11 a woken waiter that is cancelled passes its slot on", in_loop(function()
      local semaphore, seen = new(1), {}
      semaphore:acquire()
      local tasks = takers(semaphore, seen, 3)
      semaphore:release()
      tasks[1]:cancel()
      neap.wait_for(tasks[2], 1)
      expect.cancelled(tasks[1])
      neap.sleep(1)
      assert.are.same({ 2 }, seen)
      semaphore:release()
      tasks[3]:await()
      semaphore:release()
      assert.are.equal(1, free(semaphore))
    end))

    it("L11 several slots are passed on to as many", in_order(function()
      local semaphore, seen = new(3), {}
      for _ = 1, 3 do
        semaphore:acquire()
      end
      local tasks = takers(semaphore, seen, 6)
      for i = 1, 3 do
        semaphore:release()
        tasks[i]:cancel()
      end
      neap.sleep(1)
      assert.are.same({ 4, 5, 6 }, seen)
      for _ = 1, 3 do
        semaphore:release()
      end
      assert.are.equal(3, free(semaphore))
    end))

    it("L11 the slot is free again if nobody else waits", in_loop(function()
      local semaphore = new(1)
      semaphore:acquire()
      local task = takers(semaphore, {}, 1)[1]
      semaphore:release()
      task:cancel()
      expect.cancelled(task)
      assert.are.equal(1, free(semaphore))
    end))

    it("L11 a cancelled waiter is skipped", in_loop(function()
      local semaphore, seen = new(1), {}
      semaphore:acquire()
      local tasks = takers(semaphore, seen, 3)
      tasks[1]:cancel()
      semaphore:release()
      tasks[2]:await()
      expect.cancelled(tasks[1])
      assert.are.same({ 2 }, seen)
      semaphore:release()
      tasks[3]:await()
    end))

    it("L11 two tasks that acquire again at once take turns", in_order(function()
      local semaphore, seen = new(1), {}
      local function worker(me)
        for _ = 1, 4 do
          local _ <close> = semaphore:acquire()
          insert(seen, me)
          neap.sleep(1)
        end
      end
      local a, b = neap.create_task(worker, "a"), neap.create_task(worker, "b")
      a:await()
      b:await()
      assert.are.equal("abababab", table.concat(seen))
    end))

    it("X11 is locked while a woken waiter has not run", in_loop(function()
      local semaphore, seen = new(2), {}
      semaphore:acquire()
      semaphore:acquire()
      local task = takers(semaphore, seen, 1)[1]
      semaphore:release()
      semaphore:release()
      assert.is_true(semaphore:locked()) -- one slot is free, but it is not this task's turn
      take(semaphore, seen, "late")
      assert.are.same({ 1, "late" }, seen)
      assert.is_true(task:done())
    end))

    it("X11 is locked while it has no slot", in_loop(function()
      local semaphore = new(1)
      assert.is_false(semaphore:locked())
      semaphore:acquire()
      assert.is_true(semaphore:locked())
      semaphore:release()
      assert.is_false(semaphore:locked())
    end))

    it("has one slot if nothing else is said", in_loop(function()
      assert.are.equal(1, free(new()))
    end))

    it("may have no slot at first", in_loop(function()
      local semaphore = new(0)
      assert.is_true(semaphore:locked())
      local ok, err = pcall(neap.wait_for, semaphore.acquire, 1, semaphore)
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.TimeoutError))
    end))

    it("takes no negative number", function()
      assert.matches("bad argument #1", expect.misuse(new, -1), 1, true)
      assert.matches("bad argument #1", expect.misuse(new, 1.5), 1, true)
      assert.matches("bad argument #1", expect.misuse(new, "many"), 1, true)
    end)

    it("L18 is acquired without a pass when a slot is free", in_loop(function(_, passes)
      local semaphore = new(2)
      assert.are.equal(0, (passes(function()
        semaphore:acquire()
        semaphore:with(function() end)
      end)))
    end))

    it("acquire outside of a task is misuse #plain", function()
      local semaphore = new(1)
      assert.matches("task", expect.misuse(semaphore.acquire, semaphore))
      assert.is_false(semaphore:locked())
    end)

    it("checks whose method is called", in_loop(function()
      local semaphore = new(1)
      for _, method in ipairs { "acquire", "release", "locked", "with" } do
        for _, wrong in ipairs { neap.lock(), neap.event(), {}, 1 } do
          local err = expect.misuse(semaphore[method], wrong, print)
          assert.matches("bad argument #1", err, 1, true)
        end
      end
    end))

    it("its text tells how many slots are free, and how many wait", in_loop(function()
      local semaphore = new(7)
      assert.matches("Semaphore", tostring(semaphore))
      assert.matches("%f[%d]7%f[%D]", tostring(semaphore))
      for _ = 1, 7 do
        semaphore:acquire()
      end
      assert.not_matches("%f[%d]7%f[%D]", tostring(semaphore))
      takers(semaphore, {}, 2)
      assert.matches("%f[%d]2%f[%D]", tostring(semaphore))
      semaphore:release()
      semaphore:release()
      neap.sleep(0)
    end))
  end)
end

describe("bounded_semaphore", function()
  it("L10 to release it more often than it was acquired is misuse", in_loop(function()
    local semaphore = neap.bounded_semaphore(2)
    assert.matches("semaphore_spec%.lua:%d+: ", expect.misuse(function() semaphore:release() end))
    semaphore:acquire()
    semaphore:release()
    expect.misuse(semaphore.release, semaphore)
    assert.are.equal(2, free(semaphore))
    expect.misuse(function()
      local none = neap.bounded_semaphore(0)
      none:release()
    end)
  end))
end)

describe("semaphore", function()
  it("L10 without bound may have more slots than at first", in_loop(function()
    local semaphore = neap.semaphore(0)
    for _ = 1, 3 do
      semaphore:release()
    end
    assert.are.equal(3, free(semaphore))
  end))

  it("several releases in one tick wake as many", in_order(function()
    local semaphore, seen = neap.semaphore(0), {}
    takers(semaphore, seen, 4)
    for _ = 1, 3 do
      semaphore:release()
    end
    neap.sleep(0)
    assert.are.same({ 1, 2, 3 }, seen)
    semaphore:release()
    neap.sleep(0)
    assert.are.same({ 1, 2, 3, 4 }, seen)
  end))

  it("a slot that was given to somebody who waits is not free meanwhile", in_order(function()
    local semaphore = neap.semaphore(1)
    semaphore:acquire()
    local waiter = started(semaphore.acquire, semaphore)
    semaphore:release()
    semaphore:release()
    assert.is_true(semaphore:locked())
    waiter:await()
    assert.is_false(semaphore:locked())
  end))
end)
