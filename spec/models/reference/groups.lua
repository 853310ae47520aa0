-- The part of the reference that composes: task groups, gather, shield, wait, as_completed,
-- suspend and callbacks, as in asyncio's taskgroups.py and tasks.py.
local neap = require "neap"
local reference = require "spec.models.reference.tasks"

local class, settle, when_done = reference.class, reference.settle, reference.when_done
local is_cancelled, Future = reference.is_cancelled, reference.Future

-- Task groups ----------------------------------------------------------------------------------

local Group = class()

local function abort(group)
  group.aborting = true
  for _, task in ipairs(table.move(group.tasks, 1, #group.tasks, 1, {})) do task:cancel() end
end

local function child_ended(group, task)
  reference.remove(group.tasks, task)
  if group.all_ended and #group.tasks == 0 then
    reference.set_unless_done(group.all_ended)
  end
  if task.state ~= "failed" then return end
  table.insert(group.errors, task.value)
  if not group.aborting and not group.asked_parent then
    abort(group)
    group.asked_parent = true
    group.parent:cancel()
  end
end

function Group:create_task(fn)
  if self.aborting or self.exiting and #self.tasks == 0 then error("misuse", 0) end
  local task = reference.create_task(fn)
  table.insert(self.tasks, task)
  when_done(task, child_ended, self)
  return task
end

--- As of Python 3.15: ends the group early, and that is no error.
function Group:cancel()
  if self.ended_early or self.exiting and #self.tasks == 0 then return end
  self.ended_early = true
  if not self.aborting then abort(self) end
  if not self.asked_parent then
    self.asked_parent = true
    self.parent:cancel()
  end
end

local function join(group, cancellation)
  while #group.tasks > 0 do
    group.all_ended = reference.future()
    local ok, err = pcall(reference.wait, group.all_ended)
    if not ok then
      if not group.aborting then
        cancellation = err
        abort(group)
      end
    end
    group.all_ended = nil
  end
  return cancellation
end

local function raise_errors(group)
  if group.parent:cancelling() > 0 then
    group.parent:uncancel()
    group.parent:cancel()
  end
  error(neap.ExceptionGroup { errors = group.errors }, 0)
end

--- Takes back the request to the parent, if there was one. True if no other is left.
local function release_parent(group)
  return group.asked_parent and group.parent:uncancel() == 0
end

local function leave(group, ok, err)
  group.exiting = true
  local cancellation, failure
  if not ok then
    if is_cancelled(err) then cancellation = err else failure = err end
    if not group.aborting then abort(group) end
  end
  cancellation = join(group, cancellation)
  if release_parent(group) then cancellation = nil end
  if cancellation and #group.errors == 0 then error(cancellation, 0) end
  if failure ~= nil then table.insert(group.errors, failure) end
  if #group.errors > 0 then raise_errors(group) end
end

function reference.task_group(fn)
  local group = setmetatable({
    parent = reference.current_task(), tasks = {}, errors = {},
  }, Group)
  local ok, result = pcall(fn, group)
  leave(group, ok, result)
  if ok then return result end
end

-- gather ---------------------------------------------------------------------------------------

local function cancel_children(outer)
  if outer:done() then return false end
  local any = false
  for _, child in ipairs(outer.children) do
    if child:cancel() then any = true end
  end
  outer.cancel_requested = outer.cancel_requested or any
  return any
end

local function results_of(children)
  local results = {}
  for i, child in ipairs(children) do
    results[i] = child.state == "cancelled" and neap.CancelledError() or child.value
  end
  return results
end

local function child_of_gather_ended(outer, child)
  outer.finished = outer.finished + 1
  if outer:done() then return end
  if child.state ~= "finished" and not outer.return_exceptions then
    settle(outer, "failed", child.state == "failed" and child.value or neap.CancelledError())
  elseif outer.finished == #outer.children then
    if outer.cancel_requested then
      settle(outer, "failed", neap.CancelledError())
    else
      settle(outer, "finished", results_of(outer.children))
    end
  end
end

--- gather{a, b, ..., return_exceptions=}, of different futures.
function reference.gather(list)
  local outer = setmetatable({
    state = "pending", children = list, finished = 0, cancel = cancel_children,
    return_exceptions = list.return_exceptions,
  }, Future)
  for _, child in ipairs(list) do
    if not child:done() then when_done(child, child_of_gather_ended, outer) end
  end
  local before = {}
  for i, child in ipairs(list) do before[i] = child:done() end
  for i, child in ipairs(list) do
    if before[i] then child_of_gather_ended(outer, child) end
  end
  return outer:await()
end

-- shield, wait, as_completed -------------------------------------------------------------------

function reference.shield(inner)
  if inner:done() then return inner end
  local outer = reference.future()
  when_done(inner, function()
    if not outer:done() then settle(outer, inner.state, inner.value) end
  end)
  return outer
end

local function ends_wait(return_when, future)
  return return_when == "FIRST_COMPLETED"
    or return_when == "FIRST_EXCEPTION" and future.state == "failed"
end

function reference.wait_for_several(list, return_when, timeout)
  local waiter, left = reference.future(), #list
  local timer = timeout and reference.call_at(reference.time() + timeout,
    reference.set_unless_done, waiter)
  local callbacks = {}
  for i, future in ipairs(list) do
    callbacks[i] = when_done(future, function()
      left = left - 1
      if left <= 0 or ends_wait(return_when, future) then reference.set_unless_done(waiter) end
    end)
  end
  local ok, err = pcall(reference.wait, waiter)
  if timer then timer.cancelled = true end
  for _, callback in pairs(callbacks) do callback.fn = nil end
  if not ok then error(err, 0) end
  local done = 0
  for i, future in ipairs(list) do
    if future:done() then done = done + 2 ^ i end
  end
  return done
end

-- suspend, callbacks ---------------------------------------------------------------------------

function reference.suspend(start)
  local future = reference.future()
  local on_cancel = start(function(value) reference.set_unless_done(future, value) end,
    function(err)
      if not future:done() then settle(future, "failed", err) end
    end)
  local ok, result = pcall(future.await, future)
  if not ok and future.state == "cancelled" then on_cancel() end
  if not ok then error(result, 0) end
  return result
end

local Handle = class()

function Handle:cancel() self.cancelled = true end

function reference.call_later(delay, fn)
  local handle = reference.call_at(reference.time() + delay, fn)
  return setmetatable(handle, Handle)
end

local call_soon = reference.call_soon

function reference.call_soon_with_handle(fn)
  local handle = setmetatable({ fn = fn }, Handle)
  call_soon(reference.run_timer, handle)
  return handle
end
