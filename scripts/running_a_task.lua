-- Running a task: it starts when main first waits, and runs beside it.
-- Awaiting the task gives what its function returned.
local neap = require "neap"

local function fetch_data(input_data, delay)
  neap.sleep(delay)
  return { input_data = input_data, timestamp = os.time() }
end

local function show(data)
  print(("{ input_data = %d, timestamp = %d }"):format(data.input_data, data.timestamp))
end

local function main()
  local task = neap.create_task(fetch_data, 1, 3)
  print("Running other code while the task is active.")
  neap.sleep(1)
  local data = task:await()
  print("Retrieved data:")
  show(data)
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
