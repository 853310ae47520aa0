-- A pipeline with back-pressure: stages joined by bounded queues. When a queue is full, put
-- waits, so a fast producer goes at the pace of the slowest stage, and memory stays bounded.
local neap = require "neap"

local ITEMS = 8
local began = neap.time()

local function log(...)
  print(("%.2f  %s"):format(neap.time() - began, string.format(...)))
end

local function produce(output)
  for i = 1, ITEMS do
    neap.sleep(0.1) -- the time to read one record
    local ready = neap.time()
    output:put("record " .. i)
    local held = neap.time() - ready
    if held > 0.01 then
      log("record %d was held back for %.2f s", i, held)
    else
      log("record %d went straight on", i)
    end
  end
  log "producer done"
  output:shutdown() -- what is in the queue is still delivered
end

local function parse(input, output)
  for record in input:items() do
    neap.sleep(0.15)
    output:put(record:upper())
  end
  output:shutdown()
end

local function store(input)
  for row in input:items() do
    neap.sleep(0.6) -- the slowest stage
    log("                stored %s", row)
  end
end

local function main()
  local records, rows = neap.queue(2), neap.queue(1)

  -- An error in one stage cancels the others: no stage is left waiting for a dead one.
  neap.task_group(function(group)
    group:create_task(produce, records)
    group:create_task(parse, records, rows)
    group:create_task(store, rows)
  end)
  log "all stored"
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
