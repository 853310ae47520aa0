-- A million of everything: tasks that sleep, chains of tasks that complete, fail, are cancelled
-- and are dropped, tasks that wait for one event. Prints the CPU time, the bytes of each task, and
-- how far the C stack has grown; fails if a result is wrong, or the stack grew beyond 256 KiB.
--
--   neap bench/soak/scale.lua [N]   a million if not said
local neap = require "neap"

local N = math.tointeger(tonumber(arg[1])) or 1000000
local STACK_LIMIT = 256 -- KiB

local function stack_size()
  local file <close> = assert(io.open "/proc/self/status")
  return tonumber(file:read "a":match "VmStk:%s*(%d+) kB")
end

--- Of Lua and of C.
local function bytes()
  return math.floor(collectgarbage "count" * 1024) + neap.stats().bytes
end

local function link(awaited)
  local value = awaited:await()
  return value
end

--- n tasks, each of which awaits the one before; the first awaits `future`.
local function chain(future)
  local task = future
  for _ = 1, N do task = neap.create_task(link, task) end
  neap.sleep(0)
  return task
end

local scenarios = {
  { "tasks sleep", function(measure)
    local woken = 0
    local function sleeper(delay)
      neap.sleep(delay)
      woken = woken + 1
    end
    for i = 1, N do neap.create_task(sleeper, 1 + i * 7919 % 1000) end
    neap.sleep(0)
    measure()
    neap.sleep(2000)
    return woken == N
  end },
  { "a chain completes", function(measure)
    local future, value = neap.future(), {}
    local last = chain(future)
    measure()
    future:set_result(value)
    return last:await() == value
  end },
  { "a chain fails", function(measure)
    local future, broken = neap.future(), neap.Error "broken"
    local last = chain(future)
    measure()
    future:set_exception(broken)
    local ok, err = pcall(last.await, last)
    return not ok and err == broken
  end },
  { "a chain is cancelled", function(measure)
    local future = neap.future()
    local last = chain(future)
    measure()
    last:cancel()
    local ok, err = pcall(last.await, last)
    return not ok and neap.is(err, neap.CancelledError) and future:cancelled()
  end },
  { "a chain is dropped", function(measure)
    local future = neap.future()
    chain(future)
    measure()
    return function() return future:cancelled() end -- by the end of the run
  end },
  { "tasks wait for an event", function(measure)
    local event, woken, misplaced = neap.event(), 0, 0
    local function waiter(i)
      event:wait()
      woken = woken + 1
      if woken ~= i then misplaced = misplaced + 1 end
    end
    for i = 1, N do neap.create_task(waiter, i) end
    neap.sleep(0)
    measure()
    event:set()
    neap.sleep(0)
    return woken == N and misplaced == 0
  end },
}

--- Whether it did what it should; prints the figures.
local function try(title, scenario)
  local _ <close> = neap.testing.virtual_clock()
  collectgarbage()
  local began, before, most = os.clock(), bytes(), nil
  local result = neap.run(scenario, function() most = bytes() end)
  if type(result) == "function" then result = result() end
  local took, stack = os.clock() - began, stack_size()
  local is_right = result and neap.stats().tasks.pending == 0 and stack <= STACK_LIMIT
  print(("%-25s %5.2f s, %5d bytes for each, stack %d KiB%s"):format(title, took,
    (most - before) // N, stack, is_right and "" or ": FAILED"))
  io.stdout:flush()
  return is_right
end

local failed = false
for _, scenario in ipairs(scenarios) do
  failed = not try(table.unpack(scenario)) or failed
end
os.exit(not failed)
