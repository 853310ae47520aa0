-- The result of a task: it can be asked for at any time, but it is there only
-- when the task is done. Awaiting waits for it.
local neap = require "neap"

local function fetch_data(input_data, delay)
  neap.sleep(delay)
  return { input_data = input_data, timestamp = os.time() }
end

local function show(data)
  print(("{ input_data = %d, timestamp = %d }"):format(data.input_data, data.timestamp))
end

local function main()
  local task = neap.create_task(fetch_data, 3, 3)

  local ok, err = pcall(task.result, task)
  if not ok then
    if not neap.is(err, neap.InvalidStateError) then error(err, 0) end
    print("Error: " .. err.message)
  end

  neap.sleep(4)
  local data = task:await()
  print("Retrieved data after waiting:")
  show(data)
  print("Is the task done? " .. tostring(task:done()))
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
