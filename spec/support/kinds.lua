-- One object of every kind that Lua sees, for specs that treat all alike.
--
--   kinds.names             sorted
--   kinds.make[name]()      makes one; in a task
--   kinds.finish[name](o)   ends it in its own way, where that is not its `close`
--   kinds.methods(object)   { name = function }: methods and metamethods
local neap = require "neap"
local fs = require "neap.fs"
local net = require "neap.net"
local process = require "neap.process"
local signal = require "neap.signal"
local stdio = require "neap.stdio"

local kinds = {}

local function nothing() end

kinds.make = {
  barrier = function() return neap.barrier(2) end,
  bounded_semaphore = function() return neap.bounded_semaphore(1) end,
  child = function() return process.spawn { "true" } end,
  condition = neap.condition,
  context_var = function() return neap.context_var "x" end,
  event = neap.event,
  file = function() return fs.open "/etc/passwd" end,
  future = neap.future,
  group = function() return neap.task_group() end,
  guard = function() return neap.lock():acquire() end,
  handle = function() return neap.call_later(1, nothing) end,
  handler = function() return signal.on("SIGUSR1", nothing) end,
  lifo_queue = neap.lifo_queue,
  lock = neap.lock,
  memory_stream = function() return (neap.testing.memory_stream()) end,
  priority_queue = neap.priority_queue,
  queue = neap.queue,
  scope = function() return neap.timeout(100) end,
  semaphore = function() return neap.semaphore(1) end,
  server = function() return net.listen("127.0.0.1", 0, function(stream) stream:read() end) end,
  standard_stream = function() return stdio.stdin end,
  task = function() return neap.create_task(neap.sleep, 0.01) end,
  token = function() return neap.context_var "x":set(1) end,
  udp = function() return net.udp("127.0.0.1", 0) end,
  watch = function() return fs.watch "/tmp" end,
}

kinds.finish = {
  barrier = function(barrier) barrier:abort() end,
  child = function(child) child:wait() end,
  future = function(future) future:set_result() end,
  handle = function(handle) handle:cancel() end,
  lifo_queue = function(queue) queue:shutdown() end,
  priority_queue = function(queue) queue:shutdown() end,
  queue = function(queue) queue:shutdown() end,
  task = function(task) task:await() end,
}

kinds.names = {}
for name in pairs(kinds.make) do kinds.names[#kinds.names + 1] = name end
table.sort(kinds.names)

function kinds.methods(object)
  local metatable, methods = debug.getmetatable(object), {}
  for _, source in ipairs { metatable, metatable.__index } do
    if type(source) == "table" then
      for name, value in pairs(source) do
        if type(value) == "function" then methods[name] = value end
      end
    end
  end
  return methods
end

return kinds
