-- A program may have a million of everything: nothing recurses, and nothing takes n * n
-- steps, however the tasks are tied together. The suite ties
-- fewer together, to be quick; NEAP_SCALE=1000000 sets the number.

local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

local sanitized = (os.getenv "NEAP_BUILD" or ""):find("asan", 1, true)
local N = math.tointeger(tonumber(os.getenv "NEAP_SCALE")) or (sanitized and 20000 or 200000)

local function counts()
  return neap.stats().tasks
end

-- Whether the counters have changed since `before`, which `counts` returned, by these
-- numbers; those that are not named, not at all.
local function assert_changed(before, numbers)
  local change, expected = {}, {}
  for name, count in pairs(counts()) do
    change[name], expected[name] = count - before[name], numbers[name] or 0
  end
  assert.are.same(expected, change)
end

local function link(awaited)
  local value = awaited:await()
  return value
end

-- A chain of n tasks: each awaits the next, the last one `future`. Returns the first. The
-- last task is made first, so that each one awaits a task that waits.
local function chain_from_the_end(future, n)
  local task = future
  for _ = 1, n do
    task = neap.create_task(link, task)
  end
  neap.sleep(0)
  return task
end

-- The same, made from the other end: each one makes the next and awaits it.
local function chain_from_the_start(future, n)
  local made = 0
  local function extend()
    made = made + 1
    return made == n and link(future) or link(neap.create_task(extend))
  end
  local first = neap.create_task(extend)
  repeat
    neap.sleep(0)
  until made == n
  return first
end

-- The same: all exist before any has begun to wait, and they begin in any order.
local function chain_in_any_order(future, n)
  local tasks = { [n + 1] = future }
  local function body(i)
    return link(tasks[i + 1])
  end
  for i = 1, n do
    tasks[i] = neap.create_task(body, i)
  end
  testing.shuffle(20240229)
  neap.sleep(0)
  neap.sleep(0)
  testing.shuffle(0)
  return tasks[1]
end

-- Through a task in between: the awaiting tasks wait first, the others then join them.
local function chain_of_pairs(future, n)
  local task = future
  local function body(awaited)
    return link(neap.create_task(link, awaited))
  end
  for _ = 1, n // 2 do
    task = neap.create_task(body, task)
  end
  neap.sleep(0)
  neap.sleep(0)
  return task
end

describe("at scale #slow", function()
  after_each(function()
    testing.shuffle(0)
    collectgarbage()
    collectgarbage()
  end)

  local function completes(build, n)
    return in_loop(function()
      local before, future, value = counts(), neap.future(), {}
      local first = build(future, n)
      assert_changed(before, { created = n, pending = n })
      future:set_result(value)
      assert.are.equal(value, first:await())
      assert_changed(before, { created = n, finished = n })
    end)
  end

  it("a chain of tasks made from its end completes", completes(chain_from_the_end, N))
  it("a chain of tasks made from its start completes", completes(chain_from_the_start, N // 5))
  it("a chain of tasks tied in any order completes", completes(chain_in_any_order, N // 5))
  it("a chain of pairs of tasks completes", completes(chain_of_pairs, N // 5))

  it("one error object goes through a chain of tasks", in_loop(function()
    local before, future, broken = counts(), neap.future(), neap.Error "broken"
    local first = chain_from_the_end(future, N)
    future:set_exception(broken)
    local ok, err = pcall(first.await, first)
    assert.is_false(ok)
    assert.are.equal(broken, err)
    assert_changed(before, { created = N, failed = N })
  end))

  it("a chain of tasks is cancelled from outside", in_loop(function()
    local before, future = counts(), neap.future()
    local first = chain_from_the_start(future, N)
    assert.is_true(first:cancel())
    assert.is_false(first:done())
    local ok, err = pcall(first.await, first)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.CancelledError))
    assert.is_true(future:cancelled())
    assert_changed(before, { created = N, cancelled = N })
  end))

  local function is_dropped(build, n)
    return function()
      local clock <close> = testing.virtual_clock()
      local before, future, reports = counts(), neap.future(), 0
      neap.set_exception_handler(function() reports = reports + 1 end)
      neap.run(build, future, n)
      neap.set_exception_handler(nil)
      assert.are.same({ true, 0, 0 }, { future:cancelled(), reports, clock:time() })
      -- The main task is the one that finished.
      assert_changed(before, { created = n + 1, finished = 1, cancelled = n })
    end
  end

  it("a chain of tasks made from its end is dropped #plain", is_dropped(chain_from_the_end, N))
  it("a chain of tasks made from its start is dropped #plain",
    is_dropped(chain_from_the_start, N // 5))

  it("tasks sleep", in_loop(function()
    local before, woken, late = counts(), 0, 0
    local function sleeper(delay)
      neap.sleep(delay)
      woken = woken + 1
      if neap.time() ~= delay then
        late = late + 1
      end
    end
    for i = 1, N do
      neap.create_task(sleeper, 1 + i * 7919 % 1000)
    end
    neap.sleep(0)
    assert.are.equal(N, neap.stats().timers)
    neap.sleep(1001)
    assert.are.same({ N, 0, 0 }, { woken, late, neap.stats().timers })
    assert_changed(before, { created = N, finished = N })
  end))

  it("tasks wait for one future, and wake in the order in which they came", in_order(function()
    local before, future = counts(), neap.future()
    local woken, misplaced = 0, 0
    local function waiter(i)
      future:await()
      woken = woken + 1
      if woken ~= i then
        misplaced = misplaced + 1
      end
    end
    for i = 1, N do
      neap.create_task(waiter, i)
    end
    neap.sleep(0)
    assert.are.equal(0, woken)
    assert_changed(before, { created = N, pending = N })
    future:set_result()
    neap.sleep(0)
    assert.are.same({ N, 0 }, { woken, misplaced })
    assert_changed(before, { created = N, finished = N })
  end))
end)
