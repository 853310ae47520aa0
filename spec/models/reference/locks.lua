-- Locks, semaphores, events, conditions and barriers of the reference: asyncio's locks.py.
local neap = require "neap"
local reference = require "spec.models.reference.tasks"

local class, settle, wait = reference.class, reference.settle, reference.wait
local set_unless_done, misuse = reference.set_unless_done, reference.misuse
local wait_in, remove = reference.wait_in, reference.remove
local wake_first, wake_all = reference.wake_first, reference.wake_all

-- Lock -----------------------------------------------------------------------------------------

local Lock = class()

function reference.lock()
  return setmetatable({ held = false, hold = 0, waiters = {} }, Lock)
end

local function any_waits(list)
  for i = 1, #list do
    if list[i].state ~= "cancelled" then return true end
  end
  return false
end

--- RULE lock: who is cancelled in the queue has left it.
local function wake_next_acquirer(lock)
  for _, future in ipairs(lock.waiters) do
    if future.state ~= "cancelled" then
      set_unless_done(future)
      return
    end
  end
end

function Lock:locked() return self.held end

local function take(lock)
  lock.held = true
  lock.hold = lock.hold + 1
end

function Lock:acquire()
  if self.held or any_waits(self.waiters) then
    local _, ok, err = wait_in(self.waiters)
    if not ok then
      if not self.held then wake_next_acquirer(self) end
      error(err, 0)
    end
  end
  take(self)
end

function Lock:release()
  if not self.held then misuse() end
  self.held = false
  wake_next_acquirer(self)
end

--- RULE guard: what was released by hand meanwhile is not released again.
function Lock:with(fn)
  self:acquire()
  local hold = self.hold
  local ok, err = pcall(fn)
  if self.held and self.hold == hold then self:release() end
  if not ok then error(err, 0) end
end

-- Semaphore ------------------------------------------------------------------------------------

local Semaphore = class()

function reference.semaphore(value)
  return setmetatable({ value = value, bound = math.huge, waiters = {} }, Semaphore)
end

function reference.bounded_semaphore(value)
  return setmetatable({ value = value, bound = value, waiters = {} }, Semaphore)
end

function Semaphore:locked() return self.value == 0 or any_waits(self.waiters) end

function Semaphore:wake_next()
  for _, future in ipairs(self.waiters) do
    if future.state == "pending" then
      self.value = self.value - 1
      settle(future, "finished")
      return true
    end
  end
  return false
end

function Semaphore:acquire()
  if not self:locked() then
    self.value = self.value - 1
    return
  end
  local future, ok, err = wait_in(self.waiters)
  if not ok and future.state == "finished" then self.value = self.value + 1 end
  while self.value > 0 and self:wake_next() do end -- luacheck: ignore 542
  if not ok then error(err, 0) end
end

function Semaphore:release()
  if self.value >= self.bound then misuse() end
  self.value = self.value + 1
  self:wake_next()
end

function Semaphore:with(fn)
  self:acquire()
  local ok, err = pcall(fn)
  self:release()
  if not ok then error(err, 0) end
end

-- Event ----------------------------------------------------------------------------------------

local Event = class()

function reference.event() return setmetatable({ value = false, waiters = {} }, Event) end

function Event:is_set() return self.value end
function Event:clear() self.value = false end

function Event:set()
  self.value = true
  wake_all(self.waiters)
end

function Event:wait()
  if self.value then return end
  local _, ok, err = wait_in(self.waiters)
  if not ok then error(err, 0) end
end

-- Condition ------------------------------------------------------------------------------------

local Condition = class()

function reference.condition()
  return setmetatable({ lock = reference.lock(), waiters = {} }, Condition)
end

function Condition:locked() return self.lock:locked() end
function Condition:acquire() self.lock:acquire() end
function Condition:release() self.lock:release() end
function Condition:with(fn) self.lock:with(fn) end

local function acquire_again(lock)
  local again
  repeat
    local ok, err = pcall(lock.acquire, lock)
    if not ok then again = err end
  until ok
  return again
end

--- RULE condition: a cancelled wait passes on a notification that it got, and no other.
function Condition:wait()
  if not self.lock.held then misuse() end
  local hold = self.lock.hold
  self.lock:release()
  local future, ok, err = wait_in(self.waiters)
  local again = acquire_again(self.lock)
  self.lock.hold = hold
  if not ok or again then
    if future.state == "finished" then wake_first(self.waiters) end
    error(again or err, 0)
  end
end

function Condition:notify(n)
  if not self.lock.held then misuse() end
  for _ = 1, n or 1 do wake_first(self.waiters) end
end

function Condition:notify_all()
  self:notify(#self.waiters)
end

-- Barrier --------------------------------------------------------------------------------------

local Barrier = class()

function reference.barrier(parties)
  return setmetatable({
    parties = parties, waiters = {}, count = 0, state = "filling",
  }, Barrier)
end

--- condition.wait_for; its lock is never held while a task waits. RULE barrier: who is cancelled
--- while it fills is counted out at once.
function Barrier:wait_while(counted, ...)
  local function holds(a, b) return self.state == a or self.state == b end
  while holds(...) do
    local future = reference.future()
    table.insert(self.waiters, future)
    function future.on_cancel()
      if counted and self.state == "filling" then
        self.count = self.count - 1
        counted.out = true
      end
    end
    local ok, err = pcall(wait, future)
    remove(self.waiters, future)
    if not ok then error(err, 0) end
  end
end

function Barrier:fill(counted)
  if self.count == self.parties then
    self.state = "draining"
    wake_all(self.waiters)
    return
  end
  self:wait_while(counted, "filling")
  if self.state ~= "draining" then error(neap.BrokenBarrierError()) end
end

function Barrier:leave(counted)
  if not counted.out then self.count = self.count - 1 end
  if self.count == 0 then
    if self.state ~= "broken" then self.state = "filling" end
    wake_all(self.waiters)
  end
end

function Barrier:wait()
  self:wait_while(nil, "draining", "resetting")
  if self.state == "broken" then error(neap.BrokenBarrierError()) end
  local index, counted = self.count, {}
  self.count = self.count + 1
  local ok, err = pcall(self.fill, self, counted)
  self:leave(counted)
  if not ok then error(err, 0) end
  return index
end

function Barrier:reset()
  self.state = self.count > 0 and "resetting" or "filling"
  wake_all(self.waiters)
end

function Barrier:abort()
  self.state = "broken"
  wake_all(self.waiters)
end

function Barrier:broken() return self.state == "broken" end
