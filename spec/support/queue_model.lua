-- The model of the queues, as model.lua has them of the other primitives.
--
-- An item is in the queue until a getter runs, and a putter puts its item when it runs: to be
-- woken says only that there is something to take, or place to put.

local model = require "spec.support.model"

local Model, claim = model.Model, model.claim
local position, withdraw, join = model.position, model.withdraw, model.join

local Queue = model.class(Model)

--- pick(items): the place of an item that may come next; key(item): equal for all that may.
local function new(maxsize, pick, key)
  return model.instance(Queue, {
    maxsize = maxsize, pick = pick, key = key or function(item) return item end,
    items = {}, unfinished = 0, calls = 0, robbed = {},
    putting = {}, getters = {}, putters = {}, joiners = {},
  })
end

function Queue:full()
  return self.maxsize > 0 and #self.items >= self.maxsize
end

-- Who does not wait goes ahead of who has been woken and has not run. That one waits on, and
-- may have lost its place; so may those whose turn it takes later.
function Queue:turn(list, who, n)
  local entry = withdraw(list, who)
  local own = entry and not entry.passed
  local place = 1
  for _, other in ipairs(list) do
    if not own then
      other.passed = true
    elseif other.since < entry.since and not other.passed then
      place = place + 1
    end
  end
  if own and not self.down then
    claim(place <= (self.fifo and 1 or n), "task %d got ahead of another", who)
  end
end

function Queue:wait(list, who, ready)
  self.calls = self.calls + 1
  if ready then
    self.prompt = who
  else
    join(list, who, { since = self.calls })
  end
end

function Queue:add(item)
  claim(not self.down, "put into a queue that is shut down")
  claim(not self:full(), "put into a full queue")
  self.items[#self.items + 1] = item
  self.unfinished = self.unfinished + 1
end

function Queue:remove(item)
  claim(#self.items > 0, "%s came from an empty queue", item)
  local due = self.items[self.pick(self.items)]
  claim(self.key(item) == self.key(due), "got %s, not %s", item, due)
  for i, other in ipairs(self.items) do
    if other == item then return table.remove(self.items, i) end
  end
  claim(false, "%s is not in the queue", item)
end

Queue["put call"] = function(self, event)
  self.putting[event.who] = event.what
  self:wait(self.putters, event.who, self.down or not self:full())
end

Queue["put done"] = function(self, event)
  self:turn(self.putters, event.who, self.maxsize - #self.items)
  self:add(self.putting[event.who])
end

Queue["put error"] = function(self, event)
  withdraw(self.putters, event.who)
  local due = self.down and "QueueShutDown" or self:full() and "QueueFull"
  claim(event.what == due, "%s instead of %s", event.what, due)
end

Queue["put_nowait done"] = function(self, event)
  self:turn(self.putters, event.who)
  self:add(event.what)
end

Queue["put_nowait error"] = Queue["put error"]

Queue["get call"] = function(self, event)
  self:wait(self.getters, event.who, self.down or #self.items > 0)
end

Queue["get done"] = function(self, event)
  self:turn(self.getters, event.who, #self.items)
  self:remove(event.what)
end

Queue["get_nowait done"] = Queue["get done"]

Queue["get error"] = function(self, event)
  withdraw(self.getters, event.who)
  claim(#self.items == 0, "%s with %d items", event.what, #self.items)
  claim(event.what == (self.down and "QueueShutDown" or "QueueEmpty"), "%s", event.what)
end

Queue["get_nowait error"] = Queue["get error"]

function Queue:finish(n)
  self.unfinished = math.max(0, self.unfinished - n)
  if self.unfinished > 0 then return end
  for _, entry in ipairs(self.joiners) do
    entry.free = true
  end
end

Queue["task_done done"] = function(self)
  claim(self.unfinished > 0, "task_done too often")
  self:finish(1)
end

Queue["task_done error"] = function(self, event)
  claim(event.what == "misuse" and self.unfinished == 0, "%s", event.what)
end

Queue["join call"] = function(self, event)
  self:wait(self.joiners, event.who, self.unfinished == 0)
end

Queue["join done"] = function(self, event)
  if position(self.joiners, event.who) then
    local entry = self:in_turn(self.joiners, event.who, #self.joiners)
    claim(entry.free, "%d tasks are unfinished", self.unfinished)
  end
end

Queue["shutdown done"] = function(self, event)
  self.down = true
  if event.what then
    local dropped = #self.items
    self.items = {}
    self:finish(dropped)
  end
end

-- Who lost its place and is cancelled may wake the next in vain, which loses its place by that.
function Queue:withdraw(who)
  local entry = withdraw(self.getters, who) or withdraw(self.putters, who)
  if entry and entry.passed then self:pass(who) end
  return entry or withdraw(self.joiners, who)
end

function Queue:pass(who)
  self.robbed[who] = true
  for _, list in ipairs { self.getters, self.putters } do
    for _, entry in ipairs(list) do
      entry.passed = true
    end
  end
end

function Queue:cancelled(event)
  Model.cancelled(self, event)
  if self.robbed[event.who] then self:pass(event.who) end
  self.robbed[event.who] = nil
end

function Queue:settled()
  self:all_seen()
  if self.down or #self.items > 0 then
    self.nobody(self.getters, "for an item")
  end
  if self.down or not self:full() then
    self.nobody(self.putters, "for a place")
  end
  for _, entry in ipairs(self.joiners) do
    claim(not entry.free, "task %d is left joining", entry.who)
  end
end

function Queue:compare(size)
  claim(size == #self.items, "qsize() is %d", size)
end

return new
