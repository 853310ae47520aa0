-- Deadlines in order, on a virtual clock that is exact; and a little of the real one.

local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

-- random(n): an integer from 0 to n - 1, from a stream of its own.
local function randomizer(seed)
  local state = seed
  return function(n)
    state = (state * 6364136223846793005 + 1442695040888963407)
    return (state >> 33) % n
  end
end

describe("the virtual clock", function()
  it("is exact", in_loop(function()
    for _ = 1, 10 do
      neap.sleep(0.1)
    end
    assert.are.equal(1, neap.time())
    for _ = 1, 1000 do
      neap.sleep(0.001)
    end
    assert.are.equal(2, neap.time())
  end))

  it("jumps from deadline to deadline", in_loop(function()
    local seen = {}
    for _, delay in ipairs { 86400, 0.5, 3, 0.25, 1e-9, 1e6 } do
      neap.create_task(function()
        neap.sleep(delay)
        seen[#seen + 1] = neap.time()
      end)
    end
    neap.sleep(2e6)
    assert.are.same({ 1e-9, 0.25, 0.5, 3, 86400, 1e6 }, seen)
    assert.are.equal(2e6, neap.time())
  end))

  it("stands still while tasks are ready #plain", in_loop(function()
    neap.call_later(1, function() end)
    for _ = 1, 1000 do
      neap.sleep(0)
      neap.sleep(-1)
    end
    assert.are.equal(0, neap.time())
  end))

  it("starts at 0 each time", function()
    for i = 1, 3 do
      in_loop(function()
        assert.are.equal(0, neap.time())
        neap.sleep(i)
        assert.are.equal(i, neap.time())
      end)()
    end
  end)

  it("goes on from run to run #plain", function()
    local clock <close> = testing.virtual_clock()
    for i = 1, 3 do
      neap.run(neap.sleep, 1.5)
      assert.are.same({ 1.5 * i, 1.5 * i }, { clock:time(), neap.time() })
    end
  end)

  it("is moved on by hand, before a run and in it #plain", function()
    local clock <close> = testing.virtual_clock()
    clock:advance(2)
    assert.are.equal(2, neap.time())
    local seen = {}
    local function sleeper(delay)
      neap.sleep(delay)
      seen[#seen + 1] = { delay, neap.time() }
    end
    neap.run(function()
      for _, delay in ipairs { 8, 3, 5, 1 } do
        neap.create_task(sleeper, delay)
      end
      neap.sleep(0)
      clock:advance(0)
      clock:advance(4)
      seen[#seen + 1] = { "advanced", neap.time() }
      neap.sleep(100)
    end)
    assert.are.same({ { "advanced", 6 }, { 1, 6 }, { 3, 6 }, { 5, 7 }, { 8, 10 } }, seen)
    assert.are.equal(106, clock:time())
  end)

  for title, seconds in pairs {
    ["a negative time"] = -1,
    ["NaN"] = 0 / 0,
    ["for ever"] = math.huge,
    ["more than it can count"] = 1e300,
    ["a string"] = "soon",
    ["nothing"] = false,
  } do
    it("is not moved on by " .. title, function()
      local clock <close> = testing.virtual_clock()
      clock:advance(1)
      assert.has_error(function() clock:advance(seconds) end)
      assert.are.equal(1, clock:time())
    end)
  end

  it("is not moved on beyond what it can count", function()
    local clock <close> = testing.virtual_clock()
    clock:advance(9e9)
    local ok = pcall(function()
      for _ = 1, 10 do
        clock:advance(9e9)
      end
    end)
    assert.is_false(ok)
    assert.is_true(clock:time() >= 9e9)
  end)

  it("is real again when it has been closed, and can be closed again", function()
    local clock = testing.virtual_clock()
    clock:advance(5)
    clock:close()
    clock:close()
    assert.has_error(function() clock:advance(1) end, "the virtual clock has been closed")
    assert.has_error(function() clock:time() end, "the virtual clock has been closed")
  end)

  it("starts at zero while the loop runs, and goes back to the time there was", in_loop(function()
    neap.sleep(3)
    do
      local clock <close> = testing.virtual_clock()
      assert.are.equal(0, neap.time())
      neap.sleep(3600)
      assert.are.equal(3600, clock:time())
    end
    assert.are.equal(3, neap.time())
    neap.sleep(1)
    assert.are.equal(4, neap.time())
  end))

  it("keeps who sleeps already asleep for as long", in_loop(function()
    local seen = {}
    for _, delay in ipairs { 5, 2, 9, 2.5, 7 } do
      neap.create_task(function()
        neap.sleep(delay)
        seen[#seen + 1] = delay
        seen[#seen + 1] = neap.time()
      end)
    end
    neap.sleep(1)
    local clock = testing.virtual_clock()
    neap.sleep(2)
    assert.are.same({ 2, 1, 2.5, 1.5 }, seen)
    clock:close()
    neap.sleep(3)
    assert.are.same({ 2, 1, 2.5, 1.5, 5, 3 }, seen)
    neap.sleep(10)
    assert.are.same({ 2, 1, 2.5, 1.5, 5, 3, 7, 5, 9, 7 }, seen)
  end))

  it("lets what is due run when it starts", in_loop(function()
    local clock = testing.virtual_clock()
    local woken = {}
    for i = 1, 3 do
      neap.create_task(function()
        neap.sleep(4 - i)
        woken[#woken + 1] = i
      end)
    end
    neap.sleep(0)
    clock:advance(10)
    local _ <close> = testing.virtual_clock()
    testing.settle()
    table.sort(woken)
    assert.are.same({ 1, 2, 3 }, woken)
    assert.are.equal(0, neap.time())
    clock:close()
  end))

  it("is not the one that goes by while another is open", in_loop(function()
    local outer <close> = testing.virtual_clock()
    local inner = testing.virtual_clock()
    assert.has_error(function() outer:advance(1) end, "another virtual clock was started since")
    inner:advance(1)
    inner:close()
    outer:advance(2)
    assert.are.equal(2, neap.time())
  end))

  it("closes those that were started since", in_loop(function()
    local outer = testing.virtual_clock()
    local inner = testing.virtual_clock()
    outer:close()
    assert.has_error(function() inner:time() end, "the virtual clock has been closed")
    inner:close()
    assert.are.equal(0, neap.time())
  end))

  it("can be started and closed between two runs of real time #plain", function()
    neap.run(neap.sleep, 0)
    testing.virtual_clock():close()
    local before = neap.time()
    neap.run(neap.sleep, 0.001)
    assert.is_true(neap.time() - before >= 0.001 and neap.time() - before < 100)
  end)
end)

describe("deadlines", function()
  -- The numbers from 1 to #delays, sorted by delay, ties by number.
  local function sorted(delays)
    local order = {}
    for i = 1, #delays do
      order[i] = i
    end
    table.sort(order, function(a, b)
      if delays[a] ~= delays[b] then
        return delays[a] < delays[b]
      end
      return a < b
    end)
    return order
  end

  local function random_delays(seed, different)
    local random, delays = randomizer(seed), {}
    for i = 1, 1000 do
      delays[i] = (1 + random(different)) / 8
    end
    return delays
  end

  for _, different in ipairs { 1, 2, 40, 100000 } do
    it(("of 1000 callbacks at %d times come in order"):format(different), in_order(function()
      local delays = random_delays(different, different)
      local called, times = {}, {}
      for i, delay in ipairs(delays) do
        neap.call_later(delay, function()
          called[#called + 1] = i
          times[#times + 1] = neap.time()
        end)
      end
      neap.sleep(20000)
      local order, deadlines = sorted(delays), {}
      for place, i in ipairs(order) do
        deadlines[place] = delays[i]
      end
      assert.are.same(order, called)
      assert.are.same(deadlines, times)
    end))

    it(("of 1000 sleepers at %d times come in order"):format(different), in_order(function()
      local delays = random_delays(different + 1, different)
      local woken = {}
      for i, delay in ipairs(delays) do
        neap.create_task(function()
          neap.sleep(delay)
          woken[#woken + 1] = i
          assert.are.equal(delay, neap.time())
        end)
      end
      neap.sleep(20000)
      assert.are.same(sorted(delays), woken)
    end))
  end

  for _, kept in ipairs { 1, 3, 15 } do
    it(("of 1000 callbacks come in order when %d of 16 stay"):format(kept), in_order(function()
      local random, delays, handles = randomizer(kept), random_delays(kept, 40), {}
      local called = {}
      for i, delay in ipairs(delays) do
        handles[i] = neap.call_later(delay, function() called[#called + 1] = i end)
      end
      local order, stay = {}, {}
      for i = 1, #delays do
        stay[i] = random(16) < kept
        if not stay[i] then handles[i]:cancel() end
      end
      for _, i in ipairs(sorted(delays)) do
        if stay[i] then order[#order + 1] = i end
      end
      assert.are.equal(#order, neap.stats().timers)
      neap.sleep(20000)
      assert.are.same(order, called)
      assert.are.equal(0, neap.stats().timers)
    end))
  end

  it("of sleepers and callbacks alike come in the order of the calls", in_order(function()
    local seen = {}
    for i = 1, 50 do
      neap.call_later(1, function() seen[#seen + 1] = i end)
      neap.call_at(1, function() seen[#seen + 1] = i + 0.5 end)
    end
    neap.sleep(2)
    local expected = {}
    for i = 1, 50 do
      expected[2 * i - 1], expected[2 * i] = i, i + 0.5
    end
    assert.are.same(expected, seen)
  end))

  it("that have passed are due at once, in order", in_order(function()
    neap.sleep(10)
    local seen = {}
    for _, when in ipairs { 7, 3, 0, -1, 10, 3 } do
      neap.call_at(when, function() seen[#seen + 1] = when end)
    end
    neap.sleep(0)
    neap.sleep(0)
    -- All that has passed before the clock began is one time.
    assert.are.same({ 0, -1, 3, 3, 7, 10 }, seen)
    assert.are.equal(10, neap.time())
  end))

  for _, time in ipairs { 0, 1 } do
    it("of no delay at time " .. time .. " come after what is ready", in_order(function()
      neap.sleep(time)
      local seen = {}
      local function note(name)
        seen[#seen + 1] = name
      end
      local later = neap.call_later(0, note, "later")
      local at = neap.call_at(time, note, "at")
      local negative = neap.call_later(-5, note, "negative")
      local soon = neap.call_soon(note, "soon")
      assert.are.same({ time, time, time }, { later:when(), at:when(), negative:when() })
      assert.is_nil(soon:when())
      neap.sleep(0)
      neap.sleep(0)
      assert.are.same({ "soon", "later", "at", "negative" }, seen)
      assert.are.equal(time, neap.time())
    end))
  end

  it("that never come hold nothing", function()
    local weak = setmetatable({}, { __mode = "v" })
    in_loop(function()
      local value = {}
      weak[1] = value
      neap.call_later(math.huge, print, value)
      neap.call_at(math.huge, print, value):cancel()
    end)()
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)

  for title, misuse in pairs {
    ["NaN"] = function() neap.call_later(0 / 0, print) end,
    ["NaN as a point in time"] = function() neap.call_at(0 / 0, print) end,
    ["a string"] = function() neap.call_later("soon", print) end,
    ["no function"] = function() neap.call_later(1) end,
    ["no callable"] = function() neap.call_later(1, {}) end,
  } do
    it("refuse " .. title, in_loop(function()
      assert.has_error(misuse)
      assert.are.equal(0, neap.stats().timers)
    end))
  end
end)

-- Timers as a plain list, from which the earliest is searched for each time. Whatever is
-- decided depends on the number of the timer or the stream of random numbers alone.
local function new_model()
  local model = { now = 0, log = {}, timers = {}, n = 0 }

  function model.arm(delay)
    model.n = model.n + 1
    local timer = { id = model.n, when = model.now + delay, seq = model.n }
    table.insert(model.timers, timer)
    return timer
  end

  function model.cancel(timer)
    for i, other in ipairs(model.timers) do
      if other == timer then
        table.remove(model.timers, i)
        timer.cancelled = true
      end
    end
  end

  function model.cancelled(timer)
    return timer.cancelled or false
  end

  local function earliest(limit)
    local index
    for i, timer in ipairs(model.timers) do
      local best = model.timers[index]
      if timer.when <= limit and (not best or timer.when < best.when
          or (timer.when == best.when and timer.seq < best.seq)) then
        index = i
      end
    end
    return index
  end

  function model.sleep(delay)
    local limit = model.now + delay
    for index in earliest, limit do
      local timer = table.remove(model.timers, index)
      model.now = timer.when
      model.fired(timer.id)
    end
    model.now = limit
  end

  return model
end

local function new_real()
  local real = { log = {}, n = 0 }

  function real.arm(delay)
    real.n = real.n + 1
    local id = real.n
    return neap.call_later(delay, function()
      real.now = neap.time()
      real.fired(id)
    end)
  end

  function real.cancel(handle)
    handle:cancel()
  end

  function real.cancelled(handle)
    return handle:cancelled()
  end

  function real.sleep(delay)
    neap.sleep(delay)
    real.now = neap.time()
  end

  real.now = neap.time()
  return real
end

-- One random program on `timers`, which is either of the above. Returns what happened.
-- Timers are due at multiples of 1/4, and the program acts 1/8 beside them.
local function random_program(timers, seed)
  local random = randomizer(seed)
  local handles, log = {}, timers.log

  local function arm(delay)
    handles[#handles + 1] = timers.arm(delay)
  end

  function timers.fired(id)
    log[#log + 1] = ("%d at %g"):format(id, timers.now)
    if id % 3 == 0 then
      arm(id % 4 / 4) -- at once, too
    end
    if id % 7 == 0 then
      timers.cancel(handles[1 + id * 31 % #handles])
    end
  end

  local function offset(delay)
    return timers.now % 0.25 == 0 and delay or delay + 0.125
  end

  for _ = 1, 300 do
    local op = random(10)
    if op < 4 then
      arm(offset(random(40) / 4))
    elseif op < 8 and #handles > 0 then
      local i = 1 + random(#handles)
      timers.cancel(handles[i])
      if op < 6 then -- reschedule
        handles[i] = timers.arm(offset(random(40) / 4))
      end
    else
      local delay = random(12) / 4
      timers.sleep(timers.now % 0.25 == 0 and delay + 0.125 or delay)
      log[#log + 1] = ("asleep until %g"):format(timers.now)
    end
  end
  timers.sleep(1000)
  for i, handle in ipairs(handles) do
    log[#log + 1] = ("%d %s"):format(i, timers.cancelled(handle))
  end
  return log
end

describe("timers", function()
  for seed = 1, 25 do
    it("do what a plain list does, program " .. seed, in_order(function()
      local expected = random_program(new_model(), seed)
      assert.are.same(expected, random_program(new_real(), seed))
      assert.is_true(#expected > 300)
      assert.are.equal(0, neap.stats().timers)
    end))
  end

  it("that are cancelled never fire, whatever their place", in_loop(function()
    for n = 1, 40 do
      for cancelled = 1, n do
        local seen, expected, handles = {}, {}, {}
        for i = 1, n do
          local delay = 1 + i * 17 % 41
          handles[i] = neap.call_later(delay, function() seen[#seen + 1] = delay end)
          expected[#expected + 1] = i ~= cancelled and delay or nil
        end
        handles[cancelled]:cancel()
        assert.is_true(handles[cancelled]:cancelled())
        table.sort(expected)
        neap.sleep(100)
        assert.are.same(expected, seen)
      end
    end
  end))
end)

describe("the real clock", function()
  -- neap.time() is in seconds with a fraction: rounding is not being early.
  local ROUNDING = 1e-6

  it("never wakes a sleeper early #plain", function()
    neap.run(function()
      for _, delay in ipairs { 0.01, 0.001, 0.0005, 0.0031 } do
        local before = neap.time()
        neap.sleep(delay)
        assert.is_true(neap.time() - before >= delay - ROUNDING)
      end
    end)
  end)

  it("never calls a callback early #plain", function()
    neap.run(function()
      local called = neap.future()
      local handle = neap.call_later(0.005, function() called:set_result(neap.time()) end)
      assert.is_true(called:await() >= handle:when() - ROUNDING)
    end)
  end)

  it("wakes sleepers in the order of their deadlines #plain", function()
    neap.run(function()
      local seen, tasks = {}, {}
      for i, delay in ipairs { 0.009, 0.001, 0.005, 0.003, 0.007 } do
        tasks[i] = neap.create_task(function()
          neap.sleep(delay)
          seen[#seen + 1] = delay
        end)
      end
      for _, task in ipairs(tasks) do
        task:await()
      end
      assert.are.same({ 0.001, 0.003, 0.005, 0.007, 0.009 }, seen)
    end)
  end)
end)
