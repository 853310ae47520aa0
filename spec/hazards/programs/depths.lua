-- Calls functions at every depth of C calls that Lua allows, and with the Lua stack nearly full.
-- Each call works or raises; afterwards nothing waits that nobody holds, and the task is unharmed.
local neap = require "neap"
local fs = require "neap.fs"
local json = require "neap.json"
local net = require "neap.net"
local process = require "neap.process"
local testing = require "neap.testing"

local function nothing() end

local calls = {
  all_tasks = neap.all_tasks,
  await = function() neap.create_task(nothing):await() end,
  call_soon = function() neap.call_soon(nothing) end,
  cancel = function() neap.create_task(neap.sleep, 1):cancel() end,
  create_task = function() neap.create_task(nothing) end,
  decode = function() json.decode '[[["x"]]]' end,
  eager = function() neap.create_task({ eager_start = true }, neap.sleep, 0) end,
  encode = function() json.encode { { { "x" } } } end,
  error = function() error(neap.Error "x") end,
  event = function() neap.event():set() end,
  format_tasks = neap.format_tasks,
  future = function() neap.future():set_result(1) end,
  gather = function() neap.gather(nothing, nothing) end,
  group = function()
    neap.task_group(function(group) group:create_task(neap.sleep, 0) end)
  end,
  listen = function() net.listen("127.0.0.1", 0, nothing):close() end,
  lock = function() neap.lock():with(neap.sleep, 0) end,
  pcall = function() assert(neap.pcall(neap.sleep, 0)) end,
  queue = function()
    local queue = neap.queue()
    queue:put(1)
    queue:get()
  end,
  run = function() pcall(neap.run, nothing) end,
  sleep = function() neap.sleep(0) end,
  spawn = function() process.spawn { "/no/such/program" } end,
  stat = function() fs.stat "/" end,
  stream = function()
    local one, other = testing.memory_stream()
    one:write "x"
    other:read()
    one:close()
    other:close()
  end,
  suspend = function() neap.suspend(function(resume) resume() end) end,
  timeout = function() neap.timeout(1, neap.sleep, 0) end,
  tostring = function() return tostring(neap.current_task()) end,
  traceback = function() return neap.current_task():traceback() end,
  wait = function() neap.wait { neap.create_task(nothing) } end,
  wait_for = function() neap.wait_for(neap.sleep, 1, 0) end,
  xpcall = function() neap.xpcall(neap.sleep, debug.traceback, 0) end,
}

local deep = {}

neap.set_exception_handler(nothing) -- of eager tasks

--- fn is called below `depth` coroutines, where it may wait.
function deep.coroutines(depth, fn)
  if depth == 0 then return fn() end
  return coroutine.wrap(deep.coroutines)(depth - 1, fn)
end

--- fn is called below `depth` functions in C, where it may not.
function deep.functions(depth, fn)
  if depth == 0 then return fn() end
  local ok, err = true, nil
  string.gsub("x", "x", function() ok, err = pcall(deep.functions, depth - 1, fn) end)
  if not ok then error(err, 0) end
end

--- fn is called below `depth` functions in Lua.
local function fill(depth, fn)
  if depth == 0 then return fn() end
  fill(depth - 1, fn)
  return nil
end
deep.levels = fill

--- The depth at which Lua itself refuses.
local function limit_of(into)
  local possible, impossible = 1, 1000
  while impossible - possible > 1 do
    local depth = (possible + impossible) // 2
    if pcall(into, depth, nothing) then possible = depth else impossible = depth end
  end
  return impossible
end

--- The same for `fill`, which takes its time: found by filling the stack once.
local function limit_of_levels()
  local reached
  local function count(depth, fn)
    reached = depth
    count(depth + 1, fn)
    return nil
  end
  pcall(count, 1, nothing)
  return reached
end

local names = {}
for name in pairs(calls) do names[#names + 1] = name end
table.sort(names)

local done, refused = 0, 0

--- Whether fn works at that depth is counted.
local function try(into, depth, fn)
  if pcall(into, depth, fn) then done = done + 1 else refused = refused + 1 end
end

local function try_all(kind, into)
  local is_slow = kind == "levels"
  local limit = is_slow and limit_of_levels() or limit_of(into)
  for i = 1, #names, is_slow and 10 or 1 do
    for _, below in ipairs(is_slow and { 2, 30 } or { 1, 2, 3, 4, 5, 6, 8, 12, 24 }) do
      try(into, limit - below, calls[names[i]])
    end
    assert(neap.sleep(0.001, "slept") == "slept")
  end
end

for kind, into in pairs(deep) do try_all(kind, into) end
testing.settle()
local stats = neap.stats()
print(done > 100, refused > 100, stats.tasks.pending, stats.timers)
