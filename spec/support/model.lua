-- Plain models of the primitives, against which the logs of randomised programs are checked.
--
-- A log has every event in the order in which it happened: { time, phase, who, op, what, seen }.
--
--   phase  "call"       task number `who` begins operation `op`, with `what`, and may wait
--          "done"       it has ended, with `what`; it took effect at this moment
--          "cancelled"  it has raised CancelledError
--          "error"      it has raised another error, named by `what`
--          "cancel"     somebody is about to cancel task `who`
--          "quiet"      the clock has moved on
--   seen   what the primitive told of its state: before a "call" or a "cancel", after the others
--
-- A model is nothing but a state and lists of who waits. It reads the log and raises, as text,
-- what is wrong with the first event that could not have happened. When the clock moves on,
-- every task has got as far as it can: at each such moment nobody may be left waiting for what
-- is free. The model of the queues is in queue_model.lua.

local model = {}

-- What all models have in common -------------------------------------------------------------

local function claim(holds, text, ...)
  if not holds then error(text:format(...), 0) end
end

local function position(list, who)
  for i, entry in ipairs(list) do
    if entry.who == who then return i, entry end
  end
end

-- Takes who's entry out of a list; returns it and the place it had.
local function withdraw(list, who)
  local i, entry = position(list, who)
  if i then table.remove(list, i) end
  return entry, i
end

