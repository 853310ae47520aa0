-- Tasks: creation, results, cancellation. Each scenario is the main task of a run; what it
-- asserts holds in whatever order the ready tasks run.
local neap = require "neap"

local function finally(fn)
  return setmetatable({}, { __close = fn })
end

local function stubborn()
  local ok = pcall(neap.sleep, 10)
  neap.sleep(1)
  return ok
end

local function chain(n)
  if n == 0 then return neap.sleep(1, "end") end
  return neap.create_task(chain, n - 1):await()
end

return {
  ["results, nil among them"] = function()
    local task = neap.create_task(function(a, b) return a, nil, b end, 1, 3)
    local results = table.pack(task:await())
    assert(results.n == 3 and results[3] == 3)
  end,
  ["many results"] = function()
    local task = neap.create_task(function() return table.unpack({}, 1, 200) end)
    assert(select("#", task:await()) == 200)
  end,
  ["a failed task"] = function()
    local task = neap.create_task(error, { "mine" })
    local ok, err = pcall(task.await, task)
    assert(not ok and err[1] == "mine" and task:exception() == err)
  end,
  ["an error nobody looks at"] = function()
    neap.create_task(function() error "lost" end)
    neap.sleep(0)
    collectgarbage()
  end,
  ["several awaiters"] = function()
    local task, got = neap.create_task(neap.sleep, 1, "x"), 0
    for _ = 1, 3 do
      neap.create_task(function() if task:await() == "x" then got = got + 1 end end)
    end
    neap.sleep(2)
    assert(got == 3)
  end,
  ["a chain of awaits"] = function() assert(chain(8) == "end") end,
  ["eager tasks"] = function()
    local task = neap.create_task({ eager_start = true, name = "eager" }, neap.sleep, 1, 5)
    assert(task:get_name() == "eager" and task:await() == 5)
  end,
  ["names"] = function()
    local task = neap.create_task({ name = "mine" }, neap.sleep, 1)
    task:set_name "other"
    assert(task:get_name() == "other" and tostring(task):find "other")
  end,
  ["many at once"] = function()
    local sum, tasks = 0, {}
    for i = 1, 40 do tasks[i] = neap.create_task(neap.sleep, i % 3, i) end
    for _, task in ipairs(tasks) do sum = sum + task:await() end
    assert(sum == 820)
  end,
  ["tasks that are left"] = function()
    for _ = 1, 3 do neap.create_task(neap.sleep, 100) end
  end,
  ["left, and slow to clean up"] = function()
    neap.create_task(function()
      local _ <close> = finally(function() neap.sleep(3) end)
      neap.sleep(100)
    end)
    neap.sleep(0)
  end,
  ["<close> on a task"] = function()
    local cancelled
    do
      local task <close> = neap.create_task(neap.sleep, 100)
      cancelled = task
      neap.sleep(1)
    end
    assert(cancelled:cancelled())
  end,
  ["done callbacks"] = function()
    local count, task = 0, neap.create_task(neap.sleep, 1)
    local function count_it() count = count + 1 end
    task:add_done_callback(count_it)
    task:add_done_callback(count_it)
    task:add_done_callback(function() error "in a callback" end)
    assert(task:remove_done_callback(print) == 0)
    task:await()
    neap.sleep(0)
    assert(count == 2)
  end,
  ["all_tasks, format_tasks, traceback"] = function()
    local task = neap.create_task(chain, 2)
    neap.sleep(0.5)
    assert(#neap.all_tasks() >= 2 and #neap.format_tasks() > 0 and #task:traceback() > 0)
    task:await()
  end,
  ["cancelled before its first line"] = function()
    local task = neap.create_task(function() assert(false, "it runs") end)
    assert(task:cancel "no")
    local _, err = pcall(task.await, task)
    assert(neap.is(err, neap.CancelledError))
  end,
  ["cancelled in its sleep"] = function()
    local task = neap.create_task(neap.sleep, 100)
    neap.sleep(1)
    task:cancel()
    assert(not pcall(task.await, task) and task:cancelled())
  end,
  ["cancelled, cleans up, cancelled again"] = function()
    local task = neap.create_task(function()
      local _ <close> = finally(function() pcall(neap.sleep, 5) end)
      neap.sleep(100)
    end)
    neap.sleep(1)
    task:cancel()
    neap.sleep(1)
    task:cancel()
    pcall(task.await, task)
    assert(task:done())
  end,
  ["a swallowed cancellation"] = function()
    local task = neap.create_task(stubborn)
    neap.sleep(1)
    task:cancel()
    assert(task:await() == false)
  end,
  ["a cancellation passed on"] = function()
    local inner = neap.create_task(neap.sleep, 100)
    local outer = neap.create_task(function() return inner:await() end)
    neap.sleep(1)
    outer:cancel()
    pcall(outer.await, outer)
    assert(inner:cancelled() and outer:cancelled())
  end,
  ["cancels itself"] = function()
    local task = neap.create_task(function()
      neap.current_task():cancel()
      neap.sleep(1)
    end)
    pcall(task.await, task)
    assert(task:cancelled())
  end,
  ["uncancel"] = function()
    local task = neap.create_task(function()
      local me = neap.current_task()
      me:cancel()
      me:uncancel()
      return neap.sleep(1, "went on")
    end)
    assert(task:await() == "went on")
  end,
  ["neap.pcall and xpcall"] = function()
    local ok, text = neap.xpcall(error, function(e) return e .. "!" end, "oh")
    assert(not ok and text == "oh!")
    assert(select(2, neap.pcall(neap.sleep, 1, "x")) == "x")
  end,
  ["awaits itself"] = function()
    local task
    task = neap.create_task(function() task:await() end)
    assert(not pcall(task.await, task))
  end,
  ["a ring of awaits"] = function()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.create_task(function() pcall(tasks[i % 3 + 1].await, tasks[i % 3 + 1]) end)
    end
    for _, task in ipairs(tasks) do pcall(task.await, task) end
  end,
  ["a deadlock"] = function()
    local ok, err = pcall(neap.future().await, neap.future())
    assert(not ok and err.name == "DeadlockError")
  end,
}
