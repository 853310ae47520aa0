-- What becomes of what is left when the main task has ended.

local neap = require "neap"
local testing = require "neap.testing"

local insert = table.insert

local function finally(fn)
  return setmetatable({}, { __close = fn })
end

-- Runs main(log) on a virtual clock. Returns { log, reports, time, ok, main's results or
-- error }; a report is { message, exception, task }.
local function run(main)
  local clock <close> = testing.virtual_clock()
  local got = { log = {}, reports = {} }
  neap.set_exception_handler(function(report)
    insert(got.reports, { report.message, report.exception, report.task })
  end)
  local _ <close> = finally(function() neap.set_exception_handler(nil) end)
  local results = table.pack(pcall(neap.run, main, got.log))
  got.time, got.ok = clock:time(), results[1]
  got.results = table.pack(table.unpack(results, 2, results.n))
  assert.are.equal(0, neap.stats().tasks.pending)
  assert.are.equal(0, neap.stats().timers)
  return got
end

-- A body that sleeps until it is cancelled, and notes what ends it.
local function sleeper(log, name)
  local _ <close> = finally(function(_, err)
    insert(log, ("%s: %s at %g"):format(name, tostring(err), neap.time()))
  end)
  neap.sleep(1000)
end

local ABANDONED = "a task ignored its cancellation and was abandoned"

describe("at the end of a run #plain", function()
  it("what is left is cancelled, oldest first", function()
    local expected = {}
    local got = run(function(log)
      for i = 1, 20 do
        neap.create_task(sleeper, log, i)
        expected[i] = i .. ": CancelledError at 3"
      end
      neap.sleep(3)
      return "one", nil, "three"
    end)
    assert.are.same(expected, got.log)
    assert.are.same({ "one", nil, "three", n = 3 }, got.results)
    assert.are.same({ {}, 3, true }, { got.reports, got.time, got.ok })
  end)

  it("the error of main waits for the others' cleanup", function()
    local broken = neap.Error "broken"
    local got = run(function(log)
      neap.create_task(function()
        local _ <close> = finally(function()
          neap.sleep(2)
          insert(log, "cleaned up")
        end)
        neap.sleep(1000)
      end)
      neap.sleep(1)
      error(broken)
    end)
    assert.are.same({ false, { "cleaned up" }, 3, {} },
      { got.ok, got.log, got.time, got.reports })
    assert.are.equal(broken, got.results[1])
  end)

  it("a task that main has just made starts, and is cancelled where it waits", function()
    local got = run(function(log)
      neap.create_task(sleeper, log, "new")
    end)
    assert.are.same({ "new: CancelledError at 0" }, got.log)
  end)

  it("all <close> variables run, the last first, and may wait", function()
    local got = run(function(log)
      local function pending(name, delay)
        return finally(function(_, err)
          neap.sleep(delay)
          insert(log, ("%s: %s at %g"):format(name, tostring(err), neap.time()))
        end)
      end
      neap.create_task(function()
        local _ <close> = pending("first", 1)
        local _ <close> = pending("second", 2)
        coroutine.wrap(function()
          local _ <close> = pending("third", 4)
          neap.sleep(1000)
        end)()
      end)
      neap.sleep(0)
    end)
    assert.are.same({
      "third: CancelledError at 4", "second: CancelledError at 6", "first: CancelledError at 7",
    }, got.log)
    assert.are.same({ 7, {} }, { got.time, got.reports })
  end)

  it("tasks clean up side by side", function()
    local got = run(function(log)
      for i = 5, 1, -1 do
        neap.create_task(function()
          local _ <close> = finally(function()
            neap.sleep(i)
            insert(log, { i, neap.time() })
          end)
          neap.sleep(1000)
        end)
      end
      neap.sleep(0)
    end)
    assert.are.same({ { 1, 1 }, { 2, 2 }, { 3, 3 }, { 4, 4 }, { 5, 5 } }, got.log)
    assert.are.equal(5, got.time)
  end)

  it("a task may wait for another one while it cleans up", function()
    local got = run(function(log)
      local younger
      neap.create_task(function()
        local _ <close> = finally(function()
          pcall(younger.await, younger)
          insert(log, "the older")
        end)
        neap.sleep(1000)
      end)
      younger = neap.create_task(function()
        local _ <close> = finally(function()
          neap.sleep(2)
          insert(log, "the younger")
        end)
        neap.sleep(1000)
      end)
      neap.sleep(0)
    end)
    assert.are.same({ "the younger", "the older" }, got.log)
    assert.are.same({ 2, {} }, { got.time, got.reports })
  end)

  it("tasks that await each other are all cancelled, the awaited first", function()
    local got = run(function(log)
      local task = neap.create_task(sleeper, log, "innermost")
      for _, name in ipairs { "inner", "outer" } do
        local awaited = task
        task = neap.create_task(function()
          local _ <close> = finally(function(_, err) insert(log, name .. ": " .. err.name) end)
          awaited:await()
        end)
      end
      neap.sleep(1)
    end)
    assert.are.same({
      "innermost: CancelledError at 1", "inner: CancelledError", "outer: CancelledError",
    }, got.log)
    assert.are.same({}, got.reports)
  end)

  it("a task that main has cancelled is cancelled once more, in its cleanup", function()
    local got = run(function(log)
      local task = neap.create_task(function()
        insert(log, { pcall(neap.sleep, 1000) })
        insert(log, { pcall(neap.sleep, 5) })
        insert(log, { pcall(neap.sleep, 2) })
      end)
      neap.sleep(0)
      task:cancel "by main"
    end)
    assert.are.same({ "by main", "" }, { got.log[1][2].message, got.log[2][2].message })
    assert.are.same({ false, false, true },
      { got.log[1][1], got.log[2][1], got.log[3][1] })
    assert.are.equal(2, got.time)
  end)

  it("a task that swallows its cancellation and then ends is no error", function()
    local got = run(function(log)
      neap.create_task(function()
        pcall(neap.sleep, 1000)
        neap.sleep(4)
        insert(log, neap.time())
        return "swallowed"
      end)
      neap.sleep(0)
    end)
    assert.are.same({ { 4 }, {}, 4 }, { got.log, got.reports, got.time })
  end)

  it("a future that was awaited is cancelled too", function()
    local future
    local got = run(function(log)
      future = neap.future()
      neap.create_task(function()
        insert(log, tostring(select(2, pcall(future.await, future))))
      end)
      neap.sleep(0)
    end)
    assert.are.same({ "CancelledError" }, got.log)
    assert.is_true(future:cancelled())
  end)
end)

