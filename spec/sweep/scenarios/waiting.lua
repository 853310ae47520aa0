-- sleep, wait_for, timeouts, gather, shield, wait, as_completed, groups.
local neap = require "neap"

local function after(delay, value)
  return neap.create_task(neap.sleep, delay, value)
end

local function failing(delay, err)
  return neap.create_task(function()
    neap.sleep(delay)
    error(err, 0)
  end)
end

local function is(err, name)
  return neap.is(err, neap[name])
end

local function group_scenarios()
  return {
    ["a group"] = function()
      local sum = 0
      neap.task_group(function(group)
        for i = 1, 4 do
          group:create_task(function()
            local slept = neap.sleep(i, i)
            sum = sum + slept
          end)
        end
      end)
      assert(sum == 10)
    end,
    ["a group to the end of the block"] = function()
      local task
      do
        local group <close> = neap.task_group()
        task = group:create_task(neap.sleep, 1, "x")
      end
      assert(task:result() == "x")
    end,
    ["a group's child fails"] = function()
      local ok, err = pcall(neap.task_group, function(group)
        group:create_task(error, "x", 0)
        group:create_task(neap.sleep, 100)
        neap.sleep(100)
      end)
      assert(not ok and is(err, "ExceptionGroup") and err.errors[1] == "x")
    end,
    ["a group's body fails"] = function()
      local ok, err = pcall(neap.task_group, function(group)
        group:create_task(neap.sleep, 100)
        error("y", 0)
      end)
      assert(not ok and is(err, "ExceptionGroup") and err.errors[1] == "y")
    end,
    ["groups in groups"] = function()
      local ok, err = pcall(neap.task_group, function(outer)
        outer:create_task(neap.task_group, function(inner)
          inner:create_task(error, "deep", 0)
        end)
      end)
      assert(not ok and is(err.errors[1], "ExceptionGroup"))
    end,
    ["group:cancel()"] = function()
      neap.task_group(function(group)
        group:create_task(neap.sleep, 100)
        neap.sleep(1)
        group:cancel()
        neap.sleep(100)
      end)
    end,
    ["a group's owner is cancelled"] = function()
      local owner = neap.create_task(neap.task_group, function(group)
        group:create_task(neap.sleep, 100)
      end)
      neap.sleep(1)
      owner:cancel()
      pcall(owner.await, owner)
      assert(owner:cancelled())
    end,
    ["a group under a timeout"] = function()
      local ok, err = pcall(neap.timeout, 1, neap.task_group, function(group)
        group:create_task(neap.sleep, 100)
      end)
      assert(not ok and is(err, "TimeoutError"))
    end,
  }
end

