-- What bad input gets: a clear error, raised at once, that leaves the task and the loop whole.
local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"
local expect = require "spec.support.expect"

local on_close = require("spec.support.bodies").on_close

local function nothing() end

--- Asserts that fn raises a plain Lua error, with a position in this file, that mentions all
-- the words (in any case).
local function assert_misuse(fn, ...)
  local ok, err = pcall(fn)
  assert.is_false(ok)
  assert.are.equal("string", type(err))
  assert.matches("misuse_spec%.lua:%d+: ", err)
  for _, word in ipairs { ... } do
    assert.matches(word, err:lower(), 1, true)
  end
end

describe("an argument of the wrong type", function()
  -- Title, what is called, and words that its error must contain.
  local calls = {
    { "create_task(nil)", function() neap.create_task(nil) end, "function" },
    { "create_task()", function() neap.create_task() end, "function" },
    { "create_task(42)", function() neap.create_task(42) end, "function" },
    { "create_task('f')", function() neap.create_task "f" end, "function" },
    { "create_task({})", function() neap.create_task({}) end, "function" },
    { "create_task({}, 42)", function() neap.create_task({}, 42) end, "function" },
    { "create_task({name = {}}, f)", function() neap.create_task({ name = {} }, nothing) end },
    { "await(42)", function() neap.await(42) end, "number" },
    { "await(nil)", function() neap.await(nil) end, "nil" },
    { "await()", function() neap.await() end },
    { "await('x')", function() neap.await "x" end, "string" },
    { "await({})", function() neap.await({}) end, "await" },
    { "await(print)", function() neap.await(print) end, "function" },
    { "sleep()", function() neap.sleep() end, "number" },
    { "sleep(nil)", function() neap.sleep(nil) end, "number" },
    { "sleep({})", function() neap.sleep({}) end, "number", "table" },
    { "sleep('soon')", function() neap.sleep "soon" end, "number" },
    { "wait_for()", function() neap.wait_for() end },
    { "wait_for(42, 1)", function() neap.wait_for(42, 1) end, "number" },
    { "wait_for(nil, 1)", function() neap.wait_for(nil, 1) end },
    { "wait_for({}, 1)", function() neap.wait_for({}, 1) end },
    { "wait_for({}, 0)", function() neap.wait_for({}, 0) end },
    { "wait_for(f, 'soon')", function() neap.wait_for(nothing, "soon") end, "number" },
    { "wait_for(f, {})", function() neap.wait_for(nothing, {}) end, "number" },
    { "timeout('soon')", function() neap.timeout "soon" end, "number" },
    { "timeout({}, f)", function() neap.timeout({}, nothing) end, "number" },
    { "timeout(1, 42)", function() neap.timeout(1, 42) end, "function" },
    { "timeout_at('noon')", function() neap.timeout_at "noon" end, "number" },
    { "move_on_after('soon', f)", function() neap.move_on_after("soon", nothing) end, "number" },
    { "move_on_after(1)", function() neap.move_on_after(1) end, "function" },
    { "move_on_after(1, 42)", function() neap.move_on_after(1, 42) end, "function" },
    { "call_soon()", function() neap.call_soon() end, "function" },
    { "call_soon(42)", function() neap.call_soon(42) end, "function" },
    { "call_later('soon', f)", function() neap.call_later("soon", nothing) end, "number" },
    { "call_later(1, 42)", function() neap.call_later(1, 42) end, "function" },
    { "call_at({}, f)", function() neap.call_at({}, nothing) end, "number" },
    { "call_at(1)", function() neap.call_at(1) end, "function" },
    { "set_exception_handler(42)", function() neap.set_exception_handler(42) end, "function" },
    { "Error:extend()", function() neap.Error:extend() end, "string" },
    { "Error:extend({})", function() neap.Error:extend({}) end, "string" },
  }
  for _, call in ipairs(calls) do
    it("of " .. call[1] .. " is an error that says so", in_loop(function()
      assert_misuse(table.unpack(call, 2))
      expect.unharmed()
    end))
  end

  local method_calls = {
    { "task:cancel(42)", function(task) task:cancel(42) end, "string" },
    { "task:cancel({})", function(task) task:cancel({}) end, "string" },
    { "task:cancel(true)", function(task) task:cancel(true) end, "string" },
    { "task:set_name({})", function(task) task:set_name({}) end, "string" },
    { "task:set_name()", function(task) task:set_name() end, "string" },
    { "task:add_done_callback()", function(task) task:add_done_callback() end, "function" },
    { "task:add_done_callback(42)", function(task) task:add_done_callback(42) end, "function" },
  }
  for _, call in ipairs(method_calls) do
    it("of " .. call[1] .. " is an error that says so", in_loop(function()
      local task = neap.create_task(neap.sleep, 1, "own result")
      neap.sleep(0)
      assert_misuse(function() call[2](task) end, table.unpack(call, 3))
      assert.is_false(task:done())
      assert.are.equal(0, task:cancelling())
      assert.are.equal("own result", task:await())
    end))
  end

  for _, name in ipairs {
    "await",
    "result",
    "exception",
    "done",
    "cancelled",
    "cancel",
    "cancelling",
    "uncancel",
    "add_done_callback",
    "remove_done_callback",
    "get_name",
    "set_name",
    "traceback",
  } do
    it("as the self of task." .. name .. " is an error", in_loop(function()
      local method = neap.current_task()[name]
      for _, self in ipairs { 42, "task", false, {}, print, io.stdout } do
        assert_misuse(function() method(self) end)
      end
      assert_misuse(function() method() end)
      assert_misuse(function() method(nil) end)
      local scope = neap.timeout(nil)
      assert_misuse(function() method(scope) end)
      do
        local _ <close> = scope
      end
      expect.unharmed()
    end))
  end

  it("as the self of a scope's methods is an error", in_loop(function()
    local scope <close> = neap.timeout(5)
    for _, name in ipairs { "reschedule", "when", "expired" } do
      local method = scope[name]
      assert_misuse(function() method(42) end)
      assert_misuse(function() method({}) end)
      assert_misuse(function() method(neap.current_task()) end)
    end
    assert_misuse(function() scope:reschedule("noon") end, "number")
    assert.are.same({ 5, false }, { scope:when(), scope:expired() })
  end))

  it("of a future's methods is an error", in_loop(function()
    local future = neap.future()
    assert_misuse(function() future:cancel(42) end, "string")
    assert_misuse(function() future.set_result(42) end)
    assert_misuse(function() future.set_exception({}, "x") end)
    assert.is_false(future:done())
    expect.unharmed()
  end))

  it("of neap.run is an error, and neap.run works afterwards #plain", function()
    local clock <close> = testing.virtual_clock()
    assert(clock)
    assert_misuse(function() neap.run() end, "function")
    assert_misuse(function() neap.run(42) end, "function")
    assert_misuse(function() neap.run({}) end, "function")
    assert.are.equal("slept", neap.run(neap.sleep, 1, "slept"))
  end)
end)

