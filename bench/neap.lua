-- The workloads, for neap.  usage: neap bench/neap.lua WORKLOAD N [PEER]
-- Prints: workload peer N seconds ops_per_s peak_rss_kb base_rss_kb cpu_s,
-- where seconds are those of the workload alone. PEER is the name to print;
-- as neap_gen it also switches the collector to generational mode.
local workload, N, peer = arg[1], math.tointeger(arg[2]) or 1, arg[3] or "neap"

local neap = require "neap"

local create_task, sleep, wait_for = neap.create_task, neap.sleep, neap.wait_for
local run = {}

local function noop() return 1 end

local function await_all(tasks)
  for i = 1, #tasks do tasks[i]:await() end
end

-- Create a task that returns at once, and await it.
function run.W1()
  for _ = 1, N do create_task(noop):await() end
  return N
end

-- N tasks, each of which lets the others run once.
function run.W2()
  local tasks = {}
  local function yield_once() sleep(0) end
  for i = 1, N do tasks[i] = create_task(yield_once) end
  await_all(tasks)
  return N
end

-- Two tasks that take turns.
function run.W3()
  local function turns()
    for _ = 1, N do sleep(0) end
  end
  local a, b = create_task(turns), create_task(turns)
  a:await()
  b:await()
  return 2 * N
end

-- N sleepers, which wake within a second.
function run.W4()
  local tasks = {}
  local function sleep_ms(ms) sleep(ms / 1000) end
  for i = 1, N do tasks[i] = create_task(sleep_ms, 1 + i * 7919 % 1000) end
  await_all(tasks)
  return N
end

-- Cancel N sleepers; every one of them raises CancelledError.
function run.W5()
  local tasks = {}
  local function sleep_long() sleep(3600) end
  for i = 1, N do tasks[i] = create_task(sleep_long) end
  sleep(0)
  for i = 1, N do tasks[i]:cancel() end
  for i = 1, N do
    local ok, err = pcall(tasks[i].await, tasks[i])
    assert(not ok and neap.is(err, neap.CancelledError))
  end
  return N
end

-- A timeout that does not fire, around a task.
function run.W6()
  for _ = 1, N do assert(wait_for(create_task(noop), 10) == 1) end
  return N
end

-- The same around a function, which needs no task.
function run.W6f()
  for _ = 1, N do assert(wait_for(noop, 10) == 1) end
  return N
end

-- N timeouts that all fire.
local function timeouts(wait)
  local fired, tasks = 0, {}
  local function bounded(seconds)
    local ok, err = pcall(wait, seconds)
    if not ok and neap.is(err, neap.TimeoutError) then fired = fired + 1 end
  end
  for i = 1, N do tasks[i] = create_task(bounded, (1 + i % 100) / 1000) end
  await_all(tasks)
  assert(fired == N)
  return N
end

function run.W7()
  local function sleep_long() sleep(3600) end
  return timeouts(function(seconds) wait_for(create_task(sleep_long), seconds) end)
end

function run.W7f()
  return timeouts(function(seconds) wait_for(sleep, seconds, 3600) end)
end

-- A producer and a consumer.
local function queue_of(size)
  local queue = neap.queue(size)
  local producer = create_task(function()
    for i = 1, N do queue:put(i) end
  end)
  local consumer = create_task(function()
    for i = 1, N do
      if queue:get() ~= i then error "order" end
    end
  end)
  producer:await()
  consumer:await()
  return N
end

function run.W8a() return queue_of(1) end

function run.W8b() return queue_of(1000) end

-- A number goes round a ring of a thousand tasks.
function run.W9()
  local size, queues, done = 1000, {}, neap.event()
  for i = 0, size - 1 do queues[i] = neap.queue(1) end
  for i = 0, size - 1 do
    local here, there = queues[i], queues[(i + 1) % size]
    create_task(function()
      while true do
        local left = here:get()
        if left == 0 then return done:set() end
        there:put(left - 1)
      end
    end)
  end
  queues[0]:put(N)
  done:wait()
  return N
end

-- N processes, at most 16 at a time.
function run.W12()
  local process = require "neap.process"
  local left, tasks = N, {}
  local options = { "/bin/true", stdin = "null", stdout = "null", stderr = "null" }
  local function worker()
    while left > 0 do
      left = left - 1
      assert(process.spawn(options):wait() == 0)
    end
  end
  for i = 1, 16 do tasks[i] = create_task(worker) end
  await_all(tasks)
  return N
end

-- The same by process.run, which collects what they write.
function run.W12r()
  local process = require "neap.process"
  local left, tasks = N, {}
  local function worker()
    while left > 0 do
      left = left - 1
      assert(process.run({ "/bin/true" }).code == 0)
    end
  end
  for i = 1, 16 do tasks[i] = create_task(worker) end
  await_all(tasks)
  return N
end

if workload == "W10" then -- measured from outside, as a whole process
  create_task(print, "hello"):await()
  return
end

-- --- Measuring ----------------------------------------------------------------

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function resident_kb()
  return math.tointeger(read "/proc/self/statm":match "^%d+ (%d+)") * 4
end

local function peak_kb()
  return math.tointeger(read "/proc/self/status":match "VmHWM:%s+(%d+)")
end

if peer == "neap_gen" then collectgarbage "generational" end
sleep(0)
collectgarbage()
local base, cpu, began = resident_kb(), os.clock(), neap.time()
local ops = assert(run[workload], "no such workload")()
local seconds = neap.time() - began
cpu = os.clock() - cpu
print(("%s %s %d %.4f %.0f %d %d %.3f"):format(
  workload, peer, N, seconds, ops / seconds, peak_kb(), base, cpu))
os.exit(0, false)
