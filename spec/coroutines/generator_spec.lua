-- Generators that both sleep and yield.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local bodies = require "spec.support.bodies"
local expect = require "spec.support.expect"

local label = expect.label
local on_close = bodies.on_close

describe("a generator that both sleeps and yields", function()
  it("works in a for loop", in_loop(function()
    local log = {}
    for i, square in coroutine.wrap(function()
      for i = 1, 3 do
        neap.sleep(1)
        coroutine.yield(i, i * i)
      end
    end) do
      log[#log + 1] = { i, square, neap.time() }
    end
    assert.are.same({ { 1, 1, 1 }, { 2, 4, 2 }, { 3, 9, 3 } }, log)
  end))

  it("never hands the scheduler's own values to its consumer", in_loop(function()
    local generator = coroutine.wrap(function()
      neap.sleep(0)
      neap.create_task(neap.sleep, 1):await()
      coroutine.yield()
      neap.sleep(1)
      coroutine.yield("second", nil)
      neap.sleep(1)
    end)
    assert.are.same({ n = 0 }, table.pack(generator()))
    assert.are.same({ "second", nil, n = 2 }, table.pack(generator()))
    assert.are.same({ n = 0 }, table.pack(generator()))
    assert.are.equal(3, neap.time())
  end))

  it("gets the values of its consumer at its yields only", in_loop(function()
    local log = {}
    local function note(...)
      log[#log + 1] = { ... }
    end
    local generator = coroutine.wrap(function(...)
      note("start", ...)
      note("slept", neap.sleep(1, "x"))
      note("yielded", coroutine.yield("first"))
      note("slept", neap.sleep(1, "y"))
      return "last"
    end)
    note("got", generator("a", "b"))
    note("got", generator("c", "d"))
    assert.are.same({
      { "start", "a", "b" },
      { "slept", "x" },
      { "got", "first" },
      { "yielded", "c", "d" },
      { "slept", "y" },
      { "got", "last" },
    }, log)
  end))

  it("may consume another one", in_loop(function()
    local function numbers()
      return coroutine.wrap(function()
        for i = 1, 4 do
          neap.sleep(1)
          coroutine.yield(i)
        end
      end)
    end
    local function even(source)
      return coroutine.wrap(function()
        for i in source do
          neap.sleep(0.5)
          if i % 2 == 0 then
            coroutine.yield(i)
          end
        end
      end)
    end
    local log = {}
    for i in even(numbers()) do
      log[#log + 1] = { i, neap.time() }
    end
    assert.are.same({ { 2, 3 }, { 4, 6 } }, log)
  end))

  it("keeps apart the generators of two tasks", in_loop(function()
    local log = {}
    local function consumer(name, delay)
      return neap.create_task(function()
        for i in coroutine.wrap(function()
          for i = 1, 2 do
            neap.sleep(delay)
            coroutine.yield(i)
          end
        end) do
          log[#log + 1] = { name, i, neap.time() }
        end
      end)
    end
    local a, b = consumer("a", 2), consumer("b", 3)
    a:await()
    b:await()
    assert.are.same({ { "a", 1, 2 }, { "b", 1, 3 }, { "a", 2, 4 }, { "b", 2, 6 } }, log)
  end))

  it("suspends whichever task resumes it", in_loop(function()
    local log = {}
    local generator = coroutine.wrap(function()
      for _ = 1, 2 do
        neap.sleep(1)
        coroutine.yield(neap.current_task():get_name())
      end
    end)
    local function consume()
      log[#log + 1] = { generator(), neap.time() }
    end
    neap.create_task({ name = "first" }, consume):await()
    neap.create_task({ name = "second" }, consume):await()
    assert.are.same({ { "first", 1 }, { "second", 2 } }, log)
  end))

  it("made in a task that has ended goes on in another", in_loop(function()
    local generator = neap.create_task(function()
      return coroutine.wrap(function()
        neap.sleep(1)
        coroutine.yield "one"
        neap.sleep(1)
        return "two"
      end)
    end):await()
    collectgarbage()
    assert.are.same({ "one", "two" }, { generator(), generator() })
    assert.are.equal(2, neap.time())
  end))

  it("may be dropped half way", in_loop(function()
    for i in coroutine.wrap(function()
      for i = 1, 10 do
        neap.sleep(1)
        coroutine.yield(i)
      end
    end) do
      if i == 3 then
        break
      end
    end
    collectgarbage()
    assert.are.equal("slept", neap.sleep(5, "slept"))
    assert.are.equal(8, neap.time())
  end))

  it("may be closed at a yield, its <close> handlers run", in_loop(function()
    local log = {}
    local co = coroutine.create(function()
      local guard <close> = on_close(function(err) log[#log + 1] = { "closed", err } end)
      neap.sleep(1)
      coroutine.yield(guard ~= nil)
    end)
    assert.are.same({ true, true }, { coroutine.resume(co) })
    assert.is_true(coroutine.close(co))
    assert.are.same({ { "closed" } }, log)
    assert.are.equal("dead", coroutine.status(co))
  end))

  it("raises its error in the for loop", in_loop(function()
    local log = {}
    local boom = { "boom" }
    local ok, err = pcall(function()
      for i in coroutine.wrap(function()
        neap.sleep(1)
        coroutine.yield(1)
        neap.sleep(1)
        error(boom)
      end) do
        log[#log + 1] = { i, neap.time() }
      end
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({ { 1, 1 } }, log)
    assert.are.equal(2, neap.time())
  end))

  it("is cancelled with the task that waits in it", in_loop(function()
    local log = {}
    local task = neap.create_task(function()
      for i in coroutine.wrap(function()
        coroutine.yield(1)
        local guard <close> = on_close(function(err)
          neap.sleep(2)
          log[#log + 1] = { "closed", label(err), neap.time() }
        end)
        neap.sleep(100, guard)
        coroutine.yield(2)
      end) do
        log[#log + 1] = i
      end
    end)
    neap.sleep(1)
    task:cancel()
    pcall(task.await, task)
    assert.are.same({ 1, { "closed", "CancelledError", 3 } }, log)
    assert.is_true(task:cancelled())
  end))

  it("runs <close> handlers that sleep while its error unwinds", in_loop(function()
    local log = {}
    local boom = { "boom" }
    local generator = coroutine.wrap(function()
      local outer <close> = on_close(function(err)
        log[#log + 1] = { "outer begins", err == boom, neap.time() }
        neap.sleep(2)
        log[#log + 1] = { "outer ends", neap.time() }
      end)
      local inner <close> = on_close(function(err)
        log[#log + 1] = { "inner begins", err == boom, neap.time() }
        neap.sleep(1)
        log[#log + 1] = { "inner ends", neap.time() }
      end)
      neap.sleep(1, outer, inner)
      error(boom)
    end)
    local ok, err = pcall(generator)
    log[#log + 1] = { "raised", ok, err == boom, neap.time() }
    assert.are.same({
      { "inner begins", true, 1 },
      { "inner ends", 2 },
      { "outer begins", true, 2 },
      { "outer ends", 4 },
      { "raised", false, true, 4 },
    }, log)
  end))

  it("runs such handlers on an error without any suspension before", in_loop(function()
    local log = {}
    local boom = { "boom" }
    local ok, err = pcall(coroutine.wrap(function()
      local guard <close> = on_close(function()
        neap.sleep(2)
        log[#log + 1] = neap.time()
      end)
      error(guard and boom)
    end))
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({ 2 }, log)
  end))

  it("runs such handlers three coroutines deep", in_loop(function()
    local log = {}
    local boom = { "boom" }
    local function level(depth)
      local guard <close> = on_close(function(err)
        neap.sleep(1)
        log[#log + 1] = { depth, err == boom, neap.time() }
      end)
      if depth == 3 then
        error(guard and boom)
      end
      coroutine.wrap(level)(depth + 1)
    end
    local ok, err = pcall(level, 0)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({ { 3, true, 1 }, { 2, true, 2 }, { 1, true, 3 }, { 0, true, 4 } }, log)
  end))

  it("outside any run is a plain Lua generator", function()
    local log = {}
    for i in coroutine.wrap(function()
      for i = 1, 3 do
        coroutine.yield(i)
      end
    end) do
      log[#log + 1] = i
    end
    assert.are.same({ 1, 2, 3 }, log)
    local ok, err = pcall(coroutine.wrap(function() error { "boom" } end))
    assert.are.same({ false, { "boom" } }, { ok, err })
  end)
end)
