-- Canceling a task: CancelledError is raised in it where it waits, so that it
-- may clean up, and then in whoever awaits it.
local neap = require "neap"

local function fetch_data(input_data, delay)
  neap.sleep(delay)
  return { input_data = input_data, timestamp = os.time() }
end

local function main()
  local task = neap.create_task(fetch_data, 2, 10)
  neap.sleep(1)
  task:cancel("Took too long")

  local ok, err = pcall(task.await, task)
  if not ok then
    if not neap.is(err, neap.CancelledError) then error(err, 0) end
    print("Task was canceled.")
  end
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
