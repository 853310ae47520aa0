-- Locks, events, conditions, semaphores, barriers, queues: each in use, with a waiter that is
-- cancelled, with one that times out, with one that is left at the end of the run.
local neap = require "neap"

-- name -> make() gives wait(), which waits, and let_go(), which lets one more waiter go on
local primitives = {
  lock = function()
    local lock = neap.lock()
    lock:acquire()
    return function() lock:acquire() end, function() lock:release() end
  end,
  ["lock's with"] = function()
    local lock = neap.lock()
    lock:acquire()
    return function() lock:with(neap.sleep, 1) end, function()
      if lock:locked() then lock:release() end
    end
  end,
  ["lock's guard"] = function()
    local lock = neap.lock()
    lock:acquire()
    return function()
      local _ <close> = lock:acquire()
      neap.sleep(1)
    end, function()
      if lock:locked() then lock:release() end
    end
  end,
  semaphore = function()
    local semaphore = neap.semaphore(0)
    return function() semaphore:acquire() end, function() semaphore:release() end
  end,
  ["bounded semaphore"] = function()
    local semaphore = neap.bounded_semaphore(1)
    semaphore:acquire()
    return function() semaphore:acquire() end, function() semaphore:release() end
  end,
  event = function()
    local event = neap.event()
    return function() event:wait() end, function()
      event:set()
      event:clear()
    end
  end,
  condition = function()
    local condition = neap.condition()
    return function() condition:with(function() condition:wait() end) end, function()
      condition:with(function() condition:notify() end)
    end
  end,
  ["condition's wait_for"] = function()
    local condition, level = neap.condition(neap.lock()), 0
    return function()
      condition:with(function() condition:wait_for(function() return level > 0 end) end)
    end, function()
      condition:with(function()
        level = level + 1
        condition:notify_all()
      end)
    end
  end,
  barrier = function()
    local barrier = neap.barrier(2)
    return function() barrier:wait() end, function()
      neap.move_on_after(1, barrier.wait, barrier)
    end
  end,
  ["aborted barrier"] = function()
    local barrier = neap.barrier(3)
    return function() pcall(barrier.wait, barrier) end, function() barrier:abort() end
  end,
  ["reset barrier"] = function()
    local barrier = neap.barrier(3)
    return function() pcall(barrier.wait, barrier) end, function() barrier:reset() end
  end,
  ["queue's get"] = function()
    local queue = neap.queue()
    return function() queue:get() end, function() queue:put_nowait(1) end
  end,
  ["queue's put"] = function()
    local queue = neap.queue(1)
    queue:put_nowait(1)
    return function() queue:put(2) end, function()
      if not queue:empty() then queue:get_nowait() end
    end
  end,
  ["queue's join"] = function()
    local queue = neap.queue()
    queue:put_nowait(1)
    return function() queue:join() end, function()
      if queue:qsize() > 0 then
        queue:get()
        queue:task_done()
      end
    end
  end,
  ["queue's shutdown"] = function()
    local queue = neap.queue()
    return function() pcall(queue.get, queue) end, function() queue:shutdown() end
  end,
  ["lifo queue"] = function()
    local queue = neap.lifo_queue(2)
    return function() queue:get() end, function() queue:put(1) end
  end,
  ["priority queue"] = function()
    local queue = neap.priority_queue(0, function(a, b) return a > b end)
    return function() queue:get() end, function() queue:put(queue:qsize()) end
  end,
  ["queue's items"] = function()
    local queue = neap.queue(1)
    return function()
      for item in queue:items() do
        if item == 1 then break end
      end
    end, function() queue:put(1) end
  end,
}

local uses = {
  ["one waits"] = function(wait, let_go)
    local task = neap.create_task(wait)
    neap.sleep(1)
    let_go()
    task:await()
  end,
  ["three wait"] = function(wait, let_go)
    local tasks = {}
    for i = 1, 3 do tasks[i] = neap.create_task(wait) end
    for _ = 1, 3 do
      neap.sleep(5)
      let_go()
    end
    neap.sleep(5)
    for _, task in ipairs(tasks) do assert(task:done()) end
  end,
  ["one is cancelled"] = function(wait, let_go)
    local first, second = neap.create_task(wait), neap.create_task(wait)
    neap.sleep(1)
    first:cancel()
    pcall(first.await, first)
    neap.wait({ neap.create_task(let_go) }, { timeout = 5 })
    neap.wait({ second }, { timeout = 5 })
  end,
  ["one is woken and cancelled"] = function(wait, let_go)
    local first, second = neap.create_task(wait), neap.create_task(wait)
    neap.sleep(1)
    local go = neap.create_task(let_go)
    neap.call_soon(function() first:cancel() end)
    neap.wait({ first, second, go }, { timeout = 5 })
  end,
  ["one runs out of time"] = function(wait)
    pcall(neap.wait_for, wait, 1)
    neap.move_on_after(1, wait)
  end,
  ["one is left"] = function(wait)
    neap.create_task(wait)
    neap.sleep(1)
  end,
}

local scenarios = {}
for primitive, make in pairs(primitives) do
  for use, body in pairs(uses) do
    scenarios[primitive .. ": " .. use] = function() body(make()) end
  end
end
return scenarios
