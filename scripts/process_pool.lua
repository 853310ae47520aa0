-- A pool of processes: a command for every item, no more than WORKERS at once. The first that
-- fails ends all: those that run are terminated and waited for, and nothing is left behind.
--
--   neap process_pool.lua COMMAND...     runs "COMMAND... LINE" for every line of standard input
local neap = require "neap"
local process = require "neap.process"

local WORKERS = 4
local TIMEOUT = 60 -- seconds for one command

local function run_one(command, item)
  local words = table.move(command, 1, #command, 1, { timeout = TIMEOUT, check = true })
  words[#words + 1] = item
  local result = process.run(words)
  io.stdout:write(result.stdout)
  io.stderr:write(result.stderr)
end

local function run_all(command, items)
  local queue = neap.queue()
  for _, item in ipairs(items) do queue:put_nowait(item) end
  queue:shutdown() -- those that take from it end when it is empty
  neap.task_group(function(group)
    for _ = 1, WORKERS do
      group:create_task(function()
        for item in queue:items() do run_one(command, item) end
      end)
    end
  end)
end

local function main(command)
  local items = {}
  for line in io.lines() do items[#items + 1] = line end
  local ok, err = neap.pcall(run_all, command, items)
  if ok then return end
  for _, failure in ipairs(neap.is(err, neap.ExceptionGroup) and err.errors or { err }) do
    io.stderr:write("process_pool: ", tostring(failure), "\n")
  end
  os.exit(1, true)
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main(arg) else neap.run(main, arg) end
