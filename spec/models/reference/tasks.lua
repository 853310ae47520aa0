-- Tasks, futures and time of the reference: asyncio's events.py, futures.py, tasks.py and
-- timeouts.py.
local neap = require "neap"

local reference = {}

local CANCELLED = neap.CancelledError()

local function is_cancelled(err) return neap.is(err, neap.CancelledError) end

local function class()
  local new = {}
  new.__index = new
  return new
end

-- The loop -------------------------------------------------------------------------------------

local queue, queued, spare = {}, 0, {} -- triples of a function and its arguments
local timers = {} -- by deadline, then by the order of the calls
local now = 0
local current -- task

local function call_soon(fn, a, b)
  queue[queued + 1], queue[queued + 2], queue[queued + 3] = fn, a, b
  queued = queued + 3
end

local function call_at(when, fn, a)
  local timer = { when = when, fn = fn, a = a }
  local place = #timers + 1
  while place > 1 and timers[place - 1].when > when do place = place - 1 end
  table.insert(timers, place, timer)
  return timer
end

local function run_timer(timer)
  if not timer.cancelled then timer.fn(timer.a) end
end

local function pass()
  if queued == 0 and timers[1] then now = math.max(now, timers[1].when) end
  while timers[1] and timers[1].when <= now do
    call_soon(run_timer, table.remove(timers, 1))
  end
  local batch, count = queue, queued
  queue, queued, spare = spare, 0, batch
  for i = 1, count, 3 do batch[i](batch[i + 1], batch[i + 2]) end
end

function reference.time() return now end

-- Futures --------------------------------------------------------------------------------------

local Future = class()

function reference.future() return setmetatable({ state = "pending" }, Future) end

function Future:done() return self.state ~= "pending" end
function Future:cancelled() return self.state == "cancelled" end

local function settle(future, state, value)
  future.state, future.value = state, value
  for i = 1, future.callbacks and #future.callbacks or 0 do
    local callback = future.callbacks[i]
    if callback.fn then call_soon(callback.fn, callback.a, future) end
  end
  future.callbacks = nil
end

local function when_done(future, fn, a)
  if future.state ~= "pending" then
    call_soon(fn, a, future)
    return nil
  end
  local callback = { fn = fn, a = a }
  future.callbacks = future.callbacks or {}
  table.insert(future.callbacks, callback)
  return callback
end

function Future:set_result(value)
  if self.state ~= "pending" then error(neap.InvalidStateError()) end
  settle(self, "finished", value)
end

function Future:set_exception(err)
  if self.state ~= "pending" then error(neap.InvalidStateError()) end
  settle(self, "failed", err)
end

function Future:cancel()
  if self.state ~= "pending" then return false end
  settle(self, "cancelled")
  if self.on_cancel then self:on_cancel() end
  return true
end

function Future:result()
  if self.state == "finished" then return self.value end
  if self.state == "pending" then error(neap.InvalidStateError()) end
  error(self.state == "failed" and self.value or CANCELLED, 0)
end

function Future:exception()
  if self.state == "failed" then return self.value end
  self:result()
end

--- What a task yields to wait: a future, or nil for the next pass. It is given what to raise.
local function wait(future)
  local err = coroutine.yield(future)
  if err ~= nil then error(err, 0) end
end

function Future:await()
  if self.state == "pending" then wait(self) end
  return self:result()
end

local function set_unless_done(future, value)
  if future.state == "pending" then settle(future, "finished", value) end
end

-- Tasks ----------------------------------------------------------------------------------------

local Task = setmetatable(class(), { __index = Future })

local step

local function wake_up(task, future)
  if future.state == "finished" then return step(task) end
  step(task, future.state == "failed" and future.value or CANCELLED)
end

local function wait_for_future(task, future)
  task.waits_for = future
  when_done(future, wake_up, task)
  if task.must_cancel and future:cancel() then task.must_cancel = false end
end

local function ended(task, ok, result)
  if ok and task.must_cancel then
    task.must_cancel = false
    settle(task, "cancelled")
  elseif ok then
    settle(task, "finished", result)
  elseif is_cancelled(result) then
    settle(task, "cancelled")
  else
    settle(task, "failed", result)
  end
end

-- A coroutine runs one task after the other: making one costs more than most programs.
local idle = {}

local function run_tasks(task)
  while true do
    task = coroutine.yield(idle, task.fn(task.a, task.b))
  end
end

