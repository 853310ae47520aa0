-- neap.context_var: values that belong to a task and what it starts (A27).
local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"

--- The text of the error that fn raises.
local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

--- What the variable is, or "unset".
local function read(var)
  return var:get("unset")
end

describe("a context variable", function()
  it("without a value and a default raises, naming itself", in_loop(function()
    local var = neap.context_var "request"
    assert.matches("request", raised(var.get, var), 1, true)
    var:set("value")
    assert.are.equal("value", var:get())
  end))

  it("gives its default until it is set", in_loop(function()
    local var = neap.context_var("v", "default")
    assert.are.equal("default", var:get())
    var:set("value")
    assert.are.equal("value", var:get())
  end))

  it("prefers the default of the call to its own, a value to both", in_loop(function()
    local bare, var = neap.context_var "bare", neap.context_var("v", "own")
    assert.are.same({ "call's", "call's" }, { bare:get("call's"), var:get("call's") })
    assert.are.same({ false, false }, { bare:get(false), var:get(false) })
    bare:set("value")
    var:set("value")
    assert.are.same({ "value", "value" }, { bare:get("call's"), var:get("call's") })
  end))

  it("may be false, as a value and as a default", in_loop(function()
    local var = neap.context_var("v", false)
    assert.is_false(var:get())
    var:set(true)
    assert.is_true(var:get())
    var:set(false)
    assert.is_false(var:get("call's"))
  end))

  it("keeps the very object", in_loop(function()
    local default, value = {}, {}
    local var = neap.context_var("v", default)
    assert.are.equal(default, var:get())
    var:set(value)
    assert.are.equal(value, var:get())
  end))

  it("is another one than one of the same name", in_loop(function()
    local a, b = neap.context_var "v", neap.context_var "v"
    a:set("a")
    assert.are.same({ "a", "unset" }, { read(a), read(b) })
    b:set("b")
    assert.are.same({ "a", "b" }, { read(a), read(b) })
  end))

  it("keeps its value while the task waits and others set theirs", in_loop(function()
    local var, log = neap.context_var "v", {}
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = neap.create_task(function()
        var:set(i)
        for _ = 1, 3 do
          neap.sleep(i)
          log[#log + 1] = var:get() == i
        end
      end)
    end
    for _, task in ipairs(tasks) do
      task:await()
    end
    assert.are.same({ true, true, true, true, true, true, true, true, true }, log)
    assert.are.equal("unset", read(var))
  end))

  it("is shared by the coroutines of a task", in_loop(function()
    local var, seen = neap.context_var "v", {}
    var:set("before")
    local resume = coroutine.wrap(function()
      seen[1] = read(var)
      var:set("inside")
      neap.sleep(1)
      coroutine.yield()
      seen[3] = read(var)
    end)
    resume()
    seen[2] = read(var)
    var:set("after")
    resume()
    assert.are.same({ "before", "inside", "after" }, seen)
  end))

  it("needs a string for its name", in_loop(function()
    for _, name in ipairs { {}, true, print } do
      local message = raised(function() neap.context_var(name) end)
      assert.matches("context_spec%.lua:%d+: bad argument #1", message)
    end
    assert.matches("#1", raised(function() neap.context_var() end), 1, true)
  end))

  it("has methods that take only a variable", in_loop(function()
    local var = neap.context_var("v", "default")
    for _, name in ipairs { "get", "set", "reset" } do
      for _, self in ipairs { 42, {}, neap.current_task(), io.stdout } do
        local message = raised(function() var[name](self, "value") end)
        assert.matches("context_spec%.lua:%d+: ", message)
      end
    end
    assert.are.equal("default", var:get())
  end))
end)

describe("a token", function()
  it("puts the value back that set replaced", in_loop(function()
    local var = neap.context_var "v"
    local seen = {}
    local first = var:set("first")
    local second = var:set("second")
    seen[1] = read(var)
    var:reset(second)
    seen[2] = read(var)
    var:reset(first)
    seen[3] = read(var)
    assert.are.same({ "second", "first", "unset" }, seen)
    raised(var.get, var)
  end))

  it("puts the default back", in_loop(function()
    local var = neap.context_var("v", "default")
    var:reset(var:set("value"))
    assert.are.equal("default", var:get())
  end))

  it("puts back what was there at its set, out of order too", in_loop(function()
    local var = neap.context_var "v"
    local first = var:set("first")
    local second = var:set("second")
    var:reset(first)
    assert.are.equal("unset", read(var))
    var:reset(second)
    assert.are.equal("first", read(var))
  end))

  it("puts false back", in_loop(function()
    local var = neap.context_var("v", "default")
    var:set(false)
    var:reset(var:set(true))
    assert.is_false(var:get())
  end))

  it("works after a wait", in_loop(function()
    local var = neap.context_var("v", "default")
    local token = var:set("value")
    neap.sleep(1)
    var:reset(token)
    assert.are.equal("default", var:get())
  end))

  it("is good for one reset: the second is an error", in_loop(function()
    local var = neap.context_var("v", "default")
    local token = var:set("value")
    var:reset(token)
    var:set("other")
    assert.matches("context_spec%.lua:%d+: ", raised(function() var:reset(token) end))
    assert.are.equal("other", var:get())
  end))

  it("of another variable is an error, and still good for its own", in_loop(function()
    local a, b = neap.context_var("a", "default a"), neap.context_var("b", "default b")
    local token = a:set("a")
    b:set("b")
    assert.matches("context_spec%.lua:%d+: ", raised(function() b:reset(token) end))
    assert.are.same({ "a", "b" }, { a:get(), b:get() })
    a:reset(token)
    assert.are.equal("default a", a:get())
  end))

  it("of another task is an error, as in Python, and changes nothing", in_loop(function()
    local var = neap.context_var("v", "default")
    local token = var:set("value")
    local seen = {}
    neap.create_task(function()
      var:set("own")
      seen[1] = raised(var.reset, var, token) ~= ""
      seen[2] = var:get()
    end):await()
    assert.are.same({ true, "own" }, seen)
    var:reset(token)
    assert.are.equal("default", var:get())
  end))

  it("is nothing else: reset takes no other value", in_loop(function()
    local var = neap.context_var("v", "default")
    var:set("value")
    for _, value in ipairs { 42, "value", {}, true, var, neap.current_task(), io.stdout } do
      assert.matches("context_spec%.lua:%d+: ", raised(function() var:reset(value) end))
    end
    raised(function() var:reset() end)
    raised(function() var:reset(nil) end)
    assert.are.equal("value", var:get())
  end))
end)

describe("a context", function()
  it("A27 is copied when a task is created, not when it starts", in_loop(function()
    local var, seen = neap.context_var "v", {}
    var:set("before")
    local task = neap.create_task(function()
      seen[1] = read(var)
      neap.sleep(1)
      seen[2] = read(var)
    end)
    var:set("after")
    task:await()
    assert.are.same({ "before", "before" }, seen)
    assert.are.equal("after", var:get())
  end))

  it("A27 of a task is its own: the creator does not see what it sets", in_loop(function()
    local var, seen = neap.context_var "v", {}
    var:set("creator's")
    local task = neap.create_task(function()
      var:set("task's")
      neap.sleep(1)
      seen[1] = read(var)
    end)
    neap.sleep(0)
    seen[2] = read(var)
    task:await()
    seen[3] = read(var)
    assert.are.same({ "task's", "creator's", "creator's" }, seen)
  end))

  it("A27 is inherited by a task's tasks, through generations", in_loop(function()
    local a, b = neap.context_var "a", neap.context_var "b"
    a:set("main")
    local seen = neap.create_task(function()
      b:set("child")
      return neap.create_task(function()
        a:set("grandchild")
        return neap.create_task(function() return { read(a), read(b) } end):await()
      end):await()
    end):await()
    assert.are.same({ "grandchild", "child" }, seen)
    assert.are.same({ "main", "unset" }, { read(a), read(b) })
  end))

  it("A27 a reset in the task does not touch its creator", in_loop(function()
    local var, seen = neap.context_var "v", {}
    var:set("creator's")
    neap.create_task(function()
      var:reset(var:set("task's"))
      seen[1] = read(var)
    end):await()
    assert.are.same({ "creator's" }, seen)
    assert.are.equal("creator's", read(var))
  end))

  it("A22 of an eager task is its own from the start", in_loop(function()
    local var, seen = neap.context_var "v", {}
    var:set("creator's")
    local task = neap.create_task({ eager_start = true }, function()
      seen[1] = read(var)
      var:set("task's")
      neap.sleep(1)
      seen[3] = read(var)
    end)
    seen[2] = read(var)
    var:set("changed")
    task:await()
    assert.are.same({ "creator's", "creator's", "task's" }, seen)
    assert.are.equal("changed", read(var))
  end))

  it("D24 wait_for and timeout run a function in that of the caller", in_loop(function()
    local var = neap.context_var "v"
    neap.wait_for(function() var:set("wait_for") end, 1)
    assert.are.equal("wait_for", read(var))
    neap.timeout(1, function() var:set("timeout") end)
    assert.are.equal("timeout", read(var))
  end))

  it("gather and task groups give their tasks a copy", in_loop(function()
    local var = neap.context_var "v"
    var:set("caller's")
    local function child()
      local before = read(var)
      var:set("child's")
      neap.sleep(1)
      return before
    end
    assert.are.same({ "caller's", "caller's" }, { neap.gather(child, child) })
    local task
    neap.task_group(function(group)
      var:set("body's")
      task = group:create_task(child)
    end)
    assert.are.equal("body's", task:result())
    assert.are.equal("body's", read(var))
  end))

  it("of a callback is that of whoever scheduled it, at that time", in_loop(function()
    local var, log = neap.context_var "v", {}
    local function callback(name) log[name] = read(var) end
    local future = neap.future()
    neap.call_soon(callback, "unset soon")
    var:set("first")
    neap.call_soon(callback, "soon")
    neap.call_later(1, callback, "later")
    neap.call_at(2, callback, "at")
    future:add_done_callback(function() callback "done callback" end)
    var:set("second")
    neap.create_task(function()
      var:set("task's")
      neap.call_soon(callback, "task's soon")
      future:set_result()
    end)
    neap.sleep(3)
    assert.are.same({
      ["unset soon"] = "unset",
      soon = "first",
      ["task's soon"] = "task's",
      ["done callback"] = "first",
      later = "first",
      at = "first",
    }, log)
    assert.are.equal("second", read(var))
  end))

  it("what a callback sets does not leak, to the task or other callbacks", in_loop(function()
    local var, log = neap.context_var "v", {}
    var:set("task's")
    local function callback(name)
      local before = read(var)
      var:set(name)
      log[name] = { before, read(var) }
    end
    neap.call_soon(callback, "a")
    neap.call_soon(callback, "b")
    neap.call_later(1, callback, "c")
    neap.sleep(2)
    assert.are.same({ a = { "task's", "a" }, b = { "task's", "b" }, c = { "task's", "c" } }, log)
    assert.are.equal("task's", read(var))
  end))

  it("of a callback goes on to what it schedules and creates", in_loop(function()
    local var, log = neap.context_var "v", {}
    local function callback(name) log[name] = read(var) end
    var:set("task's")
    neap.call_soon(function()
      var:set("callback's")
      neap.call_soon(callback, "callback")
      neap.create_task(callback, "task")
    end)
    neap.sleep(1)
    assert.are.same({ callback = "callback's", task = "callback's" }, log)
  end))

  it("of a callback that raises does not leak either", in_loop(function(reports)
    local var = neap.context_var "v"
    var:set("task's")
    neap.call_soon(function()
      var:set("callback's")
      error { "boom" }
    end)
    neap.sleep(1)
    assert.are.equal("task's", read(var))
    assert.are.equal(1, #reports)
    table.remove(reports)
  end))

  it("of a task comes back however it is woken", in_loop(function()
    local var, seen = neap.context_var "v", {}
    local future = neap.future()
    local task = neap.create_task(function()
      var:set("task's")
      future:await()
      seen[1] = read(var)
      neap.suspend(function(resume)
        neap.call_soon(function()
          var:set("callback's")
          resume()
        end)
      end)
      seen[2] = read(var)
      pcall(neap.sleep, 100)
      seen[3] = read(var)
    end)
    neap.sleep(0)
    var:set("main's")
    future:set_result()
    neap.sleep(1)
    task:cancel()
    task:await()
    assert.are.same({ "task's", "task's", "task's" }, seen)
    assert.are.equal("main's", read(var))
  end))

  it("outside of a run is the main one, which the main task gets a copy of #plain", function()
    local var, seen = neap.context_var "v", {}
    local clock <close> = testing.virtual_clock()
    assert(clock)
    local token = var:set("outside")
    neap.run(function()
      seen[1] = read(var)
      var:set("main task's")
      neap.sleep(1)
      seen[2] = read(var)
    end)
    seen[3] = read(var)
    neap.run(function() seen[4] = read(var) end)
    var:reset(token)
    seen[5] = read(var)
    assert.are.same({ "outside", "main task's", "outside", "outside", "unset" }, seen)
  end)

  it("outside of a run is as it was when the run failed", function()
    local var = neap.context_var("v", "default")
    local clock <close> = testing.virtual_clock()
    assert(clock)
    local ok = pcall(neap.run, function()
      var:set("main task's")
      error("boom", 0)
    end)
    assert.is_false(ok)
    assert.are.equal("default", var:get())
  end)

  it("that has ended keeps no value alive", in_loop(function()
    local probe = setmetatable({}, { __mode = "k" })
    local var = neap.context_var "v"
    neap.create_task(function()
      local value = {}
      probe[value] = true
      var:set(value)
      neap.sleep(1)
    end):await()
    neap.sleep(0)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(probe))
  end))
end)
