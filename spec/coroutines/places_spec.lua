-- Waits inside pcall, metamethods, iterators and <close> handlers.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local bodies = require "spec.support.bodies"
local expect = require "spec.support.expect"

local label = expect.label
local on_close = bodies.on_close

describe("a suspension inside pcall and xpcall", function()
  it("returns results through pcall", in_loop(function()
    local results = table.pack(pcall(neap.sleep, 1, "a", nil))
    assert.are.same({ true, "a", nil, n = 3 }, results)
  end))

  it("returns errors through nested pcalls", in_loop(function()
    local boom = { "boom" }
    local results = table.pack(pcall(pcall, pcall, function()
      neap.sleep(1)
      error(boom)
    end))
    assert.are.same({ true, true, false, boom, n = 4 }, results)
  end))

  it("lets xpcall's handler see the stack of the error", in_loop(function()
    local function the_culprit()
      neap.sleep(1)
      error "boom"
    end
    local ok, traceback = xpcall(function()
      the_culprit()
      return "not a tail call"
    end, debug.traceback)
    assert.is_false(ok)
    assert.matches("the_culprit", traceback, 1, true)
  end))

  it("lets pcall catch a cancellation", in_loop(function()
    local task = neap.create_task(function()
      local ok, err = pcall(neap.sleep, 100)
      return ok, label(err)
    end)
    neap.sleep(1)
    task:cancel()
    assert.are.same({ false, "CancelledError", n = 2 }, table.pack(task:await()))
  end))
end)

