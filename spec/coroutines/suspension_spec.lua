-- Where a task can be suspended (nearly everywhere), and what happens where it cannot.
local neap = require "neap"
local in_loop = require "spec.support.loop"

--- What an error is called: the class of an error object, any other value as it is.
local function label(err)
  return neap.is(err, neap.Error) and err.name or err
end

--- A value for a <close> variable; calls fn(err) when it is closed.
local function on_close(fn)
  return setmetatable({}, { __close = function(_, err) fn(err) end })
end

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

  it("of sleep(0) takes its turn like any other", in_loop(function()
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

describe("a suspension inside the body of a module", function()
  local names = {}

  --- Registers a loader for `name` that is gone after the test.
  local function preload(name, loader)
    names[#names + 1] = name
    package.preload[name] = loader
  end

  after_each(function()
    for i = #names, 1, -1 do
      package.preload[names[i]] = nil
      package.loaded[names[i]] = nil
      names[i] = nil
    end
  end)

  it("suspends the task that requires it", in_loop(function()
    local log = {}
    preload("slow", function(...)
      log[#log + 1] = { "args", ... }
      neap.sleep(2)
      return { answer = 42 }
    end)
    local ticker = neap.create_task(function()
      for _ = 1, 3 do
        neap.sleep(0.5)
        log[#log + 1] = neap.time()
      end
    end)
    local module, data = require "slow"
    log[#log + 1] = { module.answer, data, neap.time() }
    ticker:await()
    assert.are.same({
      { "args", "slow", ":preload:" },
      0.5,
      1,
      1.5,
      { 42, ":preload:", 2 },
    }, log)
    assert.are.equal(module, require "slow")
    assert.are.equal(2, neap.time())
  end))

  it("gives true for a module that returns nothing", in_loop(function()
    preload("slow", function() neap.sleep(1) end)
    assert.is_true((require "slow"))
    assert.is_true(package.loaded.slow)
  end))

  it("keeps what the module put into package.loaded itself", in_loop(function()
    local mine = {}
    preload("slow", function(name)
      neap.sleep(1)
      package.loaded[name] = mine
    end)
    assert.are.equal(mine, (require "slow"))
  end))

  it("works when one slow module requires another", in_loop(function()
    preload("slow.outer", function()
      neap.sleep(1)
      return "outer " .. require "slow.inner"
    end)
    preload("slow.inner", function() return neap.sleep(1, "inner") end)
    assert.are.equal("outer inner", (require "slow.outer"))
    assert.are.equal(2, neap.time())
  end))

  it("works in a coroutine of the task", in_loop(function()
    preload("slow", function() return neap.sleep(1, "loaded") end)
    assert.are.equal("loaded", (coroutine.wrap(function() return require "slow" end)()))
  end))

  it("loads it once for two tasks that require it at the same time", in_loop(function()
    local log = {}
    local loads = 0
    preload("slow", function()
      loads = loads + 1
      neap.sleep(2)
      return { answer = 42 }
    end)
    local function user(name)
      return neap.create_task(function()
        local module = require "slow"
        log[#log + 1] = { name, neap.time() }
        return module
      end)
    end
    local first = user "first"
    neap.sleep(1)
    local second = user "second"
    assert.are.equal(first:await(), second:await())
    assert.are.equal(1, loads)
    assert.are.same({ { "first", 2 }, { "second", 2 } }, log)
  end))

  it("does not make a task wait for the loading of another module", in_loop(function()
    local log = {}
    preload("slow", function()
      neap.sleep(2)
      log[#log + 1] = "slow"
    end)
    preload("quick", function() log[#log + 1] = "quick" end)
    local slow = neap.create_task(require, "slow")
    local quick = neap.create_task(require, "quick")
    slow:await()
    quick:await()
    assert.are.same({ "quick", "slow" }, log)
  end))

  it("leaves a module that failed to be tried again", in_loop(function()
    local loads = 0
    preload("slow", function()
      loads = loads + 1
      neap.sleep(1)
      if loads == 1 then
        error "first load fails"
      end
      return "second load"
    end)
    local ok, err = pcall(require, "slow")
    assert.is_false(ok)
    assert.matches("first load fails", tostring(err), 1, true)
    assert.is_nil(package.loaded.slow)
    assert.are.equal("second load", (require "slow"))
    assert.are.equal(2, loads)
  end))

  it("is cancelled with the task; another one that waits gets the module", in_loop(function()
    local log = {}
    preload("slow", function()
      local ok, err = pcall(neap.sleep, 2)
      log[#log + 1] = { ok, neap.time() }
      if not ok then
        error(err, 0)
      end
      return "loaded"
    end)
    local first = neap.create_task(require, "slow")
    neap.sleep(0)
    local second = neap.create_task(require, "slow")
    neap.sleep(1)
    first:cancel()
    pcall(first.await, first)
    assert.is_true(first:cancelled())
    assert.are.equal("loaded", (second:await()))
    assert.are.same({ { false, 1 }, { true, 3 } }, log)
  end))

  it("works in a searcher too", in_loop(function()
    local function searcher(name)
      neap.sleep(1)
      if name == "slow.searched" then
        return function(...)
          neap.sleep(1)
          return { ... }
        end, "extra"
      end
      return "no slow module here"
    end
    names[#names + 1] = "slow.searched"
    table.insert(package.searchers, 2, searcher)
    local restore <close> = on_close(function() table.remove(package.searchers, 2) end)
    local module, data = require "slow.searched"
    assert.are.same({ "slow.searched", "extra" }, module)
    assert.are.equal("extra", data)
    assert.are.equal(2, neap.time())
    local ok, err = pcall(require, "slow.missing")
    assert.is_false(ok)
    assert.matches("module 'slow.missing' not found", err, 1, true)
    assert.matches("no slow module here", err, 1, true)
    assert.are.equal(3, neap.time())
    assert.is_truthy(restore)
  end))
end)

describe("a suspension where Lua cannot suspend", function()
  --- Each runs `wait` in such a place and returns the error it got there.
  local places = {
    ["table.sort"] = function(wait)
      local _, err = pcall(function()
        table.sort({ 3, 1, 2 }, function(a, b)
          wait()
          return a < b
        end)
      end)
      return err
    end,
    ["string.gsub"] = function(wait)
      local _, err = pcall(function()
        return (string.gsub("abc", "%w", function() wait() end))
      end)
      return err
    end,
    ["tostring"] = function(wait)
      local value = setmetatable({}, {
        __tostring = function()
          wait()
          return "text"
        end,
      })
      local _, err = pcall(function() return (tostring(value)) end)
      return err
    end,
    ["__gc"] = function(wait)
      local err
      local function make_garbage()
        setmetatable({}, {
          __gc = function()
            local _
            _, err = pcall(wait)
          end,
        })
      end
      make_garbage()
      collectgarbage()
      collectgarbage()
      return err
    end,
  }

  local waits = {
    ["a sleep"] = function() neap.sleep(5) end,
    ["an await"] = function(other) other:await() end,
    ["a wait_for"] = function() neap.wait_for(neap.sleep, 3, 5) end,
    ["a timeout"] = function() neap.timeout(3, neap.sleep, 5) end,
  }

  for place, in_place in pairs(places) do
    for what, wait in pairs(waits) do
      it(what .. " names " .. place, in_loop(function()
        local other = neap.create_task(neap.sleep, 7, "other")
        neap.sleep(0)
        local err = in_place(function() wait(other) end)
        assert.are.equal("string", type(err))
        assert.matches(place, err, 1, true)
        assert.are.equal(0, neap.current_task():cancelling())
        assert.are.equal("slept", neap.sleep(100, "slept"))
        assert.are.equal(100, neap.time())
        assert.are.equal("other", other:await())
      end))
    end

    it("leaves the task unharmed in " .. place .. ", inside a coroutine", in_loop(function()
      local err = coroutine.wrap(function() return in_place(waits["a sleep"]) end)()
      assert.matches(place, err, 1, true)
      assert.are.equal("slept", neap.sleep(100, "slept"))
      assert.are.equal(100, neap.time())
    end))
  end

  it("names string.gsub when it is called as a method", in_loop(function()
    local ok, err = pcall(function()
      return (("abc"):gsub("%w", function() neap.sleep(5) end))
    end)
    assert.is_false(ok)
    assert.matches("string.gsub", err, 1, true)
  end))

  it("names table.sort when pcall calls it", in_loop(function()
    local ok, err = pcall(table.sort, { 3, 1, 2 }, function() neap.sleep(5) end)
    assert.is_false(ok)
    assert.matches("table.sort", err, 1, true)
  end))

  it("names table.sort when the wait is deep inside", in_loop(function()
    local function deep(depth)
      if depth == 0 then
        neap.sleep(5)
      else
        deep(depth - 1)
      end
      return depth
    end
    local ok, err = pcall(table.sort, { 3, 1, 2 }, function(a, b)
      deep(10)
      return a < b
    end)
    assert.is_false(ok)
    assert.matches("table.sort", err, 1, true)
  end))

  it("does not trouble a call that need not wait", in_loop(function()
    local done = neap.create_task(function() return 1 end)
    done:await()
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b) return a * done:await() < b end)
    assert.are.same({ 1, 2, 3 }, list)
  end))

  it("in a coroutine started there, passes no suspension out", in_loop(function()
    local ok, err = pcall(table.sort, { 3, 1, 2 }, function(a, b)
      coroutine.wrap(function() neap.sleep(5) end)()
      return a < b
    end)
    assert.is_false(ok)
    assert.matches("table.sort", tostring(err), 1, true)
    assert.are.equal("slept", neap.sleep(100, "slept"))
    assert.are.equal(100, neap.time())
  end))
end)

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
end)
