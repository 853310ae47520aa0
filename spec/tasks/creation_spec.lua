-- Section 1 of the semantics: how tasks start, and in which order things run.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

local insert = table.insert

describe("creation and ordering", function()
  it("A01 the statement after create_task runs before the task's body", in_order(function()
    local seen = {}
    local task = neap.create_task(function() insert(seen, "body") end)
    insert(seen, "statement")
    neap.sleep(0)
    insert(seen, "one pass later")
    task:await()
    assert.are.same({ "statement", "body", "one pass later" }, seen)
  end))

  it("A02 tasks start in the order of their creation", in_order(function()
    local seen, last = {}, nil
    for i = 1, 5 do
      last = neap.create_task(insert, seen, i)
    end
    assert.are.same({}, seen)
    last:await()
    assert.are.same({ 1, 2, 3, 4, 5 }, seen)
  end))

  it("A03 a task created by a running task waits for the next pass", in_order(function()
    local seen = {}
    neap.create_task(function()
      insert(seen, "a")
      neap.create_task(insert, seen, "c")
      insert(seen, "a ends")
    end)
    neap.create_task(insert, seen, "b")
    neap.sleep(0)
    insert(seen, "pass 1 ends")
    neap.sleep(0)
    assert.are.same({ "a", "a ends", "b", "pass 1 ends", "c" }, seen)
  end))

  it("A04 two tasks that loop on sleep(0) alternate strictly", in_order(function()
    local seen = {}
    local function loop(name)
      for i = 0, 2 do
        insert(seen, name .. i)
        neap.sleep(0)
      end
    end
    local a = neap.create_task(loop, "a")
    local b = neap.create_task(loop, "b")
    a:await()
    b:await()
    assert.are.same({ "a0", "b0", "a1", "b1", "a2", "b2" }, seen)
  end))

  it("A05 sleep(0) takes exactly one pass", in_order(function(_, passes)
    assert.are.equal(1, (passes(neap.sleep, 0)))
    assert.are.equal(3, (passes(function()
      neap.sleep(0)
      neap.sleep(0)
      neap.sleep(0)
    end)))
  end))

  it("A06 a negative sleep is sleep(0)", in_order(function(_, passes)
    local before = neap.time()
    assert.are.equal(1, (passes(neap.sleep, -5)))
    assert.are.equal(before, neap.time())
    assert.are.equal(1, (passes(neap.sleep, -math.huge)))
    assert.are.equal(before, neap.time())
  end))

  it("A07 sleep returns its extra values", in_loop(function()
    assert.are.same({ n = 1, "now" }, table.pack(neap.sleep(0, "now")))
    assert.are.same({ n = 1, "later" }, table.pack(neap.sleep(2, "later")))
    assert.are.same({ n = 4, nil, "a", nil, nil }, table.pack(neap.sleep(0.5, nil, "a", nil, nil)))
    assert.are.same({ n = 0 }, table.pack(neap.sleep(0)))
    assert.are.same({ n = 0 }, table.pack(neap.sleep(1)))
    assert.are.equal(3.5, neap.time())
  end))

  it("A08 sleep(NaN) is an argument error", in_loop(function(_, passes)
    local nan = 0 / 0
    local count, ok, err = passes(pcall, neap.sleep, nan)
    assert.is_false(ok)
    assert.is_string(err)
    assert.matches("[Nn][Aa][Nn]", err)
    assert.are.equal(0, count)
  end))

  it("A09 sleepers wake in the order of their deadlines", in_loop(function()
    local seen, tasks = {}, {}
    for i, delay in ipairs { 3, 1, 2 } do
      tasks[i] = neap.create_task(function()
        neap.sleep(delay)
        insert(seen, { delay, neap.time() })
      end)
    end
    tasks[1]:await()
    assert.are.same({ { 1, 1 }, { 2, 2 }, { 3, 3 } }, seen)
  end))

  it("A10 RULE sleepers with one deadline wake in the order of their calls", in_order(function()
    local seen = {}
    for i = 1, 8 do
      neap.create_task(function()
        neap.sleep(2)
        insert(seen, i)
      end)
    end
    neap.create_task(function()
      neap.sleep(1)
      neap.sleep(1) -- the same deadline again, asked for later
      insert(seen, "late")
    end)
    neap.sleep(3)
    assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8, "late" }, seen)
  end))

  it("A11 awaiting a done future does not yield", in_order(function(_, passes)
    local seen = {}
    local future = neap.future()
    future:set_result("value")
    neap.call_soon(insert, seen, "callback")
    insert(seen, future:await())
    neap.sleep(0)
    assert.are.same({ "value", "callback" }, seen)
    assert.are.same({ 0, "value" }, { passes(neap.await, future) })
  end))

  it("A12 awaiting a done task takes no pass", in_order(function(_, passes)
    local seen = {}
    local task = neap.create_task(function() return "value" end)
    neap.sleep(0)
    assert.is_true(task:done())
    neap.call_soon(insert, seen, "callback")
    assert.are.same({ 0, "value" }, { passes(neap.await, task) })
    assert.are.same({}, seen)
  end))

  it("A13 a future wakes all waiters on the next pass, in order", in_order(function()
    local seen = {}
    local future = neap.future()
    local function waiter(name)
      future:await()
      insert(seen, name)
    end
    neap.create_task(waiter, "task 1")
    neap.create_task(waiter, "task 2")
    neap.sleep(0)
    future:add_done_callback(function() insert(seen, "callback") end)
    neap.create_task(waiter, "task 3")
    neap.create_task(waiter, "task 4")
    neap.sleep(0)

    future:set_result()
    insert(seen, "set_result returned")
    neap.sleep(0)
    insert(seen, "one pass later")
    assert.are.same({
      "set_result returned", "task 1", "task 2", "callback", "task 3", "task 4",
      "one pass later",
    }, seen)
  end))

  it("A14 to create and await a task that returns at once takes two passes", in_order(
    function(_, passes)
      local count, value = passes(function()
        return neap.create_task(function() return "value" end):await()
      end)
      assert.are.equal(2, count)
      assert.are.equal("value", value)
    end))

  it("A15 a plain call runs in the same task and takes no pass", in_order(function(_, passes)
    local main = neap.current_task()
    local function plain()
      return neap.current_task()
    end
    local function suspending()
      local before = neap.current_task()
      neap.sleep(0)
      return before, neap.current_task()
    end

    local count, inside = passes(plain)
    assert.are.equal(0, count)
    assert.are.equal(main, inside)

    local slept, before, after = passes(suspending)
    assert.are.equal(1, slept)
    assert.are.equal(main, before)
    assert.are.equal(main, after)
  end))

  it("A16 a callback added to a done future is called on the next pass", in_order(function()
    local seen, given = {}, nil
    local future = neap.future()
    future:set_result("value")
    future:add_done_callback(function(done)
      given = done
      insert(seen, "callback")
    end)
    insert(seen, "added")
    neap.sleep(0)
    insert(seen, "one pass later")
    assert.are.same({ "added", "callback", "one pass later" }, seen)
    assert.are.equal(future, given)
  end))

  it("A17 remove_done_callback returns how many it removed", in_order(function()
    local seen = {}
    local future = neap.future()
    local function twice() insert(seen, "twice") end
    local function once() insert(seen, "once") end
    future:add_done_callback(twice)
    future:add_done_callback(once)
    future:add_done_callback(twice)
    assert.are.equal(2, future:remove_done_callback(twice))
    assert.are.equal(0, future:remove_done_callback(twice))
    future:set_result()
    neap.sleep(0)
    assert.are.same({ "once" }, seen)
  end))

  it("A18 a callback that raises is reported and the later ones still run", in_order(
    function(reports)
      local seen, problem = {}, neap.Error "broken"
      local future = neap.future()
      future:add_done_callback(function() insert(seen, "first") end)
      future:add_done_callback(function() error(problem) end)
      future:add_done_callback(function() insert(seen, "last") end)
      future:set_result()
      neap.sleep(0)
      assert.are.same({ "first", "last" }, seen)
      assert.are.equal(1, #reports)
      assert.matches("^Exception in callback", reports[1].message)
      assert.are.equal(problem, reports[1].exception)
      reports[1] = nil

      neap.call_soon(function() error(problem) end)
      neap.call_soon(insert, seen, "soon")
      neap.sleep(0)
      assert.are.same({ "first", "last", "soon" }, seen)
      assert.are.equal(1, #reports)
      assert.matches("^Exception in callback", reports[1].message)
      assert.are.equal(problem, reports[1].exception)
      reports[1] = nil
    end))

  it("A19 call_soon from a callback runs on the next pass", in_order(function()
    local seen = {}
    neap.call_soon(function()
      insert(seen, "outer")
      neap.call_soon(insert, seen, "inner")
      insert(seen, "outer ends")
    end)
    neap.sleep(0)
    insert(seen, "pass 1 ends")
    neap.sleep(0)
    insert(seen, "pass 2 ends")
    assert.are.same({ "outer", "outer ends", "pass 1 ends", "inner", "pass 2 ends" }, seen)
  end))

  it("A20 a due timer runs after what was already queued", in_order(function()
    local seen = {}
    neap.sleep(1)
    neap.call_soon(insert, seen, "soon 1")
    neap.call_at(neap.time(), insert, seen, "timer")
    neap.call_soon(insert, seen, "soon 2")
    neap.sleep(0)
    neap.sleep(0)
    assert.are.same({ "soon 1", "soon 2", "timer" }, seen)
    assert.are.equal(1, neap.time())
  end))

  it("A21 an eager task runs inside create_task up to its first suspension", in_loop(function()
    local seen, inside = {}, nil
    local main = neap.current_task()
    local task = neap.create_task({ eager_start = true }, function(argument)
      inside = neap.current_task()
      insert(seen, argument)
      neap.sleep(0)
      insert(seen, "resumed")
      return "value"
    end, "argument")
    insert(seen, "created")
    assert.are.same({ "argument", "created" }, seen)
    assert.are.equal(task, inside)
    assert.are.equal(main, neap.current_task())
    assert.is_false(task:done())
    assert.are.equal("value", task:await())
    assert.are.same({ "argument", "created", "resumed" }, seen)
  end))

  it("A22 an eager task that does not suspend is done when create_task returns", in_loop(
    function(_, passes)
      local problem = neap.Error "broken"
      local count, task, failed = passes(function()
        return neap.create_task({ eager_start = true }, function(...) return ... end, 1, nil),
          neap.create_task({ eager_start = true }, error, problem)
      end)
      assert.are.equal(0, count)
      assert.is_true(task:done())
      assert.are.same({ n = 2, 1, nil }, table.pack(task:result()))
      assert.is_true(failed:done())
      assert.are.equal(problem, failed:exception())
      assert.are.same({ neap.current_task() }, neap.all_tasks())
    end))

  it("A22 RULE eager tasks nested too deep for the C stack start from the queue", in_loop(
    function()
      local function nest(depth)
        if depth == 0 then
          return 0
        end
        return 1 + neap.create_task({ eager_start = true }, nest, depth - 1):await()
      end
      assert.are.equal(1000, nest(1000))
    end))

  it("A23 a waiter woken after a task was created runs after it", in_order(function()
    local seen = {}
    local future = neap.future()
    local waiter = neap.create_task(function()
      future:await()
      insert(seen, "waiter")
    end)
    neap.sleep(0)
    neap.create_task(insert, seen, "other")
    future:set_result()
    waiter:await()
    assert.are.same({ "other", "waiter" }, seen)
  end))

  it("A24 a task is named Task-N unless it is given a name", in_loop(function()
    local function nothing() end
    local first = neap.create_task(nothing)
    local second = neap.create_task(nothing)
    local named = neap.create_task({ name = "mine" }, nothing)
    local number = tonumber(first:get_name():match("^Task%-(%d+)$"))
    assert.is_number(number)
    assert.are.equal(("Task-%d"):format(number + 1), second:get_name())
    assert.are.equal("mine", named:get_name())
    second:set_name("renamed")
    assert.are.equal("renamed", second:get_name())
    assert.matches("^Task%-%d+$", neap.current_task():get_name())
  end))

  it("A25 all_tasks leaves out the tasks that are done", in_loop(function()
    local function names()
      local list = {}
      for _, task in ipairs(neap.all_tasks()) do
        insert(list, task:get_name())
      end
      table.sort(list)
      return list
    end
    neap.current_task():set_name("main")
    local quick = neap.create_task({ name = "quick" }, neap.sleep, 1)
    local slow = neap.create_task({ name = "slow" }, neap.sleep, 2)
    assert.are.same({ "main", "quick", "slow" }, names())
    quick:await()
    assert.are.same({ "main", "slow" }, names())
    slow:await()
    assert.are.same({ "main" }, names())
  end))

  it("A26 current_task is nil in a callback", in_loop(function()
    local seen = {}
    local function look(where)
      seen[where] = tostring(neap.current_task())
    end
    local future = neap.future()
    future:add_done_callback(function() look("done callback") end)
    future:set_result()
    neap.call_soon(look, "call_soon")
    neap.call_later(1, look, "call_later")
    neap.sleep(2)
    assert.are.same({ ["done callback"] = "nil", call_soon = "nil", call_later = "nil" }, seen)
    assert.is_not_nil(neap.current_task())
  end))
end)
