-- A main task that nothing can wake gets DeadlockError, which says who waits for what.

local neap = require "neap"
local in_loop = require "spec.support.loop"

local FILE = debug.getinfo(1, "S").short_src
local HEADLINE = "every task waits, and nothing can wake any of them:"

local function line_here()
  return debug.getinfo(2, "l").currentline
end

local function finally(fn)
  return setmetatable({}, { __close = fn })
end

-- The DeadlockError that fn(...) raises. Its message, headline apart, is the list `lines`
-- of { name, line, what the task waits in }, or of text.
local function assert_deadlock(lines, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(neap.is(err, neap.DeadlockError), tostring(err))
  local expected = { HEADLINE }
  for _, line in ipairs(lines) do
    if type(line) == "table" then
      local text = '%s<Task "%s" pending at %s:%d> waits in %s'
      line = text:format(line.indent or "", line[1], FILE, line[2], line[3])
    end
    expected[#expected + 1] = line
  end
  expected[#expected + 1] = ""
  assert.are.equal(table.concat(expected, "\n"), err.message)
  return err
end

local function wait_for_ever(future)
  future = future or neap.future()
  local value = future:await()
  return value
end
local WAIT_LINE = debug.getinfo(wait_for_ever, "S").linedefined + 2

-- A body whose main task is called "main".
local function in_main(body)
  return in_loop(function(...)
    neap.current_task():set_name "main"
    body(...)
  end)
end

describe("a deadlock", function()
  it("of main alone, on a future that nobody sets", in_main(function()
    local err = assert_deadlock({
      { "main", WAIT_LINE, "await for 0.0 s" },
      "  <Future pending>",
    }, wait_for_ever)
    assert.are.equal("DeadlockError", err.name)
    assert.is_false(neap.is(err, neap.CancelledError))
    assert.matches(FILE .. ":", tostring(err), 1, true)
    assert.are.equal(0, neap.current_task():cancelling())
  end))

  it("of main that sleeps without end", in_main(function()
    local line = line_here() + 2
    local function sleep()
      neap.sleep(math.huge)
    end
    assert_deadlock({ { "main", line, "sleep for 0.0 s" } }, sleep)
  end))

  it("of main and the tasks that it awaits #plain", in_main(function()
    local inner = neap.create_task({ name = "inner" }, wait_for_ever)
    local outer = neap.create_task({ name = "outer" }, wait_for_ever, inner)
    neap.sleep(2)
    assert_deadlock({
      { "main", WAIT_LINE, "await for 0.0 s" },
      { "outer", WAIT_LINE, "await for 2.0 s", indent = "  " },
      { "inner", WAIT_LINE, "await for 2.0 s", indent = "    " },
      "      <Future pending>",
    }, wait_for_ever, outer)
    assert.are.same({ false, 0, false, 0 },
      { outer:done(), outer:cancelling(), inner:done(), inner:cancelling() })
  end))

  it("names the tasks that wait in the background #plain", in_main(function()
    local line = line_here() + 2
    local function sleep()
      neap.sleep(math.huge)
    end
    neap.create_task({ name = "one" }, wait_for_ever)
    neap.create_task({ name = "two" }, sleep)
    neap.create_task({ name = "done" }, type, 1)
    assert_deadlock({
      { "main", WAIT_LINE, "await for 0.0 s" },
      "  <Future pending>",
      { "one", WAIT_LINE, "await for 0.0 s" },
      "  <Future pending>",
      { "two", line, "sleep for 0.0 s" },
    }, wait_for_ever)
  end))

  it("reaches a main task that waits inside a coroutine", in_main(function()
    local caught
    local values = coroutine.wrap(function()
      coroutine.yield "first"
      local ok, err = pcall(wait_for_ever)
      caught = { ok, neap.is(err, neap.DeadlockError) }
      coroutine.yield "second"
    end)
    assert.are.same({ "first", "second" }, { values(), values() })
    assert.are.same({ false, true }, caught)
  end))

  it("can be caught, and main goes on", in_main(function()
    local seen = {}
    for i = 1, 3 do
      local ok, err = pcall(wait_for_ever)
      seen[#seen + 1] = { i, ok, neap.is(err, neap.DeadlockError), neap.time() }
      neap.sleep(1)
    end
    assert.are.same({ { 1, false, true, 0 }, { 2, false, true, 1 }, { 3, false, true, 2 } },
      seen)
  end))

  it("leaves the other tasks as they are", in_main(function()
    local future, seen = neap.future(), {}
    local task = neap.create_task(function()
      local _ <close> = finally(function() seen[#seen + 1] = "left" end)
      local value = future:await()
      seen[#seen + 1] = value
      return "result"
    end)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.DeadlockError))
    assert.are.same({}, seen)
    future:set_result "value"
    assert.are.equal("result", task:await())
    assert.are.same({ "value", "left" }, seen)
  end))

  it("lets a future that it left be set later", in_main(function()
    local future = neap.future()
    assert.is_false(pcall(future.await, future))
    assert.is_false(future:done())
    future:set_result "late"
    assert.are.equal("late", future:await())
  end))

  it("unwinds main, whose cleanup may wait", in_main(function()
    local seen = {}
    local ok = pcall(function()
      local _ <close> = finally(function(_, err)
        neap.sleep(3)
        seen[#seen + 1] = { err.name, neap.time() }
      end)
      wait_for_ever()
    end)
    assert.is_false(ok)
    assert.are.same({ { "DeadlockError", 3 } }, seen)
  end))

  it("that main does not catch ends the run, and the rest is cleaned up #plain", function()
    local seen = {}
    local ok, err = pcall(in_loop(function()
      neap.create_task(function()
        local _ <close> = finally(function(_, reason) seen[#seen + 1] = reason.name end)
        wait_for_ever()
      end)
      wait_for_ever()
    end))
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.DeadlockError))
    assert.are.same({ "CancelledError" }, seen)
    assert.are.equal(0, neap.stats().tasks.pending)
  end)
end)

describe("no deadlock", function()
  it("while only tasks in the background wait without end", in_main(function()
    local seen = {}
    local function background()
      local ok, err = pcall(wait_for_ever)
      seen[#seen + 1] = { ok, err.name }
      error(err, 0)
    end
    local task = neap.create_task(background)
    neap.sleep(100)
    assert.is_false(task:done())
    assert.are.same({}, seen)
    task:cancel()
    neap.sleep(0)
    assert.are.same({ { false, "CancelledError" } }, seen)
  end))

  it("while a callback is due that sets the future", in_main(function()
    local future = neap.future()
    neap.call_later(5, future.set_result, future, "value")
    assert.are.equal("value", future:await())
    assert.are.equal(5, neap.time())
  end))

  it("while another task sleeps and then sets the future", in_main(function()
    local future = neap.future()
    neap.create_task(function()
      neap.sleep(7)
      future:set_result "value"
    end)
    assert.are.equal("value", future:await())
    assert.are.equal(7, neap.time())
  end))

  it("until the last timer has fired in vain", in_main(function()
    local task = neap.create_task(function()
      for _ = 1, 50 do
        neap.sleep(2)
      end
    end)
    assert_deadlock({
      { "main", WAIT_LINE, "await for 100.0 s" },
      "  <Future pending>",
    }, wait_for_ever)
    assert.is_true(task:done())
    assert.are.equal(100, neap.time())
  end))

  it("while a timeout limits the wait", in_main(function()
    local ok, err = pcall(neap.timeout, 3, wait_for_ever)
    assert.is_false(ok)
    assert.are.equal("TimeoutError", err.name)
    assert.are.equal(3, neap.time())
  end))

  it("but a cancelled timer holds nothing up", in_main(function()
    neap.call_later(5, print):cancel()
    assert.are.equal("DeadlockError", select(2, pcall(wait_for_ever)).name)
    assert.are.equal(0, neap.time())
  end))

  it("but a timer that never fires holds nothing up", in_main(function()
    local handle = neap.call_later(math.huge, print)
    assert.are.equal(math.huge, handle:when())
    assert.are.equal("DeadlockError", select(2, pcall(wait_for_ever)).name)
    assert.are.equal(0, neap.time())
  end))
end)