local scenarios = {
  ["sleep"] = function() assert(select("#", neap.sleep(1, nil, nil)) == 2) end,
  ["sleep(0), again and again"] = function() for _ = 1, 20 do neap.sleep(0) end end,
  ["sleepers in order"] = function()
    local order = {}
    for i = 5, 1, -1 do
      neap.create_task(function()
        neap.sleep(i)
        order[#order + 1] = i
      end)
    end
    neap.sleep(6)
    assert(table.concat(order) == "12345")
  end,
  ["wait_for, in time"] = function() assert(neap.wait_for(after(1, "x"), 2) == "x") end,
  ["wait_for, too late"] = function()
    local ok, err = pcall(neap.wait_for, after(9), 1)
    assert(not ok and is(err, "TimeoutError") and is(err.cause, "CancelledError"))
  end,
  ["wait_for, no time"] = function()
    local ok, err = pcall(neap.wait_for, after(9), 0)
    assert(not ok and is(err, "TimeoutError"))
  end,
  ["wait_for(function)"] = function()
    assert(neap.wait_for(neap.sleep, 2, 1, "x") == "x")
    assert(not pcall(neap.wait_for, neap.sleep, 1, 2))
  end,
  ["wait_for that is cancelled"] = function()
    local task = neap.create_task(neap.wait_for, after(9), 5)
    neap.sleep(1)
    task:cancel()
    assert(not pcall(task.await, task))
  end,
  ["wait_for an error"] = function()
    assert(select(2, pcall(neap.wait_for, failing(1, "x"), 5)) == "x")
  end,
  ["timeout scope"] = function()
    local ok, err = pcall(function()
      local _ <close> = neap.timeout(1)
      neap.sleep(5)
    end)
    assert(not ok and is(err, "TimeoutError"))
  end,
  ["timeout scopes, nested"] = function()
    local ok, err = pcall(function()
      local outer <close> = neap.timeout(1)
      local inner <close> = neap.timeout(2)
      assert(outer:when() < inner:when())
      neap.sleep(5)
    end)
    assert(not ok and is(err, "TimeoutError"))
  end,
  ["reschedule"] = function()
    local scope <close> = neap.timeout()
    scope:reschedule(neap.time() + 5)
    neap.sleep(1)
    scope:reschedule(nil)
    neap.sleep(10)
    assert(not scope:expired())
  end,
  ["timeout_at"] = function()
    assert(not pcall(function()
      local _ <close> = neap.timeout_at(neap.time() + 1)
      neap.sleep(2)
    end))
  end,
  ["timeout with a function"] = function()
    assert(neap.timeout(2, neap.sleep, 1, "x") == "x")
    assert(not pcall(neap.timeout, 1, neap.sleep, 2))
  end,
  ["move_on_after"] = function()
    assert(neap.move_on_after(1, neap.sleep, 5) == false)
    assert(select(2, neap.move_on_after(5, neap.sleep, 1, "x")) == "x")
  end,
  ["gather"] = function()
    local a, b = neap.gather(after(2, "a"), function() return neap.sleep(1, "b") end)
    assert(a == "a" and b == "b")
  end,
  ["gather with an error"] = function()
    local left = after(3)
    assert(not pcall(neap.gather, left, failing(1, "x"), failing(1, "y")))
    left:await()
  end,
  ["gather, errors returned"] = function()
    local got = neap.gather { after(1, "a"), failing(1, "x"), return_exceptions = true }
    assert(got.n == 2 and got[1] == "a" and got[2] == "x")
  end,
  ["gather that is cancelled"] = function()
    local child = after(100)
    local task = neap.create_task(neap.gather, child, neap.future())
    neap.sleep(1)
    task:cancel()
    pcall(task.await, task)
    neap.sleep(0)
    assert(child:cancelled())
  end,
  ["shield"] = function()
    local inner = after(3, "x")
    local task = neap.create_task(function() return neap.shield(inner):await() end)
    neap.sleep(1)
    task:cancel()
    assert(not pcall(task.await, task))
    assert(inner:await() == "x")
  end,
  ["shield of one that fails later"] = function()
    local inner = failing(2, "x")
    pcall(neap.wait_for, neap.shield(inner), 1)
    neap.sleep(5)
  end,
  ["wait for all"] = function()
    local done, pending = neap.wait { after(1), after(2) }
    assert(#done == 2 and #pending == 0)
  end,
  ["wait for the first"] = function()
    local done, pending = neap.wait({ after(1), after(2) }, { return_when = "FIRST_COMPLETED" })
    assert(#done == 1 and #pending == 1)
  end,
  ["wait with a timeout"] = function()
    local done, pending = neap.wait({ after(1), after(9) }, { timeout = 2 })
    assert(#done == 1 and #pending == 1)
  end,
  ["as_completed"] = function()
    local got = {}
    for task in neap.as_completed { after(3, 3), after(1, 1), after(2, 2) } do
      got[#got + 1] = task:await()
    end
    assert(table.concat(got) == "123")
  end,
  ["as_completed with a timeout"] = function()
    local ok, err = pcall(function()
      for _ in neap.as_completed({ after(1), after(9) }, { timeout = 2 }) do neap.sleep(0) end
    end)
    assert(not ok and is(err, "TimeoutError"))
  end,
}

for name, scenario in pairs(group_scenarios()) do scenarios[name] = scenario end
return scenarios
