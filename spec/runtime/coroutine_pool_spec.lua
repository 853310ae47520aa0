-- Coroutines serve one task after another, but only where nobody can tell.

local neap = require "neap"
local in_loop = require "spec.support.loop"

local sanitized = (os.getenv "NEAP_BUILD" or ""):find("asan", 1, true)

-- Runs fn(i) in n tasks, one after another.
local function one_by_one(n, fn)
  for i = 1, n do
    neap.create_task(fn, i):await()
  end
end

local function kilobytes()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count"
end

describe("a coroutine that a task has asked for", function()
  for title, running in pairs {
    ["in its body"] = coroutine.running,
    ["in a protected call"] = function()
      local _, co = pcall(coroutine.running)
      return co
    end,
    ["in a <close> handler"] = function()
      local co
      do
        local _ <close> = setmetatable({}, { __close = function() co = coroutine.running() end })
      end
      return co
    end,
    ["after a wait"] = function()
      neap.sleep(0)
      return (coroutine.running())
    end,
    ["in a metamethod"] = function()
      local object = setmetatable({}, { __index = function() return coroutine.running() end })
      return object.field
    end,
  } do
    it(title .. " is never that of another task", in_loop(function()
      local seen, n, main = {}, 0, coroutine.running()
      local function body()
        local co = running()
        assert.are.equal("thread", type(co))
        assert.are.equal(co, (coroutine.running()))
        n = n + (seen[co] and 0 or 1)
        seen[co] = true
      end
      one_by_one(3000, body)
      assert.are.equal(3000, n)
      assert.is_nil(seen[main])
    end))
  end

  it("is not that of another task though both run in turns", in_loop(function()
    local owner = {}
    local function body(i)
      local co = coroutine.running()
      assert.is_nil(owner[co])
      owner[co] = i
      neap.sleep(i % 3)
      assert.are.equal(i, owner[coroutine.running()])
    end
    for i = 1, 2000 do
      neap.create_task(body, i)
    end
    neap.sleep(3)
    local n = 0
    for _ in pairs(owner) do
      n = n + 1
    end
    assert.are.equal(2000, n)
  end))

  it("is dead when its task has ended", in_loop(function()
    local co
    neap.create_task(function() co = coroutine.running() end):await()
    one_by_one(10, function() end)
    assert.are.equal("dead", coroutine.status(co))
    assert.is_false((coroutine.resume(co)))
  end))
end)

