-- Whose a coroutine is: theft, yields and identity.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local expect = require "spec.support.expect"

local label = expect.label
local on_close = require("spec.support.bodies").on_close

describe("a coroutine that waits", function()
  --- Two ways to wait; both return "own result" after that many seconds.
  local waits = {
    ["a sleep"] = { 5, function() return neap.sleep(5, "own result") end },
    ["a sleep(0)"] = { 0, function() return neap.sleep(0, "own result") end },
    ["an await"] = {
      5,
      function()
        return neap.create_task(neap.sleep, 5, "own result"):await()
      end,
    },
  }

  --- Attempts on a coroutine; each returns whether it got through, and the error.
  local thefts = {
    ["coroutine.resume"] = function(co)
      local called, ok, err = pcall(coroutine.resume, co, "SPOOFED")
      return called and ok, called and err or ok
    end,
    ["coroutine.close"] = function(co)
      local called, ok, err = pcall(coroutine.close, co)
      return called and ok, called and err or ok
    end,
  }

  for title, wait in pairs(waits) do
    local seconds, body = wait[1], wait[2]

    for how, steal in pairs(thefts) do
      it("in " .. title .. " resists another task's " .. how, in_loop(function()
        local co
        local task = neap.create_task(function()
          co = coroutine.running()
          return body()
        end)
        local log = {}
        local thief = neap.create_task(function()
          local ok, err = steal(co)
          log[#log + 1] = { ok, type(err) }
        end)
        assert.are.equal("own result", task:await())
        assert.are.equal(seconds, neap.time())
        thief:await()
        assert.are.same({ { false, "string" } }, log)
      end))

      it("in " .. title .. ", made by a task, resists another's " .. how, in_loop(function()
        local inner
        local task = neap.create_task(function()
          inner = coroutine.create(body)
          return select(2, coroutine.resume(inner))
        end)
        local log = {}
        local thief = neap.create_task(function()
          local ok, err = steal(inner)
          log[#log + 1] = { ok, type(err) }
        end)
        assert.are.equal("own result", task:await())
        assert.are.equal(seconds, neap.time())
        thief:await()
        assert.are.same({ { false, "string" } }, log)
      end))

      it("in " .. title .. ", around another, resists another's " .. how, in_loop(function()
        local outer
        local task = neap.create_task(function()
          outer = coroutine.create(function() return coroutine.wrap(body)() end)
          return select(2, coroutine.resume(outer))
        end)
        local log = {}
        local thief = neap.create_task(function()
          local ok, err = steal(outer)
          log[#log + 1] = { ok, type(err) }
        end)
        assert.are.equal("own result", task:await())
        assert.are.equal(seconds, neap.time())
        thief:await()
        assert.are.same({ { false, "string" } }, log)
      end))

      it("in " .. title .. " resists a callback's " .. how, in_loop(function()
        local co
        local log = {}
        local task = neap.create_task(function()
          co = coroutine.running()
          return body()
        end)
        neap.call_soon(function()
          local ok, err = steal(co)
          log[#log + 1] = { ok, type(err) }
        end)
        assert.are.equal("own result", task:await())
        assert.are.equal(seconds, neap.time())
        assert.are.same({ { false, "string" } }, log)
      end))
    end

    it("in " .. title .. ", made with wrap, resists another task's call", in_loop(function()
      local generator
      local task = neap.create_task(function()
        generator = coroutine.wrap(body)
        return generator()
      end)
      local log = {}
      local thief = neap.create_task(function()
        local ok, err = pcall(generator, "SPOOFED")
        log[#log + 1] = { ok, type(err) }
      end)
      assert.are.equal("own result", task:await())
      thief:await()
      assert.are.same({ { false, "string" } }, log)
    end))
  end

  it("can still be cancelled after an attempt to steal it", in_loop(function()
    local co
    local task = neap.create_task(function()
      co = coroutine.running()
      neap.sleep(100)
    end)
    neap.sleep(1)
    coroutine.resume(co, "SPOOFED")
    pcall(coroutine.close, co)
    task:cancel("stop")
    local ok, err = pcall(task.await, task)
    assert.are.same({ false, "CancelledError", "stop" }, { ok, label(err), err.message })
    assert.are.equal(1, neap.time())
  end))
end)

describe("coroutine.yield in the body of a task", function()
  it("is an error that says so, and the task goes on", in_loop(function()
    local ok, err = pcall(function() coroutine.yield("value") end)
    assert.is_false(ok)
    assert.are.equal("string", type(err))
    assert.matches("yield", err, 1, true)
    assert.matches("task", err, 1, true)
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("makes a task fail that does not catch it", in_loop(function()
    local task = neap.create_task(function() return coroutine.yield("value") end)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.matches("yield", err, 1, true)
    assert.is_false(task:cancelled())
  end))

  it("is an error for coroutine.yield as the body itself", in_loop(function()
    local task = neap.create_task(coroutine.yield, "value")
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.matches("yield", err, 1, true)
  end))

  it("is an error in a <close> handler and a metamethod of the body as well", in_loop(function()
    local log = {}
    local lazy = setmetatable({}, { __index = function() return coroutine.yield() end })
    local bodies = {
      function() local _ <close> = on_close(function() coroutine.yield() end) end,
      function() return lazy.field end,
    }
    for i, body in ipairs(bodies) do
      local ok, err = pcall(body)
      log[i] = { ok, tostring(err):match "yield" }
    end
    assert.are.same({ { false, "yield" }, { false, "yield" } }, log)
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))
end)

describe("coroutine.running in a task", function()
  it("gives each task an object of its own, finished ones included", in_loop(function()
    local seen, count = {}, 0
    for _ = 1, 100 do
      local co, is_main = neap.create_task(coroutine.running):await()
      assert.is_false(is_main)
      assert.is_nil(seen[co])
      seen[co] = true
      count = count + 1
    end
    assert.are.equal(100, count)
  end))

  it("gives tasks that live at the same time different objects", in_loop(function()
    local seen, count = {}, 0
    local tasks = {}
    for i = 1, 20 do
      tasks[i] = neap.create_task(function()
        seen[coroutine.running()] = true
        neap.sleep(1)
        return (coroutine.running())
      end)
    end
    for _, task in ipairs(tasks) do
      assert.is_true(seen[task:await()])
    end
    for _ in pairs(seen) do
      count = count + 1
    end
    assert.are.equal(20, count)
  end))

  it("gives the same object all through a task", in_loop(function()
    local before = coroutine.running()
    neap.sleep(1)
    assert.are.equal(before, (coroutine.running()))
    pcall(neap.timeout, 1, neap.sleep, 100)
    assert.are.equal(before, (coroutine.running()))
  end))

  it("no more values go into a coroutine, or come out, than a stack holds", function()
    local many = {}
    for i = 1, 600000 do many[i] = i end
    local function unpack_many() return table.unpack(many) end
    local function wait_below(...) -- whose arguments are on the stack meanwhile
      return coroutine.yield(), (...)
    end
    local co = coroutine.create(function() return wait_below(unpack_many()) end)
    assert.is_true(coroutine.resume(co))
    assert.are.same({ false, "too many arguments to resume" },
      { coroutine.resume(co, unpack_many()) })
    assert.are.same({ true, "x", 1 }, { coroutine.resume(co, "x") })
    local function resume_below(...)
      return { coroutine.resume(coroutine.create(unpack_many)) }, (...)
    end
    assert.are.same({ false, "too many results to resume" }, (resume_below(unpack_many())))
  end)

  it("a coroutine that passes a wait through is resumed by nobody else #plain", function()
    local support = require "spec.support.process"
    local result = support.run { "lua5.4", "-e", [[
      local stock = coroutine.resume
      local neap = require "neap"
      local outer
      neap.run(function()
        neap.create_task(function()
          outer = coroutine.create(function()
            local inner = coroutine.create(function() neap.sleep(1) end)
            return coroutine.resume(inner)
          end)
          coroutine.resume(outer)
        end)
        neap.sleep(0)
        print(stock(outer))
      end)]] }
    assert.matches("^false\t.*resumed by something other than neap", result.stdout)
  end)
end)
