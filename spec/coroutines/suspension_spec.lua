-- Waits inside coroutines that a task has made.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local expect = require "spec.support.expect"

local label = expect.label

--- Two ways to call fn(...) in a coroutine of its own, from start to end.
local nesting = {
  wrap = function(fn, ...)
    return coroutine.wrap(fn)(...)
  end,
  resume = function(fn, ...)
    local results = table.pack(coroutine.resume(coroutine.create(fn), ...))
    if not results[1] then
      error(results[2], 0)
    end
    return table.unpack(results, 2, results.n)
  end,
}

--- Calls fn(...) inside `depth` coroutines, one inside the other.
local function nest(how, depth, fn, ...)
  if depth == 0 then
    return fn(...)
  end
  return nesting[how](nest, how, depth - 1, fn, ...)
end

describe("a suspension inside coroutines of the task", function()
  for how in pairs(nesting) do
    for depth = 1, 3 do
      local where = (" coroutine.%s, %d deep"):format(how, depth)

      it("passes through" .. where, in_loop(function()
        local results = table.pack(nest(how, depth, function(...)
          local first = table.pack(neap.sleep(1, ...))
          return neap.sleep(2, first.n, table.unpack(first, 1, first.n))
        end, "a", nil, "c", nil))
        assert.are.same({ 4, "a", nil, "c", nil, n = 5 }, results)
        assert.are.equal(3, neap.time())
      end))

      it("lets other tasks run meanwhile," .. where, in_loop(function()
        local log = {}
        local function steps(name, delay)
          return neap.create_task(nest, how, depth, function()
            for step = 1, 3 do
              neap.sleep(delay)
              log[#log + 1] = { name, step, neap.time() }
            end
          end)
        end
        local slow, fast = steps("slow", 2), steps("fast", 1.5)
        slow:await()
        fast:await()
        assert.are.same({
          { "fast", 1, 1.5 },
          { "slow", 1, 2 },
          { "fast", 2, 3 },
          { "slow", 2, 4 },
          { "fast", 3, 4.5 },
          { "slow", 3, 6 },
        }, log)
      end))

      it("raises errors to whoever resumed," .. where, in_loop(function()
        local boom = { "boom" }
        local ok, err = pcall(nest, how, depth, function()
          neap.sleep(1)
          error(boom)
        end)
        assert.is_false(ok)
        assert.are.equal(boom, err)
        assert.are.equal(1, neap.time())
        assert.are.equal("slept", neap.sleep(1, "slept"))
      end))

      it("raises the error of an awaited task," .. where, in_loop(function()
        local boom = { "boom" }
        local other = neap.create_task(function()
          neap.sleep(1)
          error(boom)
        end)
        local ok, err = pcall(nest, how, depth, function() return other:await() end)
        assert.is_false(ok)
        assert.are.equal(boom, err)
      end))

      it("is cancelled where it is," .. where, in_loop(function()
        local log = {}
        local task = neap.create_task(function()
          local ok, err = pcall(nest, how, depth, function()
            local _, inner = pcall(neap.sleep, 100)
            log[#log + 1] = { "inside", label(inner), inner.message, neap.time() }
            error(inner, 0)
          end)
          log[#log + 1] = { "outside", ok, label(err), neap.time() }
          error(err, 0)
        end)
        neap.sleep(1)
        task:cancel("stop")
        pcall(task.await, task)
        assert.are.same({
          { "inside", "CancelledError", "stop", 1 },
          { "outside", false, "CancelledError", 1 },
        }, log)
        assert.is_true(task:cancelled())
      end))

      it("may catch its cancellation and go on," .. where, in_loop(function()
        local task = neap.create_task(nest, how, depth, function()
          pcall(neap.sleep, 100)
          return neap.sleep(2, "went on")
        end)
        neap.sleep(1)
        task:cancel()
        assert.are.equal("went on", task:await())
        assert.are.equal(3, neap.time())
      end))

      it("belongs to the task," .. where, in_loop(function()
        local me = neap.current_task()
        local before, after = nest(how, depth, function()
          local before = neap.current_task()
          neap.sleep(1)
          return before, neap.current_task()
        end)
        assert.are.equal(me, before)
        assert.are.equal(me, after)
      end))

      it("is within reach of a timeout," .. where, in_loop(function()
        local ok, err = pcall(neap.timeout, 1, nest, how, depth, neap.sleep, 100)
        assert.are.same({ false, "TimeoutError", 1 }, { ok, label(err), neap.time() })
        local inside = nest(how, depth, neap.move_on_after, 1, neap.sleep, 100)
        assert.are.same({ false, 2 }, { inside, neap.time() })
      end))
    end
  end

  it("passes through wrap and resume in turn", in_loop(function()
    local value = nest("wrap", 1, nest, "resume", 1, nest, "wrap", 1, function()
      return neap.sleep(1, "through")
    end)
    assert.are.equal("through", value)
    assert.are.equal(1, neap.time())
  end))

  it("passes through many levels", in_loop(function()
    assert.are.equal("through", nest("wrap", 50, neap.sleep, 1, "through"))
    assert.are.equal("through", nest("resume", 50, neap.sleep, 1, "through"))
    assert.are.equal(2, neap.time())
  end))

  it("of sleep(0) takes its turn like any other", in_order(function()
    local log = {}
    local function steps(name)
      return function()
        for step = 1, 2 do
          log[#log + 1] = name .. step
          neap.sleep(0)
        end
      end
    end
    local nested = neap.create_task(nest, "wrap", 2, steps "nested")
    local plain = neap.create_task(steps "plain")
    nested:await()
    plain:await()
    assert.are.same({ "nested1", "plain1", "nested2", "plain2" }, log)
  end))

  it("by resume leaves the coroutine's states as Lua has them", in_loop(function()
    local log = {}
    local co
    co = coroutine.create(function()
      log[#log + 1] = coroutine.status(co)
      neap.sleep(1)
      log[#log + 1] = coroutine.status(co)
      log[#log + 1] = coroutine.running() == co
      coroutine.yield()
    end)
    assert.is_true(coroutine.resume(co))
    log[#log + 1] = coroutine.status(co)
    assert.is_true(coroutine.resume(co))
    log[#log + 1] = coroutine.status(co)
    assert.are.same({ "running", "running", true, "suspended", "dead" }, log)
    assert.are.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
  end))

  it("by resume reports an error as false and the error", in_loop(function()
    local boom = { "boom" }
    local co = coroutine.create(function()
      neap.sleep(1)
      error(boom)
    end)
    local ok, err = coroutine.resume(co)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.equal("dead", coroutine.status(co))
  end))

  it("by resume reports a cancellation as false and the error", in_loop(function()
    local log = {}
    local task = neap.create_task(function()
      local ok, err = coroutine.resume(coroutine.create(neap.sleep), 100)
      log[#log + 1] = { ok, label(err) }
      return neap.sleep(1, "went on")
    end)
    neap.sleep(1)
    task:cancel()
    assert.are.equal("went on", task:await())
    assert.are.same({ { false, "CancelledError" } }, log)
  end))
end)