describe("a suspension inside a metamethod", function()
  --- A metamethod that sleeps a second and returns a value.
  local function slow(value)
    return function() return neap.sleep(1, value) end
  end

  local proxy = setmetatable({}, {
    __index = slow "__index",
    __newindex = slow(nil),
    __call = slow "__call",
    __lt = slow(true),
    __le = slow(false),
    __eq = slow(true),
    __concat = slow "__concat",
    __len = slow(42),
    __unm = slow "__unm",
    __add = slow "__add",
    __idiv = slow "__idiv",
    __band = slow "__band",
    __bnot = slow "__bnot",
    __pairs = function(self)
      neap.sleep(1)
      return function(_, key)
        neap.sleep(1)
        if key == nil then
          return "only", "pair"
        end
      end, self
    end,
  })
  local other = setmetatable({}, getmetatable(proxy))

  local operations = {
    __index = { "__index", function() return proxy.field end },
    __newindex = { nil, function() proxy.field = 1 end },
    __call = { "__call", function() return (proxy()) end },
    __lt = { true, function() return proxy < other end },
    __le = { false, function() return proxy <= other end },
    __eq = { true, function() return proxy == other end },
    ["__eq negated"] = { false, function() return proxy ~= other end },
    __concat = { "__concat", function() return proxy .. "x" end },
    ["__concat in a chain"] = { "a__concat", function() return "a" .. (proxy .. "x") end },
    __len = { 42, function() return #proxy end },
    __unm = { "__unm", function() return -proxy end },
    __add = { "__add", function() return 1 + proxy end },
    __idiv = { "__idiv", function() return proxy // 1 end },
    __band = { "__band", function() return proxy & 1 end },
    __bnot = { "__bnot", function() return ~proxy end },
  }

  for name, operation in pairs(operations) do
    it(name .. " comes back with its value", in_loop(function()
      local expected, operate = operation[1], operation[2]
      local value = operate()
      assert.are.same({ expected, 1 }, { value, neap.time() })
      value = coroutine.wrap(operate)()
      assert.are.same({ expected, 2 }, { value, neap.time() })
    end))
  end

  it("__lt decides an if", in_loop(function()
    local log = {}
    if proxy < other then
      log[#log + 1] = "less"
    end
    while proxy <= other do
      log[#log + 1] = "never"
    end
    assert.are.same({ "less" }, log)
    assert.are.equal(2, neap.time())
  end))

  it("__pairs and the iterator it returns", in_loop(function()
    local log = {}
    for key, value in pairs(proxy) do
      log[#log + 1] = { key, value, neap.time() }
    end
    assert.are.same({ { "only", "pair", 2 } }, log)
    assert.are.equal(3, neap.time())
  end))

  it("__index is cancelled where it waits", in_loop(function()
    local log = {}
    local lazy = setmetatable({}, {
      __index = function()
        local _, err = pcall(neap.sleep, 100)
        log[#log + 1] = label(err)
        error(err, 0)
      end,
    })
    local task = neap.create_task(function() return lazy.field end)
    neap.sleep(1)
    task:cancel()
    pcall(task.await, task)
    assert.are.same({ "CancelledError" }, log)
    assert.is_true(task:cancelled())
  end))
end)

describe("a suspension inside a for iterator", function()
  it("comes back with the values of the iteration", in_loop(function()
    local log = {}
    local function ticks(count)
      return function(_, last)
        if last < count then
          return neap.sleep(1, last + 1)
        end
      end, nil, 0
    end
    for i in ticks(3) do
      log[#log + 1] = { i, neap.time() }
    end
    assert.are.same({ { 1, 1 }, { 2, 2 }, { 3, 3 } }, log)
  end))

  it("works in its closing value, at the end and at a break", in_loop(function()
    local log = {}
    local function closing()
      local function next_one(_, last)
        if last < 2 then
          return last + 1
        end
      end
      return next_one, nil, 0, on_close(function()
        neap.sleep(1)
        log[#log + 1] = { "closed", neap.time() }
      end)
    end
    for i in closing() do
      log[#log + 1] = i
    end
    for i in closing() do
      log[#log + 1] = i
      if i == 1 then
        break
      end
    end
    assert.are.same({ 1, 2, { "closed", 1 }, 1, { "closed", 2 } }, log)
  end))
end)

describe("a suspension inside a <close> handler", function()
  it("works on normal exit, in reverse order, results kept", in_loop(function()
    local log = {}
    local function body()
      local first <close> = on_close(function(err)
        neap.sleep(1)
        log[#log + 1] = { "first", err, neap.time() }
      end)
      local second <close> = on_close(function(err)
        neap.sleep(1)
        log[#log + 1] = { "second", err, neap.time() }
      end)
      return first ~= second, nil, "results"
    end
    assert.are.same({ true, nil, "results", n = 3 }, table.pack(body()))
    assert.are.same({ { "second", nil, 1 }, { "first", nil, 2 } }, log)
  end))

  it("works on break and goto", in_loop(function()
    local log = {}
    local function closer()
      return on_close(function()
        neap.sleep(1)
        log[#log + 1] = neap.time()
      end)
    end
    while true do
      local guard <close> = closer()
      if guard then
        break
      end
    end
    do
      local guard <close> = closer()
      if guard then
        goto out
      end
    end
    ::out::
    assert.are.same({ 1, 2 }, log)
  end))

  it("works while an error unwinds", in_loop(function()
    local log = {}
    local boom = { "boom" }
    local ok, err = pcall(function()
      local guard <close> = on_close(function(err)
        neap.sleep(2)
        log[#log + 1] = { err == boom, neap.time() }
      end)
      neap.sleep(1, guard)
      error(boom)
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({ { true, 3 } }, log)
  end))

  it("works while an error ends the task, without any pcall", in_loop(function()
    local log = {}
    local boom = { "boom" }
    local task = neap.create_task(function()
      local guard <close> = on_close(function(err)
        neap.sleep(2)
        log[#log + 1] = { err == boom, neap.time() }
      end)
      error(guard and boom)
    end)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({ { true, 2 } }, log)
  end))

  it("works while a cancellation unwinds, several handlers deep", in_loop(function()
    local log = {}
    local function level(depth)
      local guard <close> = on_close(function(err)
        neap.sleep(1)
        log[#log + 1] = { depth, label(err), neap.time() }
      end)
      if depth == 3 then
        neap.sleep(100, guard)
      end
      level(depth + 1)
    end
    local task = neap.create_task(level, 1)
    neap.sleep(1)
    task:cancel()
    pcall(task.await, task)
    assert.are.same({
      { 3, "CancelledError", 2 },
      { 2, "CancelledError", 3 },
      { 1, "CancelledError", 4 },
    }, log)
    assert.is_true(task:cancelled())
  end))

  it("may be cancelled itself; the remaining handlers still run", in_loop(function()
    local log = {}
    local task = neap.create_task(function()
      local outer <close> = on_close(function(err)
        neap.sleep(1)
        log[#log + 1] = { "outer", err.message, neap.time() }
      end)
      local inner <close> = on_close(function(err)
        local _, second = pcall(neap.sleep, 100)
        log[#log + 1] = { "inner", err.message, second.message, neap.time() }
        error(second, 0)
      end)
      neap.sleep(100, outer, inner)
    end)
    neap.sleep(1)
    task:cancel "first"
    neap.sleep(1)
    task:cancel "second"
    local _, err = pcall(task.await, task)
    log[#log + 1] = { label(err), err.message }
    assert.are.same({
      { "inner", "first", "second", 2 },
      { "outer", "second", 3 },
      { "CancelledError", "second" },
    }, log)
    assert.is_true(task:cancelled())
  end))

  it("may raise, which replaces the error; the remaining handlers see that", in_loop(function()
    local log = {}
    local boom = { "boom" }
    local ok, err = pcall(function()
      local outer <close> = on_close(function(err)
        neap.sleep(1)
        log[#log + 1] = err == boom
      end)
      local inner <close> = on_close(function()
        neap.sleep(1)
        error(boom)
      end)
      error(outer and inner and "the first error")
    end)
    assert.is_false(ok)
    assert.are.equal(boom, err)
    assert.are.same({ true }, log)
    assert.are.equal(2, neap.time())
  end))
end)