describe("a NaN", function()
  local nan = 0 / 0
  local calls = {
    ["sleep"] = function() neap.sleep(nan) end,
    ["wait_for with a function"] = function() neap.wait_for(nothing, nan) end,
    ["wait_for with a future"] = function() neap.wait_for(neap.future(), nan) end,
    ["timeout"] = function() neap.timeout(nan) end,
    ["timeout with a function"] = function() neap.timeout(nan, nothing) end,
    ["timeout_at"] = function() neap.timeout_at(nan) end,
    ["move_on_after"] = function() neap.move_on_after(nan, nothing) end,
    ["call_later"] = function() neap.call_later(nan, nothing) end,
    ["call_at"] = function() neap.call_at(nan, nothing) end,
  }
  for name, call in pairs(calls) do
    it("for " .. name .. " is an argument error", in_loop(function()
      assert_misuse(call, "nan")
      expect.unharmed()
    end))
  end

  it("for scope:reschedule is an argument error, the deadline stays", in_loop(function()
    local scope <close> = neap.timeout(5)
    assert_misuse(function() scope:reschedule(nan) end, "nan")
    assert.are.same({ 5, false }, { scope:when(), scope:expired() })
  end))

  it("for wait_for leaves the task it was to wait for alone", in_loop(function()
    local task = neap.create_task(neap.sleep, 1, "own result")
    assert_misuse(function() neap.wait_for(task, nan) end, "nan")
    assert_misuse(function() neap.wait_for(task, "soon") end, "number")
    assert.are.equal("own result", task:await())
  end))
end)

