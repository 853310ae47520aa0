-- neap.suspend and neap.wrap: callback APIs made awaitable.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local expect = require "spec.support.expect"

local label = expect.label

--- A task that calls fn(...), logs how that ended, and has come to its first suspension.
local function watched(log, name, fn, ...)
  local task = neap.create_task(function(...)
    local results = table.pack(pcall(fn, ...))
    if not results[1] then
      results[2] = label(results[2])
    end
    log[#log + 1] = { name, table.unpack(results, 1, results.n) }
  end, ...)
  neap.testing.settle()
  return task
end

--- A starter function that keeps resume and reject in `kept`, and returns `on_cancel`.
local function keep(kept, on_cancel)
  return function(resume, reject)
    kept.resume, kept.reject = resume, reject
    return on_cancel
  end
end

describe("neap.suspend", function()
  it("waits until resume is called, and returns its values", in_loop(function()
    local results = table.pack(neap.suspend(function(resume)
      neap.call_later(2, resume, nil, "b", nil, { "d" }, nil)
    end))
    assert.are.same({ nil, "b", nil, { "d" }, nil, n = 5 }, results)
    assert.are.equal(2, neap.time())
    assert.are.equal(0, select("#", neap.suspend(function(resume)
      neap.call_soon(resume)
    end)))
  end))

  it("raises what reject is given, unchanged", in_loop(function()
    for _, problem in ipairs { { "boom" }, "boom", 42, neap.Error "boom" } do
      local ok, err = pcall(neap.suspend, function(_, reject)
        neap.call_later(1, reject, problem)
      end)
      assert.is_false(ok)
      assert.are.equal(problem, err)
    end
    assert.are.equal(4, neap.time())
  end))

  it("runs the starter at once, in the current task", in_loop(function()
    local log, me = {}, neap.current_task()
    neap.call_soon(function() log[#log + 1] = "callback" end)
    neap.suspend(function(resume)
      log[#log + 1] = neap.current_task() == me
      neap.call_soon(resume)
    end)
    log[#log + 1] = "resumed"
    assert.are.same({ true, "callback", "resumed" }, log)
  end))

  it("may be resumed or rejected at once, by the starter itself", in_loop(function()
    local results = table.pack(neap.suspend(function(resume) resume("a", nil, "c", nil) end))
    assert.are.same({ "a", nil, "c", nil, n = 4 }, results)
    local boom = { "boom" }
    local ok, err = pcall(neap.suspend, function(_, reject) reject(boom) end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal(0, neap.time())
    expect.unharmed()
  end))

  it("does not call on_cancel when it was resumed or rejected", in_loop(function()
    local calls = 0
    local function on_cancel() calls = calls + 1 end
    local kept, log = {}, {}
    assert.are.equal("at once", neap.suspend(function(resume)
      resume("at once")
      return on_cancel
    end))
    local task = watched(log, "a", neap.suspend, keep(kept, on_cancel))
    kept.resume("later")
    task:await()
    task = watched(log, "b", neap.suspend, keep(kept, on_cancel))
    kept.reject("boom")
    task:await()
    assert.are.same({ { "a", true, "later" }, { "b", false, "boom" } }, log)
    assert.are.equal(0, calls)
  end))

  for title, calls in pairs {
    ["resume, resume"] = { "resume", "resume" },
    ["resume, reject"] = { "resume", "reject" },
    ["reject, resume"] = { "reject", "resume" },
    ["reject, reject"] = { "reject", "reject" },
  } do
    it("takes the first of " .. title .. ", at any time", in_loop(function()
      local log, expected = {}, { calls[1] == "resume", "first" }
      watched(log, "at once", neap.suspend, function(resume, reject)
        local by = { resume = resume, reject = reject }
        by[calls[1]]("first")
        by[calls[2]]("second")
      end)
      local kept = {}
      watched(log, "one tick", neap.suspend, keep(kept))
      kept[calls[1]]("first")
      kept[calls[2]]("second")
      neap.sleep(0)
      watched(log, "later", neap.suspend, keep(kept))
      kept[calls[1]]("first")
      neap.sleep(1)
      kept[calls[2]]("second")
      neap.sleep(1)
      for i, each in ipairs { "at once", "one tick", "later" } do
        expected[i + 2] = { each, table.unpack(expected, 1, 2) }
      end
      assert.are.same({ table.unpack(expected, 3) }, log)
    end))
  end

  it("calls that come late do not touch what its task waits for by then", in_loop(function()
    local log, kept = {}, {}
    local task = watched(log, "task", function()
      neap.suspend(keep(kept))
      log[#log + 1] = { neap.sleep(5, "whole sleep"), neap.time() }
      return neap.suspend(function(resume) neap.call_later(5, resume, "own value") end)
    end)
    kept.resume("first")
    neap.sleep(1)
    kept.resume("late")
    kept.reject("late")
    neap.sleep(6)
    kept.resume("late")
    kept.reject("late")
    task:await()
    assert.are.same({ { "whole sleep", 5 }, { "task", true, "own value" } }, log)
    assert.are.equal(10, neap.time())
  end))

  it("calls that come when the task or the run has ended do nothing", function()
    local kept, log = {}, {}
    in_loop(function()
      watched(log, "task", neap.suspend, keep(kept))
      kept.resume("value")
      neap.sleep(1)
      kept.resume("late")
      kept.reject("late")
      neap.sleep(1)
    end)()
    kept.resume("too late")
    kept.reject("too late")
    in_loop(function() neap.sleep(1) end)()
    assert.are.same({ { "task", true, "value" } }, log)
  end)

  it("resume returns before its task runs; tasks wake in order", in_order(function()
    local log, a, b = {}, {}, {}
    watched(log, "a", neap.suspend, keep(a))
    watched(log, "b", neap.suspend, keep(b))
    b.resume()
    a.resume()
    log[#log + 1] = { "resume returned" }
    neap.sleep(0)
    assert.are.same({ { "resume returned" }, { "b", true }, { "a", true } }, log)
  end))

  it("may be resumed by a task, a done callback and a coroutine", in_loop(function()
    local log, kept = {}, { {}, {}, {} }
    for i = 1, 3 do
      watched(log, i, neap.suspend, keep(kept[i]))
    end
    local task = neap.create_task(function()
      neap.sleep(1)
      kept[1].resume("task")
    end)
    task:add_done_callback(function() kept[2].resume("done callback") end)
    neap.sleep(2)
    coroutine.wrap(function() kept[3].resume("coroutine") end)()
    neap.sleep(0)
    assert.are.same({
      { 1, true, "task" }, { 2, true, "done callback" }, { 3, true, "coroutine" },
    }, log)
  end))

  it("works in a coroutine of the task and in a <close> handler", in_loop(function()
    local function wait(value)
      return neap.suspend(function(resume) neap.call_later(1, resume, value) end)
    end
    local log = { coroutine.wrap(wait)("coroutine") }
    do
      local _ <close> = setmetatable({}, { __close = function() log[2] = wait("close") end })
    end
    assert.are.same({ "coroutine", "close" }, log)
    assert.are.equal(2, neap.time())
  end))

  it("when cancelled calls on_cancel, once, and raises CancelledError", in_loop(function()
    local calls, kept = {}, {}
    local task = neap.create_task(neap.suspend, keep(kept, function(...)
      calls[#calls + 1] = select("#", ...)
    end))
    neap.sleep(1)
    assert.is_true(task:cancel("enough"))
    assert.is_true(task:cancel("again"))
    local _, err = pcall(task.await, task)
    assert.are.equal("CancelledError: enough", tostring(err))
    assert.is_true(task:cancelled())
    assert.are.equal(1, #calls)
    neap.sleep(1)
    assert.are.equal(1, #calls)
  end))

  it("when cancelled needs no on_cancel", in_loop(function()
    local log, kept = {}, {}
    watched(log, "task", neap.suspend, keep(kept)):cancel()
    neap.sleep(1)
    assert.are.same({ { "task", false, "CancelledError" } }, log)
  end))

  it("when cancelled ignores resume and reject from then on", in_loop(function()
    for _, name in ipairs { "resume", "reject" } do
      local log, kept, from = {}, {}, neap.time()
      local task = watched(log, "task", function()
        local _, err = pcall(neap.suspend, keep(kept))
        log[#log + 1] = { label(err), neap.time() - from }
        return neap.sleep(5, "whole sleep")
      end)
      task:cancel()
      kept[name]("in the same tick")
      neap.sleep(1)
      kept[name]("late")
      task:await()
      assert.are.same({ { "CancelledError", 0 }, { "task", true, "whole sleep" } }, log)
      assert.are.equal(5, neap.time() - from)
    end
  end))

  it("C07 cancel wins over a resume in the same tick", in_loop(function()
    local log, kept = {}, {}
    local task = watched(log, "task", neap.suspend, keep(kept))
    kept.resume("lost")
    assert.is_true(task:cancel())
    neap.sleep(1)
    assert.are.same({ { "task", false, "CancelledError" } }, log)
  end))

  it("when cancelled may be resumed by its own on_cancel, to no effect", in_loop(function()
    local log, kept, calls = {}, {}, 0
    local task = watched(log, "task", neap.suspend, keep(kept, function()
      calls = calls + 1
      kept.resume("from on_cancel")
      kept.reject("from on_cancel")
    end))
    task:cancel()
    neap.sleep(1)
    assert.are.same({ { "task", false, "CancelledError" } }, log)
    assert.are.equal(1, calls)
  end))

  it("in a task cancelled before it starts never runs the starter", in_loop(function()
    local ran = false
    local task = neap.create_task(neap.suspend, function() ran = true end)
    task:cancel()
    pcall(task.await, task)
    assert.is_false(ran)
  end))

  it("an error in on_cancel is reported, and the cancellation goes on", in_loop(
    function(reports)
      local kept, boom, calls = {}, { "boom" }, 0
      local task = neap.create_task(neap.suspend, keep(kept, function()
        calls = calls + 1
        error(boom)
      end))
      neap.sleep(1)
      assert.is_true(task:cancel("enough"))
      local _, err = pcall(task.await, task)
      assert.are.equal("CancelledError: enough", tostring(err))
      assert.is_true(task:cancelled())
      assert.are.same({ 1, 1 }, { calls, #reports })
      local report = table.remove(reports)
      assert.are.equal(boom, report.exception)
      assert.matches("on_cancel", report.message, 1, true)
      expect.unharmed()
    end))

  it("on a timeout calls on_cancel and raises TimeoutError", in_loop(function()
    local calls, kept = 0, {}
    local function on_cancel() calls = calls + 1 end
    local ok, err = pcall(neap.wait_for, neap.suspend, 2, keep(kept, on_cancel))
    assert.are.same({ false, "TimeoutError", 2, 1 }, { ok, label(err), neap.time(), calls })
    kept.resume("late")
    expect.unharmed()
  end))

  it("raises what the starter raises, and ignores calls from then on", in_loop(function()
    for _, problem in ipairs { { "boom" }, "boom", neap.Error "boom" } do
      local kept = {}
      local ok, err = pcall(neap.suspend, function(resume, reject)
        kept.resume, kept.reject = resume, reject
        error(problem, 0)
      end)
      assert.is_false(ok)
      assert.are.equal(problem, err)
      neap.call_later(1, kept.resume, "late")
      neap.call_later(2, kept.reject, "late")
      expect.unharmed()
    end
  end))

  it("may be nested: a starter that suspends", in_loop(function()
    local outer, inner
    outer = neap.suspend(function(resume)
      inner = neap.suspend(function(inner_resume) neap.call_later(1, inner_resume, "inner") end)
      neap.call_later(1, resume, "outer")
    end)
    assert.are.same({ "inner", "outer", 2 }, { inner, outer, neap.time() })
  end))

  it("of what is no function is an argument error", in_loop(function()
    for _, value in ipairs { 42, "f", true, neap.current_task() } do
      assert.matches("#1", expect.misuse_here(function() neap.suspend(value) end), 1, true)
    end
    assert.matches("#1", expect.misuse_here(function() neap.suspend() end), 1, true)
    expect.unharmed()
  end))

  it("outside of a task is an error that says so, and starts nothing", in_loop(function()
    local ran, failures = false, {}
    neap.call_soon(function()
      failures[1] = expect.misuse_here(function()
        neap.suspend(function() ran = true end)
      end):match "task"
    end)
    neap.sleep(1)
    assert.are.same({ "task" }, failures)
    assert.is_false(ran)
  end))
end)

describe("neap.wrap", function()
  --- A callback API: calls back after `delay` with the rest of its arguments.
  local function delayed(delay, ...)
    local arguments = table.pack(...)
    local callback = arguments[arguments.n]
    neap.call_later(delay, callback, table.unpack(arguments, 1, arguments.n - 1))
  end

  it("waits for the callback and returns what comes after the error", in_loop(function()
    local wait = neap.wrap(delayed)
    assert.are.same({ "a", nil, "c", nil, n = 4 }, table.pack(wait(1, nil, "a", nil, "c", nil)))
    assert.are.same({ n = 0 }, table.pack(wait(1, nil)))
    assert.are.same({ n = 0 }, table.pack(wait(1)))
    assert.are.equal(3, neap.time())
  end))

  it("raises the error, unchanged", in_loop(function()
    local wait = neap.wrap(delayed)
    for _, problem in ipairs { { "boom" }, "boom", neap.Error "boom" } do
      local ok, err = pcall(wait, 1, problem, "ignored")
      assert.is_false(ok)
      assert.are.equal(problem, err)
    end
  end))

  it("passes the arguments, nils kept, the callback behind them", in_loop(function()
    local seen
    local wait = neap.wrap(function(...)
      seen = table.pack(...)
      seen[seen.n](nil, "result")
      seen[seen.n] = type(seen[seen.n])
    end)
    assert.are.equal("result", wait())
    assert.are.same({ "function", n = 1 }, seen)
    wait("a", nil, { "c" }, nil)
    assert.are.same({ "a", nil, { "c" }, nil, "function", n = 5 }, seen)
  end))

  it("takes a callback that comes at once, or twice", in_loop(function()
    local late
    local wait = neap.wrap(function(callback)
      late = callback
      callback(nil, "first")
      callback("second")
      callback(nil, "third")
    end)
    assert.are.equal("first", wait())
    assert.are.equal(0, neap.time())
    neap.call_later(1, late, "late")
    expect.unharmed()
  end))

  it("raises what the function itself raises", in_loop(function()
    local boom, late = { "boom" }, nil
    local ok, err = pcall(neap.wrap(function(callback)
      late = callback
      error(boom)
    end))
    assert.is_false(ok)
    assert.are.equal(boom, err)
    neap.call_later(1, late, nil, "late")
    expect.unharmed()
  end))

  it("does not care what the function returns, a request object say", in_loop(function()
    for _, value in ipairs { 42, "request", true, {}, io.stdout } do
      local log = {}
      local wait = neap.wrap(function(callback)
        neap.call_later(1, callback, nil, "result")
        return value
      end)
      assert.are.equal("result", wait())
      watched(log, "cancelled", wait):cancel()
      neap.sleep(2)
      assert.are.same({ { "cancelled", false, "CancelledError" } }, log)
    end
  end))

  it("can be cancelled; a callback that comes later is ignored", in_loop(function()
    local log, wait = {}, neap.wrap(delayed)
    local task = watched(log, "task", function()
      local _, err = pcall(wait, 2, "late error")
      log[#log + 1] = { label(err), neap.time() }
      return neap.sleep(5, "whole sleep")
    end)
    neap.sleep(1)
    task:cancel()
    task:await()
    assert.are.same({ { "CancelledError", 1 }, { "task", true, "whole sleep" } }, log)
    assert.are.equal(6, neap.time())
  end))

  it("makes a function for many calls at a time", in_loop(function()
    local wait = neap.wrap(delayed)
    assert.are.same({ "a", "b", "c" }, {
      neap.gather(
        function() return wait(3, nil, "a") end,
        function() return wait(1, nil, "b") end,
        function() return wait(2, nil, "c") end
      ),
    })
    assert.are.equal(3, neap.time())
  end))

  it("of what is no function is an argument error", in_loop(function()
    for _, value in ipairs { 42, "f", true } do
      assert.matches("#1", expect.misuse_here(function() neap.wrap(value) end), 1, true)
    end
    assert.matches("#1", expect.misuse_here(function() neap.wrap() end), 1, true)
  end))

  it("makes a function that outside of a task is an error, and calls nothing #plain", function()
    local ran = false
    local wait = neap.wrap(function() ran = true end)
    local ok, err = pcall(wait)
    assert.is_false(ok)
    assert.matches("task", err, 1, true)
    assert.is_false(ran)
  end)
end)
