-- A graceful shutdown, in the order that matters: take no more work, finish what was begun,
-- give the stragglers a grace period, then cancel them, and let them clean up.
local neap = require "neap"

local WORKERS, GRACE = 3, 2.0
local jobs = { 0.7, 0.9, 1.1, 1.6, 9.0, 0.8, 0.6, 0.5, 0.4 } -- seconds that each takes

local began = neap.time()

local function log(...)
  print(("%.1f  %s"):format(neap.time() - began, string.format(...)))
end

--- A job's transaction: committed at the block's end, or rolled back if an error ended it.
local function transaction(id)
  return setmetatable({}, { __close = function(_, err)
    if err then neap.sleep(0.1) end -- cleaning up may wait, too
    log("job %d %s", id, err and "rolled back: " .. tostring(err) or "committed")
  end })
end

local function worker(queue)
  for id in queue:items() do
    log("job %d begins", id)
    local _ <close> = transaction(id)
    neap.sleep(jobs[id])
  end
end

local function main()
  local queue, stop = neap.queue(), neap.event()
  for id in ipairs(jobs) do queue:put(id) end

  -- In a service: neap.signal.on("SIGTERM", ...). Here, a timer.
  neap.call_later(2.0, stop.set, stop)

  neap.task_group(function(group)
    local workers = {}
    for i = 1, WORKERS do workers[i] = group:create_task(worker, queue) end

    stop:wait()
    log("stop: %d jobs are not begun, and will not be", queue:qsize())
    queue:shutdown(true) -- at once: what is still in the queue is dropped

    local _, stragglers = neap.wait(workers, { timeout = GRACE })
    log("grace period over: %d still at work", #stragglers)
    for _, task in ipairs(stragglers) do task:cancel "shutting down" end
  end)
  log "bye"
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
