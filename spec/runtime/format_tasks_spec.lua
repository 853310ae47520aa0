-- neap.format_tasks(): the tree of the tasks that are not done.

local neap = require "neap"
local in_loop = require "spec.support.loop"

local FILE = debug.getinfo(1, "S").short_src

local function line_here()
  return debug.getinfo(2, "l").currentline
end

local function wait(awaited)
  local value = awaited:await()
  return value
end
local WAIT = debug.getinfo(wait, "S").linedefined + 1

local function sleep(delay)
  neap.sleep(delay)
  return delay
end
local SLEEP = debug.getinfo(sleep, "S").linedefined + 1

local function named(name, fn, ...)
  return neap.create_task({ name = name }, fn, ...)
end

-- A body whose main task is called "main".
local function in_main(body)
  return in_loop(function(...)
    neap.current_task():set_name "main"
    body(...)
  end)
end

-- A line of the tree.
local function task_line(depth, name, line, doing)
  return ('%s<Task "%s" pending at %s:%d> %s'):format(("  "):rep(depth), name, FILE, line,
    doing)
end

-- The tree is main's line, then `lines`. Call it on one line: main's is the caller's.
local function assert_tree(lines)
  local main = task_line(0, "main", debug.getinfo(2, "l").currentline, "runs")
  local expected = main .. "\n"
  for _, line in ipairs(lines) do
    expected = expected .. line .. "\n"
  end
  return function(text)
    assert.are.equal(expected, text)
  end
end