describe("errors at the end of a run #plain", function()
  it("are reported, in the order in which the tasks failed", function()
    local errors, tasks = {}, {}
    local got = run(function()
      for i = 1, 5 do
        errors[i] = { i }
        tasks[i] = neap.create_task(function()
          local _ <close> = finally(function()
            neap.sleep(10 - i)
            error(errors[i])
          end)
          neap.sleep(1000)
        end)
      end
      neap.sleep(0)
      return "fine"
    end)
    local expected = {}
    for i = 5, 1, -1 do
      insert(expected, { "unhandled exception during shutdown", errors[i], tasks[i] })
    end
    assert.are.same({ true, "fine", 9 }, { got.ok, got.results[1], got.time })
    assert.are.same(expected, got.reports)
    for i, report in ipairs(got.reports) do
      assert.are.equal(expected[i][2], report[2])
      assert.are.equal(expected[i][3], report[3])
    end
  end)

  it("are reported beside the error of main", function()
    local first, second = { "main" }, { "leftover" }
    local got = run(function()
      neap.create_task(function()
        local _ <close> = finally(function() error(second) end)
        neap.sleep(1000)
      end)
      neap.sleep(0)
      error(first)
    end)
    assert.is_false(got.ok)
    assert.are.equal(first, got.results[1])
    assert.are.equal(1, #got.reports)
    assert.are.equal(second, got.reports[1][2])
  end)

  it("that somebody has looked at are not reported", function()
    local got = run(function(log)
      local failing = neap.create_task(function()
        local _ <close> = finally(function() error { "seen" } end)
        neap.sleep(1000)
      end)
      neap.create_task(function()
        local ok, err = pcall(failing.await, failing)
        insert(log, { ok, err[1] })
      end)
      neap.sleep(0)
    end)
    assert.are.same({ { { false, "seen" } }, {} }, { got.log, got.reports })
  end)
end)

describe("a task that swallows every cancellation #plain", function()
  it("is abandoned and reported, and the run ends", function()
    local task
    local got = run(function(log)
      task = neap.create_task(function()
        local _ <close> = finally(function() insert(log, "closed") end)
        while true do
          pcall(neap.sleep, 10)
        end
      end)
      neap.sleep(0)
      return "fine"
    end)
    assert.are.same({ { ABANDONED, nil, task } }, got.reports)
    assert.are.same({ true, "fine", { "closed" } }, { got.ok, got.results[1], got.log })
    assert.are.same({ true, true }, { task:done(), task:cancelled() })
  end)

  it("without a deadline, too", function()
    local tasks = {}
    local got = run(function()
      local future = neap.future()
      tasks[1] = neap.create_task(function()
        while true do
          pcall(neap.sleep, math.huge)
        end
      end)
      tasks[2] = neap.create_task(function()
        while true do
          pcall(neap.await, neap.future())
        end
      end)
      neap.sleep(0)
      future:set_result()
    end)
    assert.are.same({ { ABANDONED, nil, tasks[1] }, { ABANDONED, nil, tasks[2] } },
      got.reports)
    assert.is_true(got.ok)
  end)

  it("without ever waiting for time, too", function()
    local task
    local got = run(function()
      task = neap.create_task(function()
        while true do
          pcall(neap.sleep, 0)
        end
      end)
      neap.sleep(0)
    end)
    assert.are.same({ { { ABANDONED, nil, task } }, true }, { got.reports, got.ok })
  end)

  it("does not keep the others from their cleanup", function()
    local got = run(function(log)
      neap.create_task(function()
        while true do
          pcall(neap.sleep, 10)
        end
      end)
      neap.create_task(function()
        local _ <close> = finally(function()
          neap.sleep(20)
          insert(log, neap.time())
        end)
        neap.sleep(1000)
      end)
      neap.sleep(0)
    end)
    assert.are.same({ 20 }, got.log)
    assert.are.equal(1, #got.reports)
  end)

  it("wakes nobody up who awaits it after the run", function()
    local seen = {}
    local task
    run(function()
      task = neap.create_task(function()
        while true do
          pcall(neap.sleep, 10)
        end
      end)
      neap.create_task(function()
        local ok, err = pcall(task.await, task)
        insert(seen, { ok, tostring(err) })
      end)
      neap.sleep(0)
    end)
    run(neap.sleep)
    run(function() neap.sleep(10) end)
    assert.are.equal("CancelledError", tostring(select(2, pcall(task.result, task))))
    assert.are.same({}, seen)
  end)
end)

describe("tasks that are made during the cleanup #plain", function()
  it("run, and are cancelled too", function()
    local tasks = {}
    local got = run(function(log)
      neap.create_task(function()
        local _ <close> = finally(function()
          tasks[1] = neap.create_task(sleeper, log, "made")
          insert(log, "cleanup")
        end)
        neap.sleep(10)
      end)
      neap.sleep(0)
    end)
    assert.are.equal("cleanup", got.log[1])
    assert.matches("^made: CancelledError at ", got.log[2])
    assert.are.equal(2, #got.log)
    assert.is_true(tasks[1]:cancelled())
    assert.are.same({}, got.reports)
  end)

  it("may make further ones, a few generations long", function()
    local got = run(function(log)
      local function generation(n)
        local _ <close> = finally(function(_, err)
          insert(log, n .. ": " .. err.name)
          if n < 5 then
            neap.create_task(generation, n + 1)
          end
        end)
        neap.future():await()
      end
      neap.create_task(generation, 1)
      neap.sleep(0)
    end)
    assert.are.same({
      "1: CancelledError", "2: CancelledError", "3: CancelledError", "4: CancelledError",
      "5: CancelledError",
    }, got.log)
    assert.are.same({ 0, {} }, { got.time, got.reports })
  end)

  it("end the cleanup when they have ended", function()
    local got = run(function(log)
      neap.create_task(function()
        local _ <close> = finally(function()
          local value = neap.create_task(function()
            neap.sleep(3)
            return "flushed"
          end):await()
          insert(log, value)
        end)
        neap.sleep(10)
      end)
      neap.sleep(0)
    end)
    assert.are.same({ { "flushed" }, 3 }, { got.log, got.time })
  end)
end)

describe("after a run #plain", function()
  it("another one works as the first did", function()
    local logs = {}
    for i = 1, 5 do
      logs[i] = run(function(log)
        neap.create_task(sleeper, log, "leftover")
        local task = neap.create_task(function()
          neap.sleep(1)
          return "result"
        end)
        insert(log, task:await())
      end).log
    end
    local expected = { "result", "leftover: CancelledError at 1" }
    assert.are.same({ expected, expected, expected, expected, expected }, logs)
  end)

  it("another one works after an error, a deadlock and an abandoned task", function()
    assert.is_false(run(function() error "broken" end).ok)
    assert.is_false(run(function() neap.future():await() end).ok)
    run(function()
      neap.create_task(function()
        while true do
          pcall(neap.sleep, 10)
        end
      end)
      neap.sleep(0)
    end)
    local got = run(function(log)
      neap.sleep(2)
      insert(log, neap.time())
      return "fine"
    end)
    assert.are.same({ true, "fine", { 2 }, {} },
      { got.ok, got.results[1], got.log, got.reports })
  end)

  it("callbacks that are left over are never called", function()
    local clock <close> = testing.virtual_clock()
    local called, handles = {}, {}
    neap.run(function()
      for i = 1, 100 do
        handles[i] = neap.call_later(i, insert, called, i)
      end
      insert(handles, neap.call_at(5, insert, called, "at"))
      insert(handles, neap.call_later(math.huge, insert, called, "never"))
      neap.sleep(3.5)
    end)
    assert.are.same({ 1, 2, 3 }, called)
    neap.run(neap.sleep, 1000)
    assert.are.same({ 1, 2, 3 }, called)
    assert.are.equal(1003.5, clock:time())
    assert.is_false(handles[3]:cancelled())
    for i = 4, 101 do
      assert.is_true(handles[i]:cancelled(), i)
      handles[i]:cancel()
    end
    neap.run(neap.sleep, 1000)
    assert.are.same({ 1, 2, 3 }, called)
  end)

  it("what main queued last has been called, once, and what that queued never", function()
    local called = {}
    run(function()
      neap.call_soon(function()
        insert(called, "queued by main")
        neap.call_soon(function()
          insert(called, "queued by a callback")
          neap.call_later(1, insert, called, "late")
        end)
        neap.call_later(1, insert, called, "late")
      end)
    end)
    local after = table.concat(called, ", ")
    assert.are.equal(called[1], "queued by main")
    run(function() neap.sleep(100) end)
    assert.are.equal(after, table.concat(called, ", "))
    assert.is_nil(after:find("late", 1, true))
  end)

  it("timers of leftovers wake nothing in the next run", function()
    local clock <close> = testing.virtual_clock()
    local log = {}
    neap.run(function()
      for i = 1, 20 do
        neap.create_task(function()
          neap.sleep(i)
          insert(log, i)
        end)
        neap.create_task(pcall, neap.timeout, i, neap.sleep, 1000)
      end
      neap.sleep(2.5)
    end)
    neap.run(neap.sleep, 100)
    assert.are.same({ 1, 2 }, log)
    assert.are.equal(102.5, clock:time())
  end)

  it("nothing of its leftovers is kept alive", function()
    local weak = setmetatable({}, { __mode = "k" })
    run(function(log)
      for i = 1, 20 do
        local value = { i }
        weak[value] = i
        neap.create_task(function()
          sleeper(log, value[1])
        end)
        neap.call_later(i, type, value)
        local future = neap.future()
        neap.create_task(function()
          local awaited = future:await()
          return awaited, value
        end)
      end
      neap.sleep(0)
    end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)
end)
