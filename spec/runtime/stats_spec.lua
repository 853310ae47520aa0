-- neap.stats(): counters go up with what they count, and come back level.

local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"

local function tasks_since(before)
  local change = {}
  for name, count in pairs(neap.stats().tasks) do
    change[name] = count - before.tasks[name]
  end
  return change
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

describe("neap.stats", function()
  it("has these counters, all of them integers", function()
    local stats = neap.stats()
    assert.are.same({ "bytes", "handles", "passes", "polls", "steps", "tasks", "timers" },
      sorted_keys(stats))
    assert.are.same({ "cancelled", "created", "failed", "finished", "pending" },
      sorted_keys(stats.tasks))
    local tasks = stats.tasks
    stats.tasks = nil
    for _, counters in ipairs { stats, tasks } do
      for name, count in pairs(counters) do
        assert.are.equal("integer", math.type(count), name)
        assert.is_true(count >= 0, name)
      end
    end
  end)

  it("returns a new table each time", function()
    local stats = neap.stats()
    stats.tasks.created = -1
    assert.are_not.equal(stats, neap.stats())
    assert.are_not.equal(-1, neap.stats().tasks.created)
  end)

  it("counts tasks by their state", in_loop(function()
    local before = neap.stats()
    local returned = neap.create_task(function() return 1 end)
    local failed = neap.create_task(error, "broken")
    local cancelled = neap.create_task(neap.sleep, 10)
    local swallowing = neap.create_task(pcall, neap.sleep, 10)
    local never_started = neap.create_task(function() end)
    assert.are.same({ created = 5, pending = 5, finished = 0, failed = 0, cancelled = 0 },
      tasks_since(before))
    never_started:cancel()
    neap.sleep(0)
    assert.are.same({ created = 5, pending = 2, finished = 1, failed = 1, cancelled = 1 },
      tasks_since(before))
    cancelled:cancel()
    swallowing:cancel()
    neap.sleep(0)
    assert.are.same({ created = 5, pending = 0, finished = 2, failed = 1, cancelled = 2 },
      tasks_since(before))
    assert.are.equal("broken", failed:exception())
    assert.are.equal(1, returned:result())
  end))

  it("counts the main task, and is level after a run #plain", function()
    local before = neap.stats()
    local inside
    in_loop(function() inside = tasks_since(before) end)()
    assert.are.same({ created = 1, pending = 1, finished = 0, failed = 0, cancelled = 0 },
      inside)
    assert.are.same({ created = 1, pending = 0, finished = 1, failed = 0, cancelled = 0 },
      tasks_since(before))
  end)

  it("counts an eager task that ends at once", in_loop(function()
    local before = neap.stats()
    neap.create_task({ eager_start = true }, function() end)
    assert.are.same({ created = 1, pending = 0, finished = 1, failed = 0, cancelled = 0 },
      tasks_since(before))
  end))

  it("counts the timers that are armed #plain", in_loop(function()
    local seen = {}
    local function note()
      seen[#seen + 1] = neap.stats().timers
    end
    note()
    local handle = neap.call_later(5, note)
    local other = neap.call_at(7, note)
    note()
    local sleeper = neap.create_task(neap.sleep, 10)
    neap.sleep(0)
    note()
    handle:cancel()
    handle:cancel()
    note()
    sleeper:cancel()
    note()
    local never = neap.call_later(math.huge, note)
    neap.create_task(neap.sleep, math.huge)
    neap.sleep(0)
    note()
    do
      local _ <close> = neap.timeout(20)
      note()
    end
    note()
    neap.sleep(8)
    note()
    assert.are.same({ 0, 2, 3, 2, 1, 1, 2, 1, 1, 0 }, seen)
    assert.is_false(other:cancelled())
    never:cancel()
  end))

  it("has no timers after a run that left some #plain", function()
    in_loop(function()
      neap.call_later(5, print)
      neap.create_task(neap.sleep, 10)
      neap.sleep(0)
      assert.are.equal(2, neap.stats().timers)
    end)()
    assert.are.equal(0, neap.stats().timers)
  end)

  it("has no handles while nobody does I/O", in_loop(function()
    neap.sleep(1)
    assert.are.equal(0, neap.stats().handles)
  end))

  it("counts one step for each time that a task runs", in_loop(function()
    local function yields(n)
      for _ = 1, n do
        neap.sleep(0)
      end
    end
    for n = 0, 5 do
      local before = neap.stats().steps
      neap.create_task(yields, n):await()
      assert.are.equal(n + 2, neap.stats().steps - before) -- its own, and ours
    end
  end))

  it("counts the passes", in_loop(function()
    for n = 0, 5 do
      local before = neap.stats().passes
      for _ = 1, n do
        neap.sleep(0)
      end
      assert.are.equal(n, neap.stats().passes - before)
    end
  end))

  it("does not poll on a virtual clock", in_loop(function()
    local before = neap.stats().polls
    for i = 1, 100 do
      neap.sleep(i)
    end
    assert.are.equal(0, neap.stats().polls - before)
  end))

  it("polls to wait for the real clock #plain", function()
    local before = neap.stats().polls
    neap.run(neap.sleep, 0.001)
    assert.is_true(neap.stats().polls > before)
  end)

  it("does not go up on its own", function()
    assert.are.same(neap.stats(), neap.stats())
  end)
end)

describe("neap.stats().bytes", function()
  local function round()
    local _ <close> = testing.virtual_clock()
    neap.run(function()
      local future = neap.future()
      for i = 1, 2000 do
        neap.create_task(neap.sleep, i)
        neap.create_task(future.await, future)
        neap.call_later(i, type, i)
        neap.create_task(pcall, neap.wait_for, neap.sleep, i, math.huge)
        neap.create_task(neap.wait_for, neap.create_task(neap.sleep, 1), i + 1)
      end
      neap.sleep(1500)
      future:set_result()
    end)
    collectgarbage()
    collectgarbage()
    return neap.stats().bytes
  end

  it("is level after the same program has run again #plain", function()
    local first = round()
    for _ = 1, 3 do
      assert.are.equal(first, round())
    end
  end)

  it("includes the deadlines #plain", in_loop(function()
    for i = 1, 3000 do
      neap.call_later(i, print)
    end
    local stats = neap.stats()
    assert.are.equal(3000, stats.timers)
    assert.is_true(stats.bytes >= 16 * stats.timers, "deadlines are not counted")
  end))
end)
