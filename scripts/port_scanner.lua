-- A port scanner: tries many ports, no more than LIMIT at a time, each for a short while.
-- neap scripts/port_scanner.lua [HOST [FIRST [LAST]]]
local neap = require "neap"
local net = require "neap.net"

local host, first, last = arg[1] or "127.0.0.1", tonumber(arg[2] or 1), tonumber(arg[3] or 1024)
local LIMIT, PATIENCE = 100, 1

local function is_open(port)
  local ok, stream = neap.pcall(neap.wait_for, net.connect, PATIENCE, host, port)
  if ok then
    stream:close()
    return true
  end
  -- Refused, unreachable, too slow: closed. Anything else is a mistake of this script.
  if not neap.is(stream, neap.OSError) and not neap.is(stream, neap.TimeoutError) then
    error(stream, 0)
  end
  return false
end

local function main()
  local slots, open = neap.semaphore(LIMIT), {}
  neap.task_group(function(group)
    for port = first, last do
      slots:acquire() -- before the task is made: there are never more than LIMIT of them
      group:create_task(function()
        if is_open(port) then open[#open + 1] = port end
        slots:release()
      end)
    end
  end)
  table.sort(open)
  for _, port in ipairs(open) do print(("%d is open"):format(port)) end
  print(("%d of %d ports are open"):format(#open, last - first + 1))
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