describe("neap.format_tasks", function()
  it("is empty outside of a run #plain", function()
    assert.are.equal("", neap.format_tasks())
  end)

  it("shows main, which runs", in_main(function()
    assert_tree {} (neap.format_tasks())
  end))

  it("shows where a task will start", in_main(function()
    local defined = line_here() + 1
    named("new", function()
    end)
    assert_tree { task_line(0, "new", defined, "starts") } (neap.format_tasks())
  end))

  it("shows what a task waits in, and how long it has #plain", in_main(function()
    named("sleeps", sleep, 10)
    neap.sleep(1.5)
    named("waits", wait, neap.future())
    neap.sleep(2)
    local lines = {
      task_line(0, "sleeps", SLEEP, "waits in sleep for 3.5 s"),
      task_line(0, "waits", WAIT, "waits in await for 2.0 s"),
      "  <Future pending>",
    }
    assert_tree(lines)(neap.format_tasks())
  end))

  it("shows how long a task has waited on a new clock #plain", function()
    in_loop(function() neap.sleep(1000) end)()
    in_main(function()
      named("waits", wait, neap.future())
      neap.sleep(0)
      neap.sleep(5)
      local lines = {
        task_line(0, "waits", WAIT, "waits in await for 5.0 s"),
        "  <Future pending>",
      }
      assert_tree(lines)(neap.format_tasks())
    end)()
  end)

  it("shows a wait that began when no timer was armed, by the real clock #plain", function()
    local text
    neap.run(function()
      named("waits", wait, neap.future())
      neap.sleep(0)
      text = neap.format_tasks()
    end)
    local seconds = tonumber(text:match "waits in await for (%S+) s")
    -- The machine has been up for longer than this test.
    assert.is_true(seconds < neap.time() / 2, text)
  end)

  it("shows a task that is ready", in_main(function()
    local future = neap.future()
    named("woken", wait, future)
    named("yields", sleep, 0)
    neap.sleep(0)
    future:set_result()
    local lines = {
      task_line(0, "woken", WAIT, "is ready"),
      task_line(0, "yields", SLEEP, "is ready"),
    }
    assert_tree(lines)(neap.format_tasks())
  end))

  it("shows a task that has been cancelled and has yet to learn it", in_main(function()
    local task = named("cancelled", sleep, 10)
    neap.sleep(1)
    task:cancel()
    local lines = { task_line(0, "cancelled", SLEEP, "is ready") }
    assert_tree(lines)(neap.format_tasks())
  end))

  it("shows the awaited below its awaiter #plain", in_main(function()
    local inner = named("inner", wait, neap.future())
    local middle = named("middle", wait, inner)
    named("outer", wait, middle)
    neap.sleep(0)
    local lines = {
      task_line(0, "outer", WAIT, "waits in await for 0.0 s"),
      task_line(1, "middle", WAIT, "waits in await for 0.0 s"),
      task_line(2, "inner", WAIT, "waits in await for 0.0 s"),
      "      <Future pending>",
    }
    assert_tree(lines)(neap.format_tasks())
  end))

  it("shows a task that several await once #plain", in_main(function()
    local shared = named("shared", sleep, 10)
    named("first", wait, shared)
    named("second", wait, shared)
    neap.sleep(0)
    local lines = {
      task_line(0, "first", WAIT, "waits in await for 0.0 s"),
      task_line(1, "shared", SLEEP, "waits in sleep for 0.0 s"),
      task_line(0, "second", WAIT, "waits in await for 0.0 s"),
      ('  <Task "shared" pending at %s:%d> (above)'):format(FILE, SLEEP),
    }
    assert_tree(lines)(neap.format_tasks())
  end))

  it("does not show what is done", in_main(function()
    named("returned", type, 1)
    named("cancelled", sleep, 1):cancel()
    named("failed", error, "broken"):add_done_callback(function(task) task:exception() end)
    neap.sleep(1)
    assert_tree {} (neap.format_tasks())
  end))

  it("shows where a task waits inside a coroutine #plain", in_main(function()
    named("nested", function()
      coroutine.wrap(function()
        coroutine.wrap(sleep)(10)
      end)()
    end)
    neap.sleep(0)
    local lines = { task_line(0, "nested", SLEEP, "waits in sleep for 0.0 s") }
    assert_tree(lines)(neap.format_tasks())
  end))

  it("shows a task that has no Lua code #plain", in_main(function()
    named("C", neap.sleep, 10)
    local starting = '<Task "C" pending at [C]> starts'
    assert_tree { starting } (neap.format_tasks())
    neap.sleep(0)
    local waiting = '<Task "C" pending at [C]> waits in sleep for 0.0 s'
    assert_tree { waiting } (neap.format_tasks())
  end))

  it("shows a default name, and a new one #plain", in_main(function()
    local task = neap.create_task(sleep, 10)
    neap.sleep(0)
    local name = task:get_name()
    assert.matches("^Task%-%d+$", name)
    local line = task_line(0, name, SLEEP, "waits in sleep for 0.0 s")
    assert_tree { line } (neap.format_tasks())
    task:set_name "renamed"
    line = task_line(0, "renamed", SLEEP, "waits in sleep for 0.0 s")
    assert_tree { line } (neap.format_tasks())
  end))

  it("shows no task that runs when a callback asks #plain", in_main(function()
    local text
    neap.call_soon(function() text = neap.format_tasks() end)
    named("new", sleep, 1)
    local slept = line_here() + 1
    neap.sleep(0)
    assert.are.equal(task_line(0, "main", slept, "is ready") .. "\n"
      .. task_line(0, "new", SLEEP - 1, "starts") .. "\n", text)
  end))

  it("shows the task that asks, below those that await it", in_main(function()
    local text, asked
    local inner = named("inner", function()
      neap.sleep(1)
      asked = line_here() + 1
      text = neap.format_tasks()
    end)
    local awaited = line_here() + 1
    inner:await()
    assert.are.equal(task_line(0, "main", awaited, "waits in await for 1.0 s") .. "\n"
      .. task_line(1, "inner", asked, "runs") .. "\n", text)
  end))

  it("shows 200 tasks and counts the others #plain", in_main(function()
    for _ = 1, 249 do
      named("sleeps", sleep, 10)
    end
    neap.sleep(0)
    local lines = {}
    for i = 1, 199 do
      lines[i] = task_line(0, "sleeps", SLEEP, "waits in sleep for 0.0 s")
    end
    lines[200] = "... and 50 more"
    assert_tree(lines)(neap.format_tasks())
  end))

  it("shows a long chain, indented up to 16 levels #plain", in_main(function()
    local task = neap.future()
    for i = 150, 1, -1 do
      task = named("t" .. i, wait, task)
    end
    neap.sleep(0)
    local lines = {}
    for i = 1, 150 do
      lines[i] = task_line(math.min(i - 1, 16), "t" .. i, WAIT, "waits in await for 0.0 s")
    end
    lines[151] = ("  "):rep(16) .. "<Future pending>"
    assert_tree(lines)(neap.format_tasks())
  end))

  -- Task i awaits task targets[i], which is older, or sleeps.
  local function random_targets(seed, n)
    local state, targets = seed, {}
    for i = 2, n do
      state = state * 6364136223846793005 + 1442695040888963407
      local target = (state >> 33) % (i + i // 2)
      targets[i] = target > 0 and target < i and target or nil
    end
    return targets
  end

  -- The tree that `targets` stand for, as "depth name" and "depth name (above)".
  local function model(targets, n)
    local awaited, shown, lines = {}, {}, {}

    local function add(task, depth)
      lines[#lines + 1] = ("%d t%d%s"):format(depth, task, shown[task] and " (above)" or "")
      local target = not shown[task] and targets[task]
      shown[task] = true
      if target then
        add(target, depth + 1)
      end
    end

    for _, target in pairs(targets) do
      awaited[target] = true
    end
    for i = 1, n do
      if not awaited[i] then
        add(i, 0)
      end
    end
    return lines
  end

  for seed = 1, 10 do
    it("#plain shows each task once, below who awaits it, forest " .. seed, in_main(function()
      local n, targets, tasks = 100, random_targets(seed, 100), {}
      for i = 1, n do
        if targets[i] then
          tasks[i] = named("t" .. i, wait, tasks[targets[i]])
        else
          tasks[i] = named("t" .. i, sleep, 10)
        end
      end
      neap.sleep(0)
      local lines = {}
      for line in neap.format_tasks():gmatch "[^\n]+" do
        local indent, name = line:match '^( *)<Task "(%w+)" pending at '
        local above = line:match " %(above%)$" or ""
        lines[#lines + 1] = ("%d %s%s"):format(#indent / 2, name, above)
      end
      assert.are.equal("0 main", table.remove(lines, 1))
      assert.are.same(model(targets, n), lines)
    end))
  end
end)

describe("tostring", function()
  it("of a task has its state #plain", in_main(function()
    local returned = named("r", function() return 1 end)
    local failed = named("f", error, neap.Error "broken")
    local failed_with_text = named("t", error, "text")
    local failed_with_table = named("o", error, {})
    local cancelled = named("c", sleep, 1)
    local pending = named("p", sleep, 10)
    assert.are.equal(('<Task "p" pending at %s:%d>'):format(FILE, SLEEP - 1),
      tostring(pending))
    cancelled:cancel()
    neap.sleep(0)
    assert.are.equal('<Task "r" finished>', tostring(returned))
    assert.are.equal('<Task "f" failed: Error: broken>', tostring(failed))
    assert.are.equal('<Task "t" failed: text>', tostring(failed_with_text))
    assert.are.equal('<Task "o" failed: (error object is a table value)>',
      tostring(failed_with_table))
    assert.are.equal('<Task "c" cancelled>', tostring(cancelled))
    assert.are.equal(('<Task "p" pending at %s:%d>'):format(FILE, SLEEP), tostring(pending))
    for _, task in ipairs { failed, failed_with_text, failed_with_table } do
      assert.is_not_nil(task:exception())
    end
  end))

  it("of a future has its state", in_main(function()
    local future = neap.future()
    assert.are.equal("<Future pending>", tostring(future))
    future:set_result(1)
    assert.are.equal("<Future finished>", tostring(future))
    local failed = neap.future()
    failed:set_exception(neap.TimeoutError "late")
    assert.are.equal("<Future failed: TimeoutError: late>", tostring(failed))
    assert.is_not_nil(failed:exception())
    local cancelled = neap.future()
    cancelled:cancel()
    assert.are.equal("<Future cancelled>", tostring(cancelled))
  end))

  it("of the task that runs has the line", in_main(function()
    local text = ('<Task "main" pending at %s:%d>'):format(FILE, line_here() + 1)
    assert.are.equal(text, tostring(neap.current_task()))
  end))
end)
