-- Queues of the reference: asyncio's queues.py.
local neap = require "neap"
local reference = require "spec.models.reference.tasks"

local class, settle = reference.class, reference.settle
local wait_in, wake_all, misuse = reference.wait_in, reference.wake_all, reference.misuse

-- Queues ---------------------------------------------------------------------------------------

local Queue = class()

local function queues(pick)
  return function(maxsize)
    return setmetatable({
      maxsize = maxsize, pick = pick, items = {}, unfinished = 0,
      getters = {}, putters = {}, joiners = {},
    }, Queue)
  end
end

reference.queue = queues(function() return 1 end)
reference.lifo_queue = queues(function(items) return #items end)
reference.priority_queue = queues(function(items)
  local least = 1
  for i = 2, #items do
    if items[i] < items[least] then least = i end
  end
  return least
end)

function Queue:qsize() return #self.items end
function Queue:full() return self.maxsize > 0 and #self.items >= self.maxsize end

local function wake_next(waiters)
  while waiters[1] do
    local future = table.remove(waiters, 1)
    if future.state == "pending" then
      settle(future, "finished")
      return
    end
  end
end

--- One wait of put or get; ready() is whether there is anything for the next.
function Queue:wait_among(waiters, ready)
  local future, ok, err = wait_in(waiters)
  if ok then return end
  if ready(self) and future.state ~= "cancelled" then wake_next(waiters) end
  error(err, 0)
end

local function not_full(self) return not self:full() end
local function not_empty(self) return #self.items > 0 end

function Queue:put(item)
  while self:full() and not self.down do self:wait_among(self.putters, not_full) end
  self:put_nowait(item)
end

function Queue:put_nowait(item)
  if self.down then error(neap.QueueShutDown()) end
  if self:full() then error(neap.QueueFull()) end
  table.insert(self.items, item)
  self.unfinished = self.unfinished + 1
  wake_next(self.getters)
end

function Queue:get()
  while #self.items == 0 and not self.down do self:wait_among(self.getters, not_empty) end
  return self:get_nowait()
end

function Queue:get_nowait()
  if #self.items == 0 then error(self.down and neap.QueueShutDown() or neap.QueueEmpty()) end
  local item = table.remove(self.items, self.pick(self.items))
  wake_next(self.putters)
  return item
end

function Queue:task_done()
  if self.unfinished == 0 then misuse() end
  self.unfinished = self.unfinished - 1
  if self.unfinished == 0 then wake_all(self.joiners) end
end

function Queue:join()
  if self.unfinished == 0 then return end
  local _, ok, err = wait_in(self.joiners)
  if not ok then error(err, 0) end
end

function Queue:shutdown(immediate)
  self.down = true
  if immediate then
    self.unfinished = math.max(0, self.unfinished - #self.items)
    self.items = {}
    if self.unfinished == 0 then wake_all(self.joiners) end
  end
  while self.getters[1] do wake_next(self.getters) end
  while self.putters[1] do wake_next(self.putters) end
end