local function join(list, who, fields)
  local entry = fields or {}
  entry.who = who
  list[#list + 1] = entry
end

local Model = {}
Model.__index = Model

local function class(parent)
  local new = setmetatable({}, parent)
  new.__index = new
  return new
end

local function instance(of, fields)
  fields.time = 0
  fields.zombies = {} -- who was cancelled while it waited, and has not run since
  return setmetatable(fields, of)
end

--- Reads the next event, or raises what is wrong with it.
function Model:take(event)
  local prompt = self.prompt
  if prompt then
    claim(event.who == prompt and event.phase ~= "call", "task %d had no reason to wait", prompt)
    self.prompt = nil
  end
  if event.time > self.time then
    self:settled()
    self.time = event.time
  end
  local read = self[event.op .. " " .. event.phase] or self[event.phase]
  claim(read, "%s %s: %s", event.op, event.phase, event.what)
  local before = event.phase == "call" or event.phase == "cancel"
  if before then self:compare(event.seen) end
  read(self, event)
  if not before then self:compare(event.seen) end
end

function Model.quiet() end

--- Takes who out of where it waits, if it waits at all.
function Model:withdraw(who) return withdraw(self.waiters, who) end

function Model:cancel(event)
  if self:withdraw(event.who) then
    self.zombies[event.who] = true
  end
end

function Model:cancelled(event)
  claim(self.zombies[event.who], "nobody cancelled task %d here", event.who)
  self.zombies[event.who] = nil
end

--- Whoever was cancelled has seen it.
function Model:all_seen()
  local who = next(self.zombies)
  claim(not who, "task %s has not seen its cancellation", who)
end

function Model.nobody(list, why)
  claim(#list == 0, "task %s is left waiting %s", #list > 0 and list[1].who, why)
end

--- The first event with which a log goes wrong, and how; nil if it is sound.
function Model:judge(log)
  for i, event in ipairs(log) do
    local ok, problem = pcall(self.take, self, event)
    if not ok then return i, problem end
  end
end

--- Takes who out of a list in which it should be among the first n, the first in fact if the
-- order is first in, first out.
function Model:in_turn(list, who, n)
  local entry, i = withdraw(list, who)
  claim(entry, "task %d was not waiting", who)
  claim(i <= (self.fifo and 1 or n), "task %d got ahead of another", who)
  return entry
end

-- Lock ---------------------------------------------------------------------------------------

local Lock = class(Model)

function model.lock()
  return instance(Lock, { acquirers = {} })
end

function Lock:idle()
  return not self.holder and #self.acquirers == 0 and not next(self.zombies)
end

Lock["acquire call"] = function(self, event)
  self.prompt = self:idle() and event.who or nil
  join(self.acquirers, event.who)
end

function Lock:hand_to(who)
  claim(not self.holder, "task %d holds it already", self.holder)
  self.holder = who
end

-- Only the first waiter is ever woken, so this order holds shuffled too.
Lock["acquire done"] = function(self, event)
  self:hand_to(event.who)
  self:in_turn(self.acquirers, event.who, 1)
end

Lock["release done"] = function(self, event)
  claim(self.holder == event.who, "task %d does not hold it", event.who)
  self.holder = nil
end

Lock["misuse error"] = function(_, event)
  claim(event.what == "misuse", "%s, not misuse", event.what)
end

function Lock:withdraw(who) return withdraw(self.acquirers, who) end

function Lock:settled()
  if self.holder then return end
  self.nobody(self.acquirers, "for a free lock")
  self:all_seen()
end

function Lock:compare(locked)
  claim(locked or not self.holder, "not locked, though task %s holds it", self.holder)
  claim(not (locked and self:idle()), "locked, though nobody holds it")
end

-- Condition: a lock, and who waits to be notified ----------------------------------------------

local Condition = class(Lock)

function model.condition()
  return instance(Condition, { acquirers = {}, waiters = {}, spurious = 0 })
end

function Condition:idle() return Lock.idle(self) and #self.waiters == 0 end

Condition["wait call"] = function(self, event)
  Lock["release done"](self, event)
  join(self.waiters, event.who)
end

Condition["wait done"] = function(self, event)
  self:hand_to(event.who)
  local entry = self:in_turn(self.waiters, event.who, #self.waiters)
  if not entry.notified then
    claim(self.spurious > 0, "nobody notified task %d", event.who)
    self.spurious = self.spurious - 1
  end
end

Condition["wait cancelled"] = function(self, event)
  self:cancelled(event)
  self:hand_to(event.who)
end

function Condition:notify(n)
  for _, entry in ipairs(self.waiters) do
    if n == 0 then break end
    if not entry.notified then
      entry.notified = true
      n = n - 1
    end
  end
end

Condition["notify done"] = function(self, event)
  claim(self.holder == event.who, "task %d does not hold the lock", event.who)
  self:notify(event.what)
end

-- A notified waiter that is cancelled passes it on. Any cancelled one may: asyncio lets such a
-- wake-up come too often, and later.
function Condition:withdraw(who)
  local entry = withdraw(self.waiters, who)
  if not entry then return withdraw(self.acquirers, who) end
  self.spurious = self.spurious + 1
  if entry.notified then self:notify(1) end
  return entry
end

function Condition:settled()
  Lock.settled(self)
  for _, entry in ipairs(self.holder and {} or self.waiters) do
    claim(not entry.notified, "task %d was notified, and is left waiting", entry.who)
  end
end

-- Semaphore ----------------------------------------------------------------------------------

local Semaphore = class(Model)

--- bound: of a bounded one, or nil.
function model.semaphore(value, bound)
  return instance(Semaphore, { value = value, bound = bound, waiters = {} })
end

-- Whether every slot that was given back is in its value, rather than on its way to somebody.
function Semaphore:idle() return #self.waiters == 0 and not next(self.zombies) end

Semaphore["acquire call"] = function(self, event)
  self.prompt = self:idle() and self.value > 0 and event.who or nil
  join(self.waiters, event.who)
end

Semaphore["acquire done"] = function(self, event)
  claim(self.value > 0, "task %d got a slot where there was none", event.who)
  self:in_turn(self.waiters, event.who, self.value)
  self.value = self.value - 1
end

Semaphore["release done"] = function(self)
  local full = self.bound and self.value >= self.bound
  claim(not full or not self:idle(), "released more often than acquired")
  self.overfull = self.overfull or full -- a slot that was on its way to somebody hid it
  self.value = self.value + 1
end

Semaphore["release error"] = function(self, event)
  claim(self.bound and self.value >= self.bound, "%s, with %d free", event.what, self.value)
end

function Semaphore:settled()
  if self.value > 0 then
    self.nobody(self.waiters, "for a free slot")
  end
  self:all_seen()
  local most = not self.overfull and self.bound or self.value
  claim(self.value <= most, "%d slots are free, of %d", self.value, most)
end

function Semaphore:compare(locked)
  claim(locked or #self.waiters == 0, "not locked, though task %s waits",
    #self.waiters > 0 and self.waiters[1].who)
  if self:idle() then
    claim(locked == (self.value == 0), "locked() is %s with %d free", locked, self.value)
  end
end

-- Event --------------------------------------------------------------------------------------

local Event = class(Model)

function model.event()
  return instance(Event, { flag = false, waiters = {} })
end

Event["wait call"] = function(self, event)
  if self.flag then
    self.prompt = event.who
  else
    join(self.waiters, event.who)
  end
end

Event["wait done"] = function(self, event)
  if position(self.waiters, event.who) then
    local entry = self:in_turn(self.waiters, event.who, #self.waiters)
    claim(entry.woken, "task %d was not woken", event.who)
  end
end

Event["set done"] = function(self)
  self.flag = true
  for _, entry in ipairs(self.waiters) do
    entry.woken = true
  end
end

Event["clear done"] = function(self) self.flag = false end

function Event:settled()
  for _, entry in ipairs(self.waiters) do
    claim(not entry.woken, "task %d is left waiting", entry.who)
  end
  self:all_seen()
end

function Event:compare(set)
  claim(set == self.flag, "is_set() is %s", set)
end

-- Barrier ------------------------------------------------------------------------------------

local Barrier = class(Model)

--- arrived: who waits for others to come. leaving: who has been let through or thrown out,
-- and has not run since. came, went: how many, at this instant of the clock. unsure: several
-- things happened at it, in an order that is left open; until it is over, anybody may leave.
function model.barrier(parties)
  return instance(Barrier, {
    parties = parties, arrived = {}, leaving = {}, indexes = {}, came = 0, went = 0,
  })
end

Barrier["wait call"] = function(self, event)
  local who = event.who
  self.came = self.came + 1
  if self.broken then
    self.prompt = who
    join(self.leaving, who, { broken = true, prompt = true })
    return
  end
  if #self.leaving > 0 or next(self.zombies) then
    self.unsure = true -- it waits outside until the others have left
  end
  join(self.arrived, who)
  if #self.arrived == self.parties and not self.unsure then self:open(who) end
end

-- The last to come is the first to go.
function Barrier:open(last)
  self.prompt = last
  table.insert(self.arrived, 1, table.remove(self.arrived))
  self.leaving, self.arrived, self.indexes = self.arrived, {}, {}
end

-- Whoever is there is thrown out; whoever is on the way out may be.
function Barrier:throw_out()
  self.unsure = self.unsure or #self.leaving > 0
  for _, entry in ipairs(self.arrived) do
    entry.broken = true
    self.leaving[#self.leaving + 1] = entry
  end
  self.arrived = {}
end

Barrier["reset done"] = function(self)
  self:throw_out()
  self.broken = false
end

Barrier["abort done"] = function(self)
  self:throw_out()
  self.broken = true
end

function Barrier:leave(who, broken)
  if self.unsure then
    local _ = withdraw(self.leaving, who) or withdraw(self.arrived, who)
    return
  end
  local entry, i = withdraw(self.leaving, who)
  claim(entry, "task %d left a barrier that was closed", who)
  claim(not entry.broken == not broken, "task %d left in the wrong way", who)
  local ordered = self.fifo and not (entry.prompt or entry.mixed)
  claim(i == 1 or not ordered, "task %d got ahead of another", who)
end

Barrier["wait done"] = function(self, event)
  local index = event.what
  claim(math.type(index) == "integer", "the index is %s", index)
  claim(index >= 0 and index < self.parties, "the index is %d", index)
  claim(self.unsure or self.gone or not self.indexes[index], "two have index %d", index)
  self.indexes[index] = true
  self.went = self.went + 1
  claim(self.went <= self.came - self.came % self.parties, "%d came, %d went", self.came, self.went)
  self:leave(event.who, false)
end

Barrier["wait error"] = function(self, event)
  claim(event.what == "BrokenBarrierError", "%s", event.what)
  self:leave(event.who, true)
end

-- gone: somebody has left without the others; then asyncio gives an index twice.
function Barrier:withdraw(who)
  local entry = withdraw(self.arrived, who) or withdraw(self.leaving, who)
  self.gone = self.gone or entry
  return entry
end

function Barrier:settled()
  self:all_seen()
  if not self.unsure then self.nobody(self.leaving, "at an open barrier") end
  table.move(self.leaving, 1, #self.leaving, #self.arrived + 1, self.arrived)
  local waiting = #self.arrived
  claim(waiting < (self.broken and 1 or self.parties), "%d are left waiting", waiting)
  for _, entry in ipairs(self.unsure and self.arrived or {}) do
    entry.broken, entry.mixed = nil, true -- we do not know in which order they came
  end
  self.leaving, self.unsure, self.came, self.went = {}, false, waiting, 0
  if waiting == 0 then self.gone = nil end
end

function Barrier:compare(seen)
  claim(seen.broken == (self.broken or false), "broken() is %s", seen.broken)
  if not self.unsure and #self.leaving == 0 and not next(self.zombies) then
    claim(seen.waiting == #self.arrived, "n_waiting() is %d", seen.waiting)
  end
end

--- For models of more than this file has.
model.Model, model.class, model.instance = Model, class, instance
model.claim, model.position, model.withdraw, model.join = claim, position, withdraw, join

return model
