-- How cost grows with the number of tasks, and how long the collector stops them.
-- usage: neap --virtual-clock bench/scale.lua cost N
--        neap bench/scale.lua pause N incremental|patient|generational|stopped
-- All times are CPU time, so that what else the machine does does not count.
-- `./dev bench --scale` calls this for many N.
local neap = require "neap"

local mode, N, collector = arg[1], math.tointeger(arg[2]), arg[3]
local create_task, sleep, clock = neap.create_task, neap.sleep, os.clock

local function resident_bytes()
  local file <close> = assert(io.open "/proc/self/statm")
  return math.tointeger(file:read "a":match "^%d+ (%d+)") * 4096
end

-- --- Cost ----------------------------------------------------------------------

local spent = { create = 0, switch = 0, sleep = 0, finish = 0 }

local function timed(name, fn, ...)
  local began = clock()
  fn(...)
  spent[name] = spent[name] + clock() - began
end

-- All tasks switch `turns` times, sleep once, and end.
local function cost_once(turns)
  local tasks = {}
  local function body(i)
    for _ = 1, turns do sleep(0) end
    sleep(1 + i * 7919 % N / N)
    sleep(10)
  end
  timed("create", function()
    for i = 1, N do tasks[i] = create_task(body, i) end
    sleep(0)
  end)
  timed("switch", function()
    for _ = 1, turns do sleep(0) end
  end)
  local resident = resident_bytes()
  timed("sleep", sleep, 5)
  timed("finish", function()
    for i = 1, N do tasks[i]:await() end
  end)
  return resident
end

local function cost()
  local repeats, turns = math.max(1, 300000 // N), 5
  sleep(0)
  collectgarbage()
  local before = resident_bytes()
  local most = cost_once(turns) -- before there is garbage of earlier tasks
  for _ = 2, repeats do cost_once(turns) end
  local ops = repeats * N
  print(("%d %.1f %.1f %.1f %.1f %.0f"):format(N, spent.create / ops * 1e9,
    spent.switch / ops / turns * 1e9, spent.sleep / ops * 1e9, spent.finish / ops * 1e9,
    (most - before) / N))
end

-- --- Pauses --------------------------------------------------------------------

local collectors = {
  incremental = function() collectgarbage "incremental" end,
  patient = function() collectgarbage("incremental", 400) end,
  generational = function() collectgarbage "generational" end,
  stopped = function() collectgarbage "stop" end,
}

-- What a busy task leaves behind for the collector: 24 small tables a tick.
local function litter()
  local last
  for i = 1, 24 do last = { i, last } end
  return last
end

local cycles = 0

local function count_cycles()
  setmetatable({}, { __gc = function()
    cycles = cycles + 1
    count_cycles()
  end })
end

-- tick(until) -> the longest time between two turns of this task
local function ticks(go_on)
  local longest, last = 0, clock()
  while go_on() do
    sleep(0)
    local now = clock()
    longest, last = math.max(longest, now - last), now
  end
  return longest * 1000
end

local function pause()
  collectors[collector]()
  local sleepers = 0
  local function sleep_long() sleep(36000) end
  local growing = ticks(function()
    for _ = 1, 50 do create_task(sleep_long) end
    sleepers = sleepers + 50
    litter()
    return sleepers < N
  end)
  sleep(0)
  count_cycles()
  -- Twice what the sleepers take: in any mode the collector comes round.
  local budget, began = 2 * collectgarbage "count", clock()
  local made = 0
  local longest = ticks(function()
    litter()
    made = made + 24 * 88 / 1024
    return made < budget
  end)
  print(("%d %s %.2f %.2f %d %.2f %.0f"):format(N, collector, growing, longest, cycles,
    clock() - began, resident_bytes() / 2 ^ 20))
  os.exit(0, false)
end

if mode == "cost" then cost() else pause() end
