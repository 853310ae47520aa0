-- neap.pcall and neap.xpcall: like Lua's, but the current task's cancellation goes through.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local expect = require "spec.support.expect"

local label = expect.label

local function keep(err)
  return err
end

--- The two functions in one shape, called as protected(fn, ...).
local variants = {
  ["neap.pcall"] = neap.pcall,
  ["neap.xpcall"] = function(fn, ...)
    return neap.xpcall(fn, keep, ...)
  end,
}

for name, protected in pairs(variants) do
  describe(name, function()
    it("returns true and all results", in_loop(function()
      local results = table.pack(protected(function(...)
        neap.sleep(1)
        return ...
      end, nil, "b", nil))
      assert.are.same({ true, nil, "b", nil, n = 4 }, results)
      assert.are.same({ true, n = 1 }, table.pack(protected(function() end)))
    end))

    it("returns false and the very error", in_loop(function()
      for _, boom in ipairs { { "boom" }, "text", false, neap.Error "object" } do
        local results = table.pack(protected(function()
          neap.sleep(1)
          error(boom, 0)
        end))
        assert.are.same({ 2, false }, { results.n, results[1] })
        assert.is_true(rawequal(boom, results[2]))
      end
    end))

    it("returns false and nil when nil was raised", in_loop(function()
      assert.are.same({ false, nil, n = 2 }, table.pack(protected(error)))
    end))

    it("works outside of any task", function()
      assert.are.same({ true, "a", nil, n = 3 }, table.pack(protected(function(...)
        return ...
      end, "a", nil)))
      local boom = { "boom" }
      local ok, err = protected(error, boom)
      assert.is_false(ok)
      assert.are.equal(boom, err)
    end)

    it("reports a call of what cannot be called", in_loop(function()
      local ok, err = protected(42)
      assert.is_false(ok)
      assert.matches("attempt to call a number value", err, 1, true)
    end))

    it("lets the cancellation of the current task through", in_loop(function()
      local log = {}
      local task = neap.create_task(function()
        log[#log + 1] = { "returned", protected(neap.sleep, 100) }
      end)
      neap.sleep(1)
      task:cancel("stop")
      local ok, err = pcall(task.await, task)
      assert.are.same({ false, "CancelledError", "stop" }, { ok, label(err), err.message })
      assert.are.same({}, log)
      assert.is_true(task:cancelled())
    end))

    it("lets it through every level", in_loop(function()
      local log = {}
      local function nested(depth)
        if depth == 0 then
          return neap.sleep(100)
        end
        protected(nested, depth - 1)
        log[#log + 1] = depth
      end
      local task = neap.create_task(nested, 5)
      neap.sleep(1)
      task:cancel()
      pcall(task.await, task)
      assert.are.same({}, log)
      assert.is_true(task:cancelled())
    end))

    it("cannot be used to retry in spite of a cancel", in_loop(function()
      local attempts = 0
      local task = neap.create_task(function()
        while true do
          attempts = attempts + 1
          if protected(function()
            neap.sleep(1)
            error "try again"
          end) then
            break
          end
        end
      end)
      neap.sleep(3.5)
      task:cancel()
      pcall(task.await, task)
      assert.are.same({ 4, true, 3.5 }, { attempts, task:cancelled(), neap.time() })
    end))

    it("lets a request through that the task made to itself", in_loop(function()
      local log = {}
      local task = neap.create_task(function()
        neap.current_task():cancel("by myself")
        protected(neap.sleep, 100)
        log[#log + 1] = "went on"
      end)
      local _, err = pcall(task.await, task)
      assert.are.same({ "CancelledError", "by myself" }, { label(err), err.message })
      assert.are.same({}, log)
    end))

    it("lets it through when it came by way of the awaited task", in_loop(function()
      local log = {}
      local inner = neap.create_task(neap.sleep, 100)
      local outer = neap.create_task(function()
        log[#log + 1] = { "returned", protected(inner.await, inner) }
      end)
      neap.sleep(1)
      outer:cancel()
      pcall(outer.await, outer)
      assert.are.same({}, log)
      assert.are.same({ true, true }, { inner:cancelled(), outer:cancelled() })
    end))

    it("returns the CancelledError of a task that a third party cancelled", in_loop(function()
      local log = {}
      local inner = neap.create_task(neap.sleep, 100)
      local outer = neap.create_task(function()
        local ok, err = protected(inner.await, inner)
        log[#log + 1] = { ok, label(err), err.message, neap.current_task():cancelling() }
        return neap.sleep(1, "went on")
      end)
      neap.sleep(1)
      inner:cancel("third party")
      assert.are.equal("went on", outer:await())
      assert.are.same({ { false, "CancelledError", "third party", 0 } }, log)
    end))

    it("returns the CancelledError of a future or a task that was cancelled before",
      in_loop(function()
        local future = neap.future()
        future:cancel()
        local task = neap.create_task(neap.sleep, 100)
        task:cancel()
        neap.sleep(1)
        local log = {}
        for i, awaitable in ipairs { future, task } do
          local ok, err = protected(awaitable.await, awaitable)
          log[i] = { ok, label(err) }
        end
        local ok, err = protected(task.result, task)
        log[#log + 1] = { ok, label(err) }
        assert.are.same({
          { false, "CancelledError" },
          { false, "CancelledError" },
          { false, "CancelledError" },
        }, log)
      end))

    it("returns a CancelledError that the function made by hand", in_loop(function()
      local own = neap.CancelledError "by hand"
      local ok, err = protected(error, own)
      assert.is_false(ok)
      assert.are.equal(own, err)
    end))

    it("returns the error that a cancelled function raised in its cleanup", in_loop(function()
      local log = {}
      local boom = { "boom" }
      local task = neap.create_task(function()
        local ok, err = protected(function()
          pcall(neap.sleep, 100)
          error(boom)
        end)
        log[#log + 1] = { ok, err == boom }
        return "went on"
      end)
      neap.sleep(1)
      task:cancel()
      assert.are.equal("went on", task:await())
      assert.are.same({ { false, true } }, log)
    end))

    it("returns what a function returned in spite of a cancel", in_loop(function()
      local task = neap.create_task(function()
        return protected(function()
          pcall(neap.sleep, 100)
          return "kept"
        end)
      end)
      neap.sleep(1)
      task:cancel()
      assert.are.same({ true, "kept", n = 2 }, table.pack(task:await()))
    end))

    it("lets a timeout around it do its work", in_loop(function()
      local log = {}
      local bodies = {
        function(body) return neap.timeout(1, body) end,
        function(body) return neap.wait_for(body, 1) end,
        function(body)
          local scope <close> = neap.timeout(1)
          body(scope)
        end,
      }
      for i, with_timeout in ipairs(bodies) do
        local ok, err = pcall(with_timeout, function()
          protected(neap.sleep, 100)
          log[#log + 1] = "went on"
        end)
        log[#log + 1] = { ok, label(err), neap.time() == i }
      end
      assert.are.same({
        { false, "TimeoutError", true },
        { false, "TimeoutError", true },
        { false, "TimeoutError", true },
      }, log)
    end))

    it("returns the TimeoutError of a timeout inside it", in_loop(function()
      local ok, err = protected(neap.timeout, 1, neap.sleep, 100)
      assert.are.same({ false, "TimeoutError", 1 }, { ok, label(err), neap.time() })
      local moved = table.pack(protected(neap.move_on_after, 1, neap.sleep, 100))
      assert.are.same({ true, false, n = 2 }, moved)
    end))

    it("lets <close> handlers run, and wait, while a cancellation goes through", in_loop(function()
      local log = {}
      local task = neap.create_task(function()
        protected(function()
          local guard <close> = setmetatable({}, {
            __close = function(_, err)
              neap.sleep(2)
              log[#log + 1] = { label(err), neap.time() }
            end,
          })
          neap.sleep(100, guard)
        end)
        log[#log + 1] = "went on"
      end)
      neap.sleep(1)
      task:cancel()
      pcall(task.await, task)
      assert.are.same({ { "CancelledError", 3 } }, log)
    end))

    it("lets a cancellation through out of a coroutine of the task", in_loop(function()
      local log = {}
      local task = neap.create_task(function()
        coroutine.wrap(function()
          protected(neap.sleep, 100)
          log[#log + 1] = "inner went on"
        end)()
        log[#log + 1] = "outer went on"
      end)
      neap.sleep(1)
      task:cancel()
      pcall(task.await, task)
      assert.are.same({}, log)
      assert.is_true(task:cancelled())
    end))
  end)
end

describe("neap.xpcall", function()
  it("returns false and what the handler made of the error", in_loop(function()
    local results = table.pack(neap.xpcall(function(...)
      neap.sleep(1)
      error({ ... }, 0)
    end, function(err)
      return "handled " .. table.concat(err, " ")
    end, "a", "b"))
    assert.are.same({ false, "handled a b", n = 2 }, results)
  end))

  it("calls the handler where the error was raised", in_loop(function()
    local function the_culprit()
      neap.sleep(1)
      error "boom"
    end
    local ok, traceback = neap.xpcall(function()
      the_culprit()
      return "not a tail call"
    end, debug.traceback)
    assert.is_false(ok)
    assert.matches("boom", traceback, 1, true)
    assert.matches("the_culprit", traceback, 1, true)
  end))

  it("does not call the handler when all goes well", in_loop(function()
    local called = false
    local ok, value = neap.xpcall(neap.sleep, function() called = true end, 1, "fine")
    assert.are.same({ true, "fine", false }, { ok, value, called })
  end))

  it("lets the cancellation itself through, not what the handler made of it", in_loop(function()
    local task = neap.create_task(function()
      neap.xpcall(neap.sleep, function() return "made of it" end, 100)
    end)
    neap.sleep(1)
    task:cancel("stop")
    local ok, err = pcall(task.await, task)
    assert.are.same({ false, "CancelledError", "stop" }, { ok, label(err), err.message })
    assert.is_true(task:cancelled())
  end))

  it("without a handler is an argument error", in_loop(function()
    local ok, err = pcall(function() neap.xpcall(print) end)
    assert.is_false(ok)
    assert.matches("xpcall", err, 1, true)
  end))
end)

describe("neap.pcall", function()
  it("without a function is an argument error", in_loop(function()
    local ok, err = pcall(function() neap.pcall() end)
    assert.is_false(ok)
    assert.matches("pcall", err, 1, true)
  end))
end)
