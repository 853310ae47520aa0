-- task:traceback(): where a task is suspended, and the chain of what it awaits.
local in_loop = require "spec.support.loop"
local neap = require "neap"

local function count(text, part)
  local n = 0
  for _ in text:gmatch(part) do n = n + 1 end
  return n
end

describe("task:traceback", function()
  it("of a task that has not started says so", in_loop(function()
    local task <close> = neap.create_task(neap.sleep, 1)
    assert.matches("not started", task:traceback(), 1, true)
  end))

  it("has the place of the wait, and the chain of what is awaited", in_loop(function()
    local function innermost() neap.sleep(1000) end
    local function middle(task) task:await() end
    local first = neap.create_task({ name = "first" }, innermost)
    local second = neap.create_task({ name = "second" }, middle, first)
    local third <close> = neap.create_task({ name = "third" }, middle, second)
    neap.sleep(0)
    local text = third:traceback()
    assert.are.equal(2, count(text, "awaiting "))
    local at_second, at_first = text:find("second", 1, true), text:find("first", 1, true)
    assert.is_true(at_second < at_first)
    assert.matches("neap.sleep", text, at_first, true)
    assert.are.equal(0, count(first:traceback(), "awaiting "))
  end))

  it("ends with a future, and after a hundred tasks", in_loop(function()
    local future = neap.future()
    local task = neap.create_task(future.await, future)
    neap.sleep(0)
    assert.matches("awaiting <Future pending", task:traceback(), 1, true)
    for _ = 1, 300 do task = neap.create_task(task.await, task) end
    neap.sleep(0)
    assert.is_true(count(task:traceback(), "awaiting ") < 300)
    future:set_result()
    task:await()
  end))

  it("shows the coroutines in which a task waits", in_loop(function()
    local function inside() neap.sleep(1000) end
    local task <close> = neap.create_task(function() coroutine.wrap(inside)() end)
    neap.sleep(0)
    local text = task:traceback()
    local at = text:find("resumed by:", 1, true)
    assert.is_true(text:find("neap.sleep", 1, true) < at)
    assert.matches("traceback_spec.lua", text, at, true)
  end))

  it("of the task that runs is its own stack; of one that is done, nothing", in_loop(function()
    local task = neap.create_task(function() return neap.current_task():traceback() end)
    assert.matches("traceback_spec.lua", (task:await()), 1, true)
    assert.are.equal("", task:traceback())
  end))
end)