describe("a coroutine that serves again", function()
  -- What 1000 tasks that run fn allocate, in kilobytes.
  local function allocated(fn)
    one_by_one(10, fn)
    collectgarbage()
    collectgarbage "stop"
    local before = collectgarbage "count"
    one_by_one(1000, fn)
    local after = collectgarbage "count"
    collectgarbage "restart"
    return after - before
  end

  it("costs no memory, unlike one that is not given back", in_loop(function()
    local used_again = allocated(function() return 1 end)
    local kept = allocated(coroutine.running)
    -- A coroutine has about 1 KB.
    assert.is_true(kept - used_again > 700, ("%g KB, %g KB"):format(kept, used_again))
  end))

  it("has the arguments of its task and no others", in_loop(function()
    local sizes = { 200, 0, 1, 30, 2, 0, 250, 3, 0 }
    for _ = 1, 20 do
      for _, n in ipairs(sizes) do
        local arguments = {}
        for i = 1, n do
          arguments[i] = i * n
        end
        local got = neap.create_task(function(...)
          neap.sleep(0)
          return table.pack(...)
        end, table.unpack(arguments)):await()
        arguments.n = n
        assert.are.same(arguments, got)
      end
    end
  end))

  it("returns the results of its task and no others", in_loop(function()
    local got = {}
    for i = 1, 5 do
      got[#got + 1] = table.pack(neap.create_task(function() return i, nil end):await())
      got[#got + 1] = table.pack(neap.create_task(function() end):await())
    end
    local expected = {}
    for i = 1, 5 do
      expected[#expected + 1] = { i, nil, n = 2 }
      expected[#expected + 1] = { n = 0 }
    end
    assert.are.same(expected, got)
  end))

  it("is as good as new after every kind of end", in_loop(function()
    local ends = {
      function() return 1 end,
      function() error { "failed" } end,
      function() neap.current_task():cancel() end,
      function()
        neap.current_task():cancel()
        neap.sleep(1)
      end,
      function()
        local _ <close> = setmetatable({}, { __close = function() error { "closing" } end })
        error { "body" }
      end,
      function() error() end,
      function() pcall(string.rep, "x", 1 << 62) end,
    }
    local expected = {}
    for round = 1, 5 do
      for i, fn in ipairs(ends) do
        pcall(neap.wait_for, neap.create_task(fn), 5)
        local task = neap.create_task(function(...)
          local before = neap.current_task()
          neap.sleep(0)
          assert.are.equal(before, neap.current_task())
          return select("#", ...), ...
        end, round, i)
        expected[1], expected[2], expected[3] = 2, round, i
        assert.are.same(expected, { task:await() })
        assert.are.same({ true, 0 }, { task:done(), task:cancelling() })
      end
    end
  end))

  it("lets each task call as deep as the first", in_loop(function()
    local deepest
    local function go(depth)
      deepest = depth
      return 1 + go(depth + 1)
    end
    local depths = {}
    for i = 1, 3 do
      local ok = pcall(neap.await, neap.create_task(go, 1))
      assert.is_false(ok)
      depths[i] = deepest
    end
    assert.is_true(deepest > 1000)
    assert.are.same({ depths[1], depths[1], depths[1] }, depths)
  end))

  it("has no hook that an earlier task has set", in_loop(function()
    local calls = 0
    local function hook()
      calls = calls + 1
    end
    for _, mask in ipairs { "c", "r", "l", "crl", "" } do
      neap.create_task(function()
        debug.sethook(hook, mask, mask == "" and 1 or 0)
        assert.are.equal(hook, (debug.gethook()))
      end):await()
      assert.is_true(calls > 0)
      calls = 0
      one_by_one(300, function()
        assert.is_nil((debug.gethook()))
        return math.abs(-1)
      end)
      assert.are.equal(0, calls)
    end
  end))

  it("has no hook that an earlier task has set while it waited", in_loop(function()
    local calls = 0
    local tasks = {}
    for i = 1, 300 do
      tasks[i] = neap.create_task(function()
        if i % 2 == 0 then
          debug.sethook(function() calls = calls + 1 end, "l")
        end
        neap.sleep(1)
      end)
    end
    neap.sleep(2)
    assert.are.equal(0, neap.stats().tasks.pending - 1)
    assert.is_true(calls > 0)
    calls = 0
    for i = 1, 300 do
      tasks[i] = neap.create_task(function()
        neap.sleep(1)
        return (debug.gethook())
      end)
    end
    neap.sleep(2)
    for i = 1, 300 do
      assert.is_nil(tasks[i]:result())
    end
    assert.are.equal(0, calls)
  end))

  it("keeps nothing of its last task alive", in_loop(function()
    local weak = setmetatable({}, { __mode = "v" })
    for i = 1, 50 do
      local argument = { i }
      weak["argument" .. i] = argument
      neap.create_task(function(a)
        local one, two, result = { a }, { i }, {}
        weak["one" .. i], weak["two" .. i], weak["result" .. i] = one, two, result
        neap.sleep(i % 2)
        return result, #one + #two
      end, argument)
    end
    neap.sleep(2)
    kilobytes()
    assert.is_nil(next(weak))
  end))
end)

describe("memory", function()
  local N = sanitized and 3000 or 15000
  local FEWER = N // 5 -- tracebacks take their time
  local MOST = 4

  --- The weak table in which neap.busted notes where tasks were created grows by steps of its own,
  -- which depend on when the collector comes by, and shrinks again; a leak does not.
  local function assert_level(round, first)
    local growth
    for _ = 1, MOST do
      growth = round() - first
      if growth < 64 then return end
    end
    error(("grew by %g KB"):format(growth))
  end

  for title, body in pairs {
    ["that return"] = function() return 1 end,
    ["that wait"] = function() neap.sleep(0) end,
    ["that ask for their coroutine"] = function() coroutine.running() end,
    ["that fail"] = function() error("failed", 0) end,
    ["that are cancelled"] = function()
      neap.current_task():cancel()
      neap.sleep(1)
    end,
  } do
    it("is level after tasks " .. title, in_loop(function()
      local function round(n)
        for _ = 1, n do
          pcall(neap.await, neap.create_task(body))
        end
        return kilobytes()
      end
      local n = title == "that fail" and FEWER or N
      round(n)
      assert_level(function() return round(n) end, round(n))
    end))
  end

  it("is level after rounds of many tasks at a time", in_loop(function()
    local function round()
      for _ = 1, 5000 do
        neap.create_task(neap.sleep, 1)
      end
      neap.sleep(2)
      return kilobytes()
    end
    round()
    local first = round()
    for _ = 1, 4 do
      round()
    end
    assert_level(round, first)
  end))
end)
