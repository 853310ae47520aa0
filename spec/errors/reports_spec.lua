-- Errors that nobody retrieved, and what is reported at the end of a run (K01 to K08, R1, M01).
local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"
local bodies = require "spec.support.bodies"

local collect = bodies.collect

--- Runs body(reports) to its end on a virtual clock. Returns the reports, those of the
-- shutdown included, then what pcall made of neap.run.
local function run(body)
  local clock <close> = testing.virtual_clock()
  assert(clock)
  local reports = {}
  neap.set_exception_handler(function(report) reports[#reports + 1] = report end)
  local results = table.pack(pcall(neap.run, body, reports))
  collectgarbage()
  collectgarbage()
  neap.set_exception_handler(nil)
  return reports, table.unpack(results, 1, results.n)
end

--- A task that has already failed with `err`, and that nobody has looked at.
local function failed(err)
  local task = neap.create_task(error, err)
  neap.sleep(0)
  assert.is_true(task:done())
  return task
end

--- Takes the only report out of the list.
local function only(reports)
  assert.are.equal(1, #reports)
  return table.remove(reports)
end

describe("an error that nobody retrieved", function()
  it("K01 is reported when its task is collected", in_loop(function(reports)
    local boom = { "boom" }
    failed(boom)
    collect()
    local report = only(reports)
    assert.are.equal(boom, report.exception)
    assert.matches("Task exception was never retrieved", report.message, 1, true)
  end))

  it("K01 is reported once", in_loop(function(reports)
    failed({ "boom" })
    for _ = 1, 5 do
      collect()
    end
    only(reports)
  end))

  it("K01 is reported for each task", in_loop(function(reports)
    for i = 1, 20 do
      failed(i)
    end
    collect()
    local errors = {}
    for i = #reports, 1, -1 do
      errors[#errors + 1] = table.remove(reports, i).exception
    end
    table.sort(errors)
    local expected = {}
    for i = 1, 20 do
      expected[i] = i
    end
    assert.are.same(expected, errors)
  end))

  it("K01 is reported at the end of the run when its task is still held #plain", function()
    local boom = { "boom" }
    local held
    local reports, ok, before = run(function(reports)
      held = failed(boom)
      return #reports
    end)
    assert.are.same({ true, 0 }, { ok, before })
    local report = only(reports)
    assert.are.equal(boom, report.exception)
    assert.are.equal(held, report.task)
    assert.matches("never retrieved", report.message, 1, true)
  end)

  it("K01 reported at the end of a run is not reported again later #plain", function()
    local boom = { "boom" }
    local held
    only((run(function() held = failed(boom) end)))
    assert.is_true(held:done())
    held = nil
    local reports = run(function() collect() end)
    assert.are.same({}, reports)
    assert.is_nil(held)
  end)

  it("K01 of a task that failed in the last pass of the run is reported #plain", function()
    local boom = { "boom" }
    local reports, ok = run(function()
      neap.create_task(error, boom)
      neap.sleep(0)
    end)
    assert.is_true(ok)
    assert.are.equal(boom, only(reports).exception)
  end)

  for title, look in pairs {
    ["exception()"] = function(task) return task:exception() end,
    ["result()"] = function(task) return pcall(task.result, task) end,
    ["await()"] = function(task) return pcall(task.await, task) end,
    ["neap.await"] = function(task) return pcall(neap.await, task) end,
    ["neap.wait_for"] = function(task) return pcall(neap.wait_for, task, 1) end,
  } do
    it("K02 is not reported once " .. title .. " has seen it #plain", function()
      local reports, ok = run(function()
        look(failed({ "boom" }))
        collect()
      end)
      assert.is_true(ok)
      assert.are.same({}, reports)
    end)
  end

  it("K02 is not reported when an awaiter was waiting for it #plain", function()
    local reports, ok = run(function()
      local inner = neap.create_task(function()
        neap.sleep(1)
        error { "boom" }
      end)
      local outer = neap.create_task(function() pcall(inner.await, inner) end)
      outer:await()
      collect()
    end)
    assert.is_true(ok)
    assert.are.same({}, reports)
  end)

  it("K02 that went on to an awaiter is reported for the awaiter only", in_loop(function(reports)
    local boom = { "boom" }
    local inner = neap.create_task(error, boom)
    neap.create_task({ name = "awaiter" }, function() inner:await() end)
    neap.sleep(1)
    inner = nil
    collect()
    assert.are.equal(boom, only(reports).exception)
    assert.is_nil(inner)
  end))

  it("K03 a cancelled task is not reported #plain", function()
    local reports, ok = run(function()
      neap.create_task(neap.sleep, 100):cancel()
      local started = neap.create_task(neap.sleep, 100)
      neap.sleep(1)
      started:cancel("stop")
      neap.sleep(1)
      started = nil
      collect()
      return started
    end)
    assert.is_true(ok)
    assert.are.same({}, reports)
  end)

  it("K04 a pending task is not collected, and nothing is reported", in_loop(function()
    local log = {}
    neap.create_task(function()
      neap.sleep(5)
      log[#log + 1] = "slept"
      collect()
      log[#log + 1] = "ended"
    end)
    for _ = 1, 10 do
      neap.sleep(1)
      collectgarbage()
    end
    assert.are.same({ "slept", "ended" }, log)
  end))

  it("K04 a task that waits for what nobody else holds is there until the end #plain", function()
    local log = {}
    local reports, ok = run(function()
      neap.create_task(function()
        local _, err = pcall(function() neap.future():await() end)
        log[#log + 1] = err.name
        error(err, 0)
      end)
      neap.sleep(1)
      collect()
      log[#log + 1] = "main ends"
    end)
    assert.is_true(ok)
    assert.are.same({ "main ends", "CancelledError" }, log)
    assert.are.same({}, reports)
  end)

  it("K05 of a future is reported when the future is collected", in_loop(function(reports)
    local boom = { "boom" }
    neap.future():set_exception(boom)
    collect()
    local report = only(reports)
    assert.are.equal(boom, report.exception)
    assert.matches("Future exception was never retrieved", report.message, 1, true)
  end))

  it("K05 of a future is not reported once somebody has seen it #plain", function()
    local reports, ok = run(function()
      local future = neap.future()
      future:set_exception({ "boom" })
      assert.are.same({ "boom" }, future:exception())
      local other = neap.future()
      other:set_exception({ "boom" })
      pcall(other.await, other)
      local cancelled = neap.future()
      cancelled:cancel()
      future, other, cancelled = nil, nil, nil
      collect()
      return future, other, cancelled
    end)
    assert.is_true(ok)
    assert.are.same({}, reports)
  end)

  it("K06 is not reported while somebody holds the task", in_loop(function(reports)
    local boom = { "boom" }
    local task = failed(boom)
    for _ = 1, 5 do
      collect()
    end
    assert.are.same({}, reports)
    assert.are.equal(boom, task:exception())
  end))

  it("K07 RULE is reported even though somebody called cancel() on the failed task",
    in_loop(function(reports)
      local boom = { "boom" }
      assert.is_false(failed(boom):cancel())
      collect()
      assert.are.equal(boom, only(reports).exception)
    end))

  it("K08 is reported even though a done callback was called", in_loop(function(reports)
    local boom = { "boom" }
    local called = 0
    neap.create_task(error, boom):add_done_callback(function() called = called + 1 end)
    neap.sleep(1)
    collect()
    assert.are.equal(1, called)
    assert.are.equal(boom, only(reports).exception)
  end))

  it("K08 is not reported when the done callback looked at it #plain", function()
    local reports, ok = run(function()
      neap.create_task(error, { "boom" }):add_done_callback(function(task) task:exception() end)
      neap.sleep(1)
      collect()
    end)
    assert.is_true(ok)
    assert.are.same({}, reports)
  end)

  it("done(), cancelled(), tostring and traceback do not retrieve it", in_loop(function(reports)
    local boom = { "boom" }
    local function look(task)
      return task:done(), task:cancelled(), tostring(task), task:traceback(), task:get_name()
    end
    look(failed(boom))
    collect()
    assert.are.equal(boom, only(reports).exception)
  end))

  it("of the main task is raised by neap.run, not reported #plain", function()
    local boom = { "boom" }
    local reports, ok, err = run(function()
      neap.sleep(1)
      error(boom)
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({}, reports)
  end)

  it("carries its traceback when it is an error object", in_loop(function(reports)
    local function the_culprit()
      error(neap.Error "boom")
    end
    neap.create_task(function()
      the_culprit()
      return "not a tail call"
    end)
    neap.sleep(0)
    collect()
    assert.matches("the_culprit", only(reports).exception.traceback, 1, true)
  end))
end)

describe("an error in a callback", function()
  it("A18 is reported, and the loop goes on", in_loop(function(reports)
    local log = {}
    local boom = { "boom" }
    neap.call_soon(error, boom)
    neap.call_soon(function() log[#log + 1] = "next callback" end)
    neap.sleep(0)
    assert.are.same({ "next callback" }, log)
    local report = only(reports)
    assert.are.equal(boom, report.exception)
    assert.matches("callback", report.message, 1, true)
  end))

  it("A18 of a timer is reported", in_loop(function(reports)
    local boom = { "boom" }
    neap.call_later(1, error, boom)
    neap.call_at(1, error, boom)
    neap.sleep(2)
    assert.are.equal(2, #reports)
    for i = 2, 1, -1 do
      assert.are.equal(boom, table.remove(reports, i).exception)
    end
  end))

  it("A18 of a task's done callback is reported, later ones still run", in_loop(function(reports)
    local log = {}
    local boom = { "boom" }
    local task = neap.create_task(function() return "fine" end)
    task:add_done_callback(function() error(boom) end)
    task:add_done_callback(function() log[#log + 1] = "second callback" end)
    neap.sleep(1)
    assert.are.equal("fine", task:result())
    assert.are.same({ "second callback" }, log)
    assert.are.equal(boom, only(reports).exception)
  end))
end)

describe("the end of a run", function()
  it("R1 cancels what is left and waits for its cleanup #plain", function()
    local log = {}
    local clock <close> = testing.virtual_clock()
    assert(clock)
    local results = table.pack(neap.run(function()
      neap.create_task(function()
        local _, err = pcall(neap.sleep, 100)
        log[#log + 1] = { err.name, neap.time() }
        neap.sleep(2)
        log[#log + 1] = { "cleaned up", neap.time() }
        error(err, 0)
      end)
      neap.sleep(1)
      return "main", nil
    end))
    assert.are.same({ "main", nil, n = 2 }, results)
    assert.are.same({ { "CancelledError", 1 }, { "cleaned up", 3 } }, log)
  end)

  it("R1 reports an error raised in that cleanup, and still returns #plain", function()
    local boom = { "boom" }
    local left
    local reports, ok, value = run(function()
      left = neap.create_task(function()
        pcall(neap.sleep, 100)
        neap.sleep(1)
        error(boom)
      end)
      neap.sleep(1)
      return "main"
    end)
    assert.are.same({ true, "main" }, { ok, value })
    local report = only(reports)
    assert.are.equal(boom, report.exception)
    assert.are.equal(left, report.task)
    assert.matches("shutdown", report.message, 1, true)
  end)

  it("R1 cancels what is left when main fails, and raises main's error #plain", function()
    local boom = { "boom" }
    local left
    local reports, ok, err = run(function()
      left = neap.create_task(neap.sleep, 100)
      neap.sleep(1)
      error(boom)
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.is_true(left:cancelled())
    assert.are.same({}, reports)
  end)

  it("R1 a task left over has the rest of the pass and one more, as in asyncio #plain", function()
    local ran = {}
    local reports = run(function()
      neap.create_task(function()
        ran[#ran + 1] = "first pass"
        neap.sleep(0)
        ran[#ran + 1] = "second pass"
      end)
    end)
    assert.are.same({ "first pass" }, ran)
    assert.are.same({}, reports)
  end)

  it("R1 a task left over may swallow its cancel and end with a result #plain", function()
    local left
    local reports = run(function()
      left = neap.create_task(function()
        pcall(neap.sleep, 100)
        return "in spite of all"
      end)
      neap.sleep(1)
    end)
    assert.are.equal("in spite of all", left:result())
    assert.are.same({}, reports)
  end)

  it("R1 afterwards neap.run may be called again #plain", function()
    for round = 1, 3 do
      local reports, ok, value, time = run(function()
        neap.create_task(neap.sleep, 100)
        return neap.sleep(round, "round"), neap.time()
      end)
      assert.are.same({ true, "round", round }, { ok, value, time })
      assert.are.same({}, reports)
    end
  end)
end)

describe("neap.run inside neap.run", function()
  it("M01 is refused in a task, which goes on", in_loop(function()
    local ran = false
    local ok, err = pcall(function()
      neap.run(function() ran = true end)
    end)
    assert.is_false(ok)
    assert.are.equal("string", type(err))
    assert.matches("run", err, 1, true)
    assert.is_false(ran)
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("M01 is refused in a callback", in_loop(function()
    local log = {}
    neap.call_soon(function()
      local ok, err = pcall(neap.run, function() end)
      log[#log + 1] = { ok, type(err) }
    end)
    neap.sleep(1)
    assert.are.same({ { false, "string" } }, log)
  end))

  it("M01 is refused in a coroutine of a task", in_loop(function()
    local ok, err = pcall(coroutine.wrap(function()
      neap.run(function() end)
    end))
    assert.are.same({ false, "string" }, { ok, type(err) })
  end))
end)
