-- A program may have a million of everything: nothing recurses, and nothing takes n * n
-- steps, however the tasks are tied together. The suite ties
-- fewer together, to be quick; NEAP_SCALE=1000000 sets the number.

local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"

local sanitized = (os.getenv "NEAP_BUILD" or ""):find("asan", 1, true)
local N = math.tointeger(tonumber(os.getenv "NEAP_SCALE")) or (sanitized and 20000 or 200000)

local function counts()
  return neap.stats().tasks
end

-- How the counters have changed since `before`, which `counts` returned.
local function since(before)
  local now, change = counts(), {}
  for name, count in pairs(now) do
    change[name] = count - before[name]
  end
  return change
end

local function link(awaited)
  local value = awaited:await()
  return value
end

-- A chain of N tasks: each awaits the next, the last one `future`. Returns the first. The
-- last task is made first, so that each one awaits a task that waits.
local function chain_from_the_end(future)
  local task = future
  for _ = 1, N do
    task = neap.create_task(link, task)
  end
  neap.sleep(0)
  return task
end

-- The same, made from the other end: each one makes the next and awaits it.
local function chain_from_the_start(future)
  local made = 0
  local function extend()
    made = made + 1
    return made == N and link(future) or link(neap.create_task(extend))
  end
  local first = neap.create_task(extend)
  repeat
    neap.sleep(0)
  until made == N
  return first
end

-- The same: all exist before any has begun to wait, and they begin in any order.
local function chain_in_any_order(future)
  local tasks = { [N + 1] = future }
  local function body(i)
    return link(tasks[i + 1])
  end
  for i = 1, N do
    tasks[i] = neap.create_task(body, i)
  end
  testing.shuffle(20240229)
  neap.sleep(0)
  neap.sleep(0)
  testing.shuffle(0)
  return tasks[1]
end

-- Through a task in between: the awaiting tasks wait first, the others then join them.
local function chain_of_pairs(future)
  local task = future
  local function body(awaited)
    return link(neap.create_task(link, awaited))
  end
  for _ = 1, N // 2 do
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

  for title, build in pairs {
    ["from the end"] = chain_from_the_end,
    ["from the start"] = chain_from_the_start,
    ["in any order"] = chain_in_any_order,
    ["in pairs"] = chain_of_pairs,
  } do
    it("a chain of tasks made " .. title .. " completes", in_loop(function()
      local before, future, value = counts(), neap.future(), {}
      local first = build(future)
      assert.are.same({ created = N, pending = N, finished = 0, failed = 0, cancelled = 0 },
        since(before))
      future:set_result(value)
      assert.are.equal(value, first:await())
      assert.are.same({ created = N, pending = 0, finished = N, failed = 0, cancelled = 0 },
        since(before))
    end))
  end

  it("one error object goes through a chain of tasks", in_loop(function()
    local before, future, broken = counts(), neap.future(), neap.Error "broken"
    local first = chain_from_the_end(future)
    future:set_exception(broken)
    local ok, err = pcall(first.await, first)
    assert.is_false(ok)
    assert.are.equal(broken, err)
    assert.are.same({ created = N, pending = 0, finished = 0, failed = N, cancelled = 0 },
      since(before))
  end))

  it("a chain of tasks is cancelled from outside", in_loop(function()
    local before, future = counts(), neap.future()
    local first = chain_from_the_start(future)
    assert.is_true(first:cancel())
    assert.is_false(first:done())
    local ok, err = pcall(first.await, first)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.CancelledError))
    assert.is_true(future:cancelled())
    assert.are.same({ created = N, pending = 0, finished = 0, failed = 0, cancelled = N },
      since(before))
  end))

  for title, build in pairs {
    ["from the end"] = chain_from_the_end,
    ["from the start"] = chain_from_the_start,
  } do
    it("a chain of tasks made " .. title .. " is dropped", function()
      local before, future = counts(), nil
      in_loop(function()
        future = neap.future()
        build(future)
      end)()
      assert.is_true(future:cancelled())
      -- The main task is the one that finished.
      assert.are.same({ created = N + 1, pending = 0, finished = 1, failed = 0, cancelled = N },
        since(before))
    end)
  end

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
    assert.are.same({ created = N, pending = 0, finished = N, failed = 0, cancelled = 0 },
      since(before))
  end))

  it("tasks wait for one future, and wake in the order in which they came", in_loop(function()
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
    assert.are.same({ 0, N }, { woken, since(before).pending })
    future:set_result()
    neap.sleep(0)
    assert.are.same({ N, 0 }, { woken, misplaced })
    assert.are.same({ created = N, pending = 0, finished = N, failed = 0, cancelled = 0 },
      since(before))
  end))
end)