describe("a call outside any task", function()
  local calls = {
    ["sleep"] = function() neap.sleep(1) end,
    ["sleep(0)"] = function() neap.sleep(0) end,
    ["wait_for"] = function() neap.wait_for(nothing, 1) end,
    ["timeout"] = function() neap.timeout(1) end,
    ["timeout with a function"] = function() neap.timeout(1, nothing) end,
    ["timeout_at"] = function() neap.timeout_at(1) end,
    ["move_on_after"] = function() neap.move_on_after(1, nothing) end,
  }
  for name, call in pairs(calls) do
    it("of " .. name .. " is an error, outside a run #plain", function()
      assert_misuse(call, "task")
      local ok, err = pcall(coroutine.wrap(call))
      assert.is_false(ok)
      assert.matches("task", err, 1, true)
    end)

    it("of " .. name .. " is an error, in a callback", in_loop(function(reports)
      local failures = {}
      neap.call_soon(function()
        local ok, err = pcall(call)
        failures[#failures + 1] = { ok, tostring(err):match "task" }
      end)
      neap.call_soon(call)
      neap.sleep(1)
      assert.are.same({ { false, "task" } }, failures)
      assert.are.equal(1, #reports)
      assert.matches("task", table.remove(reports).exception, 1, true)
      expect.unharmed()
    end))
  end

  it("of await is an error, in a callback, and leaves the awaited task alone", in_loop(function()
    local failures = {}
    local task = neap.create_task(neap.sleep, 1, "own result")
    neap.call_soon(function()
      for i, await in ipairs { neap.await, task.await } do
        local ok, err = pcall(function() await(task) end)
        failures[i] = { ok, tostring(err):match "task" }
      end
    end)
    assert.are.equal("own result", task:await())
    assert.are.same({ { false, "task" }, { false, "task" } }, failures)
  end))

  it("of create_task is an error, outside a run #plain", function()
    local ran = false
    assert_misuse(function() neap.create_task(function() ran = true end) end)
    local clock <close> = testing.virtual_clock()
    assert(clock)
    neap.run(neap.sleep, 1)
    assert.is_false(ran)
  end)

  it("of current_task is nil", in_loop(function()
    local seen = { neap.current_task() ~= nil }
    neap.call_soon(function() seen[#seen + 1] = neap.current_task() == nil end)
    neap.sleep(0)
    assert.are.same({ true, true }, seen)
  end))

  it("of current_task is nil, outside a run as well #plain", function()
    assert.is_nil(neap.current_task())
  end)
end)

describe("neap.run", function()
  it("inside a task is an error that says so", in_loop(function()
    local ran = false
    assert_misuse(function() neap.run(function() ran = true end) end, "run")
    assert.is_false(ran)
    expect.unharmed()
  end))

  it("inside a callback is an error that says so", in_loop(function()
    local failures = {}
    neap.call_soon(function()
      local ok, err = pcall(function() neap.run(nothing) end)
      failures[1] = { ok, tostring(err):match "run" }
    end)
    neap.sleep(1)
    assert.are.same({ { false, "run" } }, failures)
    expect.unharmed()
  end))
end)

describe("an await that could never end", function()
  it("of the task itself is an error at once", in_loop(function()
    local me = neap.current_task()
    assert_misuse(function() me:await() end)
    assert_misuse(function() neap.await(me) end)
    assert.is_false((pcall(neap.wait_for, me, 1)))
    assert.are.equal(0, neap.time())
    expect.unharmed()
  end))
end)

describe("a task that has finished", function()
  it("cannot be resumed through its coroutine", in_loop(function()
    local co
    local task = neap.create_task(function()
      co = coroutine.running()
      neap.sleep(1)
      return "own result"
    end)
    task:await()
    local later = neap.create_task(neap.sleep, 1, "undisturbed")
    neap.sleep(0)
    local ok, err = coroutine.resume(co, "again")
    assert.is_false(ok)
    assert.matches("dead", err, 1, true)
    assert.are.equal("dead", coroutine.status(co))
    assert.are.equal("own result", task:result())
    assert.are.equal("undisturbed", later:await())
  end))

  it("cannot be resumed when it failed or was cancelled either", in_loop(function()
    local log = {}
    local bodies = {
      function() error("boom", 0) end,
      function()
        neap.current_task():cancel()
        neap.sleep(1)
      end,
    }
    for i, body in ipairs(bodies) do
      local co
      local task = neap.create_task(function()
        co = coroutine.running()
        body()
      end)
      pcall(task.await, task)
      local ok, err = coroutine.resume(co)
      log[i] = { ok, err:match "dead" }
    end
    assert.are.same({ { false, "dead" }, { false, "dead" } }, log)
    expect.unharmed()
  end))

  it("may have its coroutine closed, to no effect", in_loop(function()
    local co
    local task = neap.create_task(function()
      co = coroutine.running()
      return "own result"
    end)
    task:await()
    coroutine.close(co)
    assert.are.equal("own result", task:await())
    expect.unharmed()
  end))
end)

describe("a task that runs", function()
  it("cannot be resumed or closed by itself", in_loop(function()
    local me = coroutine.running()
    local ok, err = coroutine.resume(me)
    assert.is_false(ok)
    assert.matches("non-suspended", err, 1, true)
    assert.is_false((pcall(coroutine.close, me)))
    expect.unharmed()
  end))

  it("cannot be resumed or closed from a coroutine of its own", in_loop(function()
    local me = coroutine.running()
    local resumed, closed = coroutine.wrap(function()
      return (coroutine.resume(me)), (pcall(coroutine.close, me))
    end)()
    assert.are.same({ false, false }, { resumed, closed })
    expect.unharmed()
  end))
end)

describe("a __close that raises", function()
  it("makes its task fail with that error", in_loop(function()
    local boom = { "boom" }
    local task = neap.create_task(function()
      local _ <close> = on_close(function()
        neap.sleep(1)
        error(boom)
      end)
      return "never seen"
    end)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    expect.unharmed()
  end))

  it("while an error unwinds replaces it", in_loop(function()
    local boom = { "boom" }
    local task = neap.create_task(function()
      local _ <close> = on_close(function() error(boom) end)
      error "the first error"
    end)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.are.equal(boom, err)
  end))

  it("C25 while a cancellation unwinds makes the task fail, not cancelled", in_loop(function()
    local boom = { "boom" }
    local task = neap.create_task(function()
      local _ <close> = on_close(function() error(boom) end)
      neap.sleep(100)
    end)
    neap.sleep(1)
    task:cancel()
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({ true, false }, { task:done(), task:cancelled() })
  end))

  it("in a timeout's block passes, and nothing has expired", in_loop(function()
    local boom = { "boom" }
    local scope = neap.timeout(5)
    local ok, err = pcall(function()
      local _ <close> = scope
      local _ <close> = on_close(function() error(boom) end)
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.is_false(scope:expired())
    expect.unharmed()
  end))

  it("of a variable without a __close is Lua's own error", in_loop(function()
    assert_misuse(function() local _ <close> = {} end, "non-closable")
    expect.unharmed()
  end))
end)

describe("a __gc that raises", function()
  local function litter(count)
    for _ = 1, count do
      setmetatable({}, { __gc = function() error("raised in __gc", 0) end })
    end
  end

  --- Such an error may be reported, but as nothing else than what it is.
  local function take(reports)
    for i = #reports, 1, -1 do
      assert.matches("raised in __gc", tostring(table.remove(reports, i).exception), 1, true)
    end
  end

  it("harms neither the task that runs nor the others", in_loop(function(reports)
    local other = neap.create_task(neap.sleep, 1, "own result")
    neap.sleep(0)
    litter(10)
    collectgarbage()
    assert.are.equal("own result", other:await())
    litter(10)
    neap.sleep(1)
    collectgarbage()
    expect.unharmed()
    take(reports)
  end))

  it("harms no callback", in_loop(function(reports)
    local log = {}
    neap.call_soon(function()
      litter(10)
      collectgarbage()
      log[#log + 1] = "callback"
    end)
    neap.sleep(1)
    assert.are.same({ "callback" }, log)
    expect.unharmed()
    take(reports)
  end))

  it("harms no run that is ending #plain", function()
    local clock <close> = testing.virtual_clock()
    assert(clock)
    neap.set_exception_handler(nothing)
    local value = neap.run(function()
      litter(10)
      return neap.sleep(1, "main")
    end)
    collectgarbage()
    neap.set_exception_handler(nil)
    assert.are.equal("main", value)
  end)
end)