function step(task, err)
  if task.must_cancel then
    if not is_cancelled(err) then err = CANCELLED end
    task.must_cancel = false
  end
  task.waits_for = nil
  if not task.co then
    if err ~= nil then return ended(task, false, err) end -- its body never runs
    task.co = table.remove(idle) or coroutine.create(run_tasks)
    err = task
  end
  current = task
  local ok, result, value = coroutine.resume(task.co, err)
  current = nil
  if not ok then
    ended(task, false, result)
  elseif result == idle then
    table.insert(idle, task.co)
    ended(task, true, value)
  elseif result == nil then
    call_soon(step, task)
  else
    wait_for_future(task, result)
  end
end

function reference.create_task(fn, a, b)
  local task = setmetatable({
    state = "pending", requests = 0, must_cancel = false, fn = fn, a = a, b = b,
  }, Task)
  call_soon(step, task)
  return task
end

Task.__index = Task

function Task:cancel()
  if self.state ~= "pending" then return false end
  self.requests = self.requests + 1
  if not (self.waits_for and self.waits_for:cancel()) then self.must_cancel = true end
  return true
end

function Task:cancelling() return self.requests end

function Task:uncancel()
  self.requests = math.max(0, self.requests - 1)
  if self.requests == 0 then self.must_cancel = false end
  return self.requests
end

function reference.current_task() return current end

--- Runs fn(a) as a task until it ends; fn leaves nothing behind.
function reference.run(fn, a)
  local task = reference.create_task(fn, a)
  while task.state == "pending" do pass() end
  while queued > 0 do pass() end
  timers = {}
  return task:result()
end

function reference.sleep(delay)
  if delay <= 0 then return wait(nil) end
  local future = reference.future()
  local timer = call_at(now + delay, set_unless_done, future)
  local ok, err = pcall(wait, future)
  timer.cancelled = true
  if not ok then error(err, 0) end
end

-- Lists of waiters -----------------------------------------------------------------------------

function reference.remove(list, item)
  for i = 1, #list do
    if list[i] == item then return table.remove(list, i) end
  end
end

function reference.wake_first(list)
  for i = 1, #list do
    if list[i].state == "pending" then
      settle(list[i], "finished")
      return true
    end
  end
  return false
end

function reference.misuse() error("misuse", 0) end

--- Waits in a list, and leaves it. Returns the future, whether woken, and the error.
function reference.wait_in(list)
  local future = reference.future()
  table.insert(list, future)
  local ok, err = pcall(wait, future)
  reference.remove(list, future)
  return future, ok, err
end

--- Of a list whose waiters leave it by themselves.
function reference.wake_all(list)
  while reference.wake_first(list) do end -- luacheck: ignore 542
end

-- Time -----------------------------------------------------------------------------------------

local function expire(scope)
  scope.task:cancel()
  scope.expired = true
end

local function enter(delay)
  local task = current
  local scope = { task = task, requests = task.requests, requested = task.must_cancel }
  if delay <= 0 then
    scope.timer = { fn = expire, a = scope }
    call_soon(run_timer, scope.timer)
  else
    scope.timer = call_at(now + delay, expire, scope)
  end
  return scope
end

--- RULE X01: a request that waits when the scope is entered is not taken for its own.
local function exit(scope, ok, result)
  scope.timer.cancelled = true
  if scope.expired and scope.task:uncancel() <= scope.requests
    and not ok and is_cancelled(result) and not scope.requested then
    result = neap.TimeoutError()
  end
  if not ok then error(result, 0) end
  return result
end

function reference.timeout(delay, fn)
  local scope = enter(delay)
  return exit(scope, pcall(fn))
end

function reference.move_on_after(delay, fn)
  local scope = enter(delay)
  local in_body, result = pcall(fn)
  local ok, err = pcall(exit, scope, in_body, result)
  if ok then return true end
  if in_body or not is_cancelled(result) or is_cancelled(err) then error(err, 0) end
  return false
end

--- RULE D15: what ended in the very tick of the timeout is not lost.
function reference.wait_for(future, delay)
  local scope = enter(delay)
  local ok, result = pcall(future.await, future)
  local in_time, err = pcall(exit, scope, ok, result)
  if in_time then return err end
  local over = neap.is(err, neap.TimeoutError) and not ok and is_cancelled(result)
  if over and (future.state == "finished" or future.state == "failed") then
    return future:result()
  end
  error(err, 0)
end

-- For the other parts.
reference.call_soon, reference.call_at, reference.run_timer = call_soon, call_at, run_timer
reference.when_done, reference.wait, reference.is_cancelled = when_done, wait, is_cancelled
reference.Future, reference.class, reference.settle = Future, class, settle
reference.set_unless_done = set_unless_done

return reference
