-- A task with a timeout: wait_for cancels the task when time is up, lets it
-- clean up, and then raises TimeoutError.
local neap = require "neap"

local function fetch_data(input_data, delay)
  neap.sleep(delay)
  return { input_data = input_data, timestamp = os.time() }
end

local function show(data)
  print(("{ input_data = %d, timestamp = %d }"):format(data.input_data, data.timestamp))
end

local function main()
  local task = neap.create_task(fetch_data, 5, 30)

  local ok, result = pcall(neap.wait_for, task, 3)
  if ok then
    print("Retrieved data:")
    show(result)
  elseif neap.is(result, neap.TimeoutError) then
    print("Request took too long. Try again.")
  elseif neap.is(result, neap.CancelledError) then
    print("Request was canceled.")
  else
    error(result, 0)
  end
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
