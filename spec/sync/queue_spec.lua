-- Section 9 of the semantics: queues. What only priority queues do is in
-- priority_queue_spec.lua.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"
local expect = require "spec.support.expect"

local insert = table.insert

-- Puts the values and returns the queue.
local function filled(queue, ...)
  for _, value in ipairs { ... } do
    queue:put_nowait(value)
  end
  return queue
end

-- All that is in the queue, in its order.
local function drained(queue)
  local items = {}
  while not queue:empty() do
    insert(items, queue:get_nowait())
  end
  return items
end

-- Logs its name and what it gets, or what it raises.
local function get(queue, seen, name)
  local ok, result = pcall(queue.get, queue)
  insert(seen, name .. " " .. (ok and tostring(result) or result.name))
end

local function put(queue, seen, item)
  local ok, err = pcall(queue.put, queue, item)
  insert(seen, "put " .. item .. (ok and "" or " " .. err.name))
end

describe("queue", function()
  it("L12 get_nowait raises QueueEmpty, put_nowait QueueFull", in_loop(function()
    local queue = neap.queue(2)
    expect.error(neap.QueueEmpty, queue.get_nowait, queue)
    filled(queue, "a", "b")
    expect.error(neap.QueueFull, queue.put_nowait, queue, "c")
    assert.are.equal(2, queue:qsize())
    assert.are.same({ "a", "b" }, drained(queue))
    expect.error(neap.QueueEmpty, queue.get_nowait, queue)
  end))

  it("L12 task_done more often than put is misuse", in_loop(function()
    local queue = neap.queue()
    expect.misuse(queue.task_done, queue)
    filled(queue, 1, 2)
    queue:get()
    queue:task_done()
    queue:task_done()
    assert.matches("queue_spec%.lua:%d+: ", expect.misuse(function() queue:task_done() end))
    neap.wait_for(queue.join, 1, queue)
    assert.are.equal(1, queue:qsize())
  end))

  it("L13 a cancelled getter loses no item", in_loop(function()
    local queue, seen = neap.queue(), {}
    local getter = started(get, queue, seen, "a")
    queue:put("item")
    getter:cancel()
    getter:await()
    assert.are.same({ "a CancelledError" }, seen)
    assert.are.equal("item", queue:get_nowait())
  end))

  it("L13 a woken getter that is cancelled passes its turn on", in_loop(function()
    local queue, seen = neap.queue(), {}
    local a, b = started(get, queue, seen, "a"), started(get, queue, seen, "b")
    queue:put("item")
    a:cancel()
    neap.wait_for(b, 1)
    assert.are.same({ "a CancelledError", "b item" }, seen)
  end))

  it("L13 a woken putter that is cancelled passes its turn on", in_loop(function()
    local queue, seen = filled(neap.queue(1), 0), {}
    local a, b = started(put, queue, seen, 1), started(put, queue, seen, 2)
    assert.are.equal(0, queue:get())
    a:cancel()
    neap.wait_for(b, 1)
    assert.are.same({ "put 1 CancelledError", "put 2" }, seen)
    assert.are.same({ 2 }, drained(queue))
  end))

  it("a cancelled getter or putter that was not woken is skipped", in_loop(function()
    local queue, seen = neap.queue(1), {}
    local a, b = started(get, queue, seen, "a"), started(get, queue, seen, "b")
    a:cancel()
    queue:put(1)
    b:await()
    queue:put(2)
    local c, d = started(put, queue, seen, 3), started(put, queue, seen, 4)
    c:cancel()
    assert.are.equal(2, queue:get())
    d:await()
    table.sort(seen)
    assert.are.same({ "a CancelledError", "b 1", "put 3 CancelledError", "put 4" }, seen)
    assert.are.same({ 4 }, drained(queue))
  end))

  it("L14 get_nowait may take what a getter was woken for, which waits on", in_loop(function()
    local queue, seen = neap.queue(), {}
    local getter = started(get, queue, seen, "a")
    queue:put("first")
    assert.are.equal("first", queue:get_nowait())
    neap.sleep(1)
    assert.is_false(getter:done())
    queue:put("second")
    getter:await()
    assert.are.same({ "a second" }, seen)
  end))

  it("L14 put_nowait may take the place a putter was woken for", in_loop(function()
    local queue, seen = filled(neap.queue(1), 0), {}
    local putter = started(put, queue, seen, 1)
    queue:get()
    queue:put_nowait(2)
    neap.sleep(1)
    assert.is_false(putter:done())
    assert.are.equal(2, queue:get())
    putter:await()
    assert.are.same({ 1 }, drained(queue))
  end))

  it("L15 after shutdown put raises, get takes what is left and then raises", in_loop(function()
    local queue = filled(neap.queue(), "a", "b")
    queue:shutdown()
    expect.error(neap.QueueShutDown, queue.put, queue, "c")
    expect.error(neap.QueueShutDown, queue.put_nowait, queue, "c")
    assert.are.equal("a", queue:get())
    assert.are.equal("b", queue:get_nowait())
    for _ = 1, 2 do
      expect.error(neap.QueueShutDown, queue.get, queue)
      expect.error(neap.QueueShutDown, queue.get_nowait, queue)
      queue:shutdown()
    end
  end))

  it("L15 shutdown releases who waits to get or put, in order", in_order(function()
    local empty, full, seen = neap.queue(), filled(neap.queue(1), 0), {}
    started(get, empty, seen, "a")
    started(get, empty, seen, "b")
    started(put, full, seen, 1)
    started(put, full, seen, 2)
    empty:shutdown()
    full:shutdown()
    neap.sleep(0)
    assert.are.same({
      "a QueueShutDown", "b QueueShutDown", "put 1 QueueShutDown", "put 2 QueueShutDown",
    }, seen)
    assert.are.same({ 0 }, drained(full))
  end))

  it("L15 a woken putter finds the queue shut down", in_loop(function()
    local queue, seen = filled(neap.queue(1), 0), {}
    local putter = started(put, queue, seen, 1)
    queue:get()
    queue:shutdown()
    putter:await()
    assert.are.same({ "put 1 QueueShutDown" }, seen)
    assert.is_true(queue:empty())
  end))

  it("L15 join after shutdown still waits for the work", in_loop(function()
    local queue = filled(neap.queue(), 1, 2)
    queue:shutdown()
    local joiner = started(queue.join, queue)
    for _ = 1, 2 do
      queue:get()
      assert.is_false(joiner:done())
      queue:task_done()
    end
    neap.wait_for(joiner, 1)
  end))

  it("L15 shutdown(true) drops the items and releases getters and join", in_loop(function()
    local queue, seen = filled(neap.queue(2), 1, 2), {}
    local joiner = started(queue.join, queue)
    local putter = started(put, queue, seen, 3)
    queue:shutdown(true)
    assert.is_true(queue:empty())
    expect.error(neap.QueueShutDown, queue.get, queue)
    neap.wait_for(joiner, 1)
    putter:await()
    assert.are.same({ "put 3 QueueShutDown" }, seen)
    expect.misuse(queue.task_done, queue)
  end))

  it("L15 shutdown(true) leaves the work that was begun to join", in_loop(function()
    local queue = filled(neap.queue(), 1, 2, 3)
    queue:get()
    local joiner = started(queue.join, queue)
    queue:shutdown(true)
    neap.sleep(1)
    assert.is_false(joiner:done())
    queue:task_done()
    neap.wait_for(joiner, 1)
  end))

  it("L18 get and put take no pass when they need not wait", in_loop(function(_, passes)
    local queue = neap.queue(1)
    assert.are.equal(0, (passes(function()
      queue:put("item")
      assert.are.equal("item", queue:get())
      queue:task_done()
      queue:join()
    end)))
  end))

  it("gives the items in the order in which they were put", in_loop(function()
    local queue, seen = neap.queue(2), {}
    neap.create_task(function()
      for i = 1, 6 do
        queue:put(i)
      end
    end)
    for _ = 1, 6 do
      insert(seen, queue:get())
    end
    assert.are.same({ 1, 2, 3, 4, 5, 6 }, seen)
  end))

  it("serves getters and putters first come, first served", in_order(function()
    local queue, seen = neap.queue(1), {}
    for i = 1, 3 do
      started(get, queue, seen, "getter " .. i)
    end
    for i = 1, 3 do
      queue:put(i)
    end
    neap.sleep(1)
    assert.are.same({ "getter 1 1", "getter 2 2", "getter 3 3" }, seen)
    queue:put(0)
    seen = {}
    for i = 1, 3 do
      started(put, queue, seen, i)
    end
    for i = 0, 3 do
      assert.are.equal(i, queue:get())
      neap.sleep(0)
    end
    assert.are.same({ "put 1", "put 2", "put 3" }, seen)
  end))

  it("two getters in a loop take turns", in_order(function()
    local queue, seen = neap.queue(), {}
    for _, name in ipairs { "a", "b" } do
      neap.create_task(function()
        for _ in queue:items() do
          insert(seen, name)
        end
      end)
    end
    for i = 1, 6 do
      neap.sleep(1)
      queue:put(i)
    end
    queue:shutdown()
    neap.sleep(1)
    assert.are.equal("ababab", table.concat(seen))
  end))

  it("join waits until everything that was put is done", in_loop(function()
    local queue = neap.queue()
    queue:join()
    filled(queue, 1, 2)
    local first, second = started(queue.join, queue), started(queue.join, queue)
    for _ = 1, 2 do
      queue:get()
      neap.sleep(1)
      assert.is_false(first:done())
      queue:task_done()
    end
    filled(queue, 3) -- comes too late to hold them
    first:await()
    second:await()
    assert.are.equal(2, neap.time())
    local third = started(queue.join, queue)
    assert.is_false(third:done())
    queue:task_done()
    third:await()
  end))

  it("items ends when the queue is shut down and empty", in_loop(function()
    local queue, seen = filled(neap.queue(), 1, 2), {}
    local task = neap.create_task(function()
      for item in queue:items() do
        insert(seen, item)
        neap.sleep(1)
      end
      return "ended"
    end)
    neap.sleep(5)
    assert.is_false(task:done())
    filled(queue, 3, 4)
    queue:shutdown()
    assert.are.equal("ended", task:await())
    assert.are.same({ 1, 2, 3, 4 }, seen)
    for _ in queue:items() do
      error "there is nothing left"
    end
  end))

  it("items ends at once for a getter that waits, or when the items are dropped",
    in_loop(function()
      local queue, seen = neap.queue(), {}
      local function consume()
        for item in queue:items() do
          insert(seen, item)
          neap.sleep(1)
        end
        return neap.time()
      end
      local a, b = started(consume), started(consume)
      filled(queue, 1, 2, 3, 4)
      neap.sleep(0)
      queue:shutdown(true)
      assert.are.equal(1, a:await())
      assert.are.equal(1, b:await())
      assert.are.same({ 1, 2 }, seen)
    end))

  it("items gives false as an item, and lets a cancellation out", in_loop(function()
    local queue, seen = filled(neap.queue(), false, true), {}
    local task = started(function()
      for item in queue:items() do
        insert(seen, item)
      end
    end)
    assert.are.same({ false, true }, seen)
    task:cancel("stop")
    expect.error(neap.CancelledError, task.await, task)
    assert.is_true(task:cancelled())
  end))

  it("items can be left and taken up again", in_loop(function()
    local queue, seen = filled(neap.queue(), 1, 2, 3), {}
    local function take(n)
      for item in queue:items() do
        insert(seen, item)
        if #seen >= n then return end
      end
    end
    take(1)
    take(3)
    assert.are.same({ 1, 2, 3 }, seen)
  end))

  it("nil is no item", in_loop(function()
    local queue = neap.queue()
    assert.matches("nil", expect.misuse(queue.put, queue, nil))
    assert.matches("nil", expect.misuse(queue.put_nowait, queue, nil))
    expect.misuse(queue.put, queue)
    assert.is_true(queue:empty())
    queue:join()
  end))

  it("tells its size, and whether it is empty or full", in_loop(function()
    local queue = neap.queue(2)
    local function state()
      return { queue:qsize(), queue:empty(), queue:full(), queue:maxsize() }
    end
    assert.are.same({ 0, true, false, 2 }, state())
    queue:put(1)
    assert.are.same({ 1, false, false, 2 }, state())
    queue:put(2)
    assert.are.same({ 2, false, true, 2 }, state())
    queue:get()
    assert.are.same({ 1, false, false, 2 }, state())
    for _, unlimited in ipairs { neap.queue(), neap.queue(0) } do
      assert.are.equal(0, unlimited:maxsize())
      for i = 1, 1000 do
        unlimited:put(i)
      end
      assert.is_false(unlimited:full())
      assert.are.equal(1000, unlimited:qsize())
      assert.are.equal(1, unlimited:get())
    end
  end))

  it("keeps its order while it grows, shrinks and wraps round", in_loop(function()
    local queue, last, next_out = neap.queue(), 0, 1
    for round = 1, 60 do
      for _ = 1, round * 7 % 50 do
        last = last + 1
        queue:put(last)
      end
      for _ = 1, math.min(queue:qsize(), round * 11 % 50) do
        assert.are.equal(next_out, queue:get())
        next_out = next_out + 1
      end
      assert.are.equal(last - next_out + 1, queue:qsize())
    end
    for _, item in ipairs(drained(queue)) do
      assert.are.equal(next_out, item)
      next_out = next_out + 1
    end
  end))

  it("needs a task only to wait #plain", function()
    local queue = neap.queue()
    queue:put_nowait(1)
    assert.are.equal(1, queue:get_nowait())
    queue:task_done()
    for _, method in ipairs { queue.get, queue.put, queue.join } do
      assert.matches("task", expect.misuse(method, queue, 1))
    end
    queue:shutdown()
  end)

  it("keeps what is in it, and only that, from the collector", in_loop(function()
    local queue, weak = neap.queue(), setmetatable({}, { __mode = "v" })
    for i = 1, 4 do
      weak[i] = {}
      queue:put(weak[i])
    end
    collectgarbage()
    assert.are.equal(4, #weak)
    queue:get()
    queue:get()
    collectgarbage()
    assert.are.same({ nil, nil, {}, {} }, { weak[1], weak[2], weak[3], weak[4] })
    queue:shutdown(true)
    collectgarbage()
    assert.is_nil(next(weak))
  end))
end)

describe("lifo_queue", function()
  it("L16 gives the last item first", in_loop(function()
    local queue = filled(neap.lifo_queue(), 1, 2, 3)
    assert.are.equal(3, queue:get())
    queue:put(4)
    assert.are.same({ 4, 2, 1 }, drained(queue))
  end))

  it("L12 knows its size, and raises as a queue does", in_loop(function()
    local queue = filled(neap.lifo_queue(1), 1)
    expect.error(neap.QueueFull, queue.put_nowait, queue, 2)
    assert.are.equal(1, queue:get())
    expect.error(neap.QueueEmpty, queue.get_nowait, queue)
  end))
end)

for _, name in ipairs { "queue", "lifo_queue", "priority_queue" } do
  local new = neap[name]

  describe(name, function()
    it("takes no negative size", function()
      for _, wrong in ipairs { -1, 1.5, "many", {} } do
        assert.matches("bad argument #1", expect.misuse(new, wrong), 1, true)
      end
    end)

    it("checks whose method is called", in_loop(function()
      local queue = new()
      local names = {
        "put", "put_nowait", "get", "get_nowait", "items", "task_done", "join", "shutdown",
        "qsize", "maxsize", "empty", "full",
      }
      for _, method in ipairs(names) do
        for _, wrong in ipairs { neap.event(), neap.lock(), {}, 1 } do
          local err = expect.misuse(queue[method], wrong, 1)
          assert.matches("bad argument #1", err, 1, true)
        end
      end
    end))

    it("its text tells how much is in it, who waits, and whether it is shut down",
      in_loop(function()
        local queue, seen = new(7), {}
        assert.matches("Queue", tostring(queue))
        assert.matches("%f[%d]7%f[%D]", tostring(queue))
        local before = tostring(queue)
        started(get, queue, seen, "a")
        started(get, queue, seen, "b")
        assert.matches("%f[%d]2%f[%D]", tostring(queue))
        filled(queue, 1, 2, 3, 4, 5)
        assert.matches("%f[%d]5%f[%D]", tostring(queue))
        neap.sleep(0)
        assert.are_not.equal(before, tostring(queue))
        assert.not_matches("shut", tostring(queue))
        queue:shutdown()
        assert.matches("shut", tostring(queue))
      end))
  end)
end
