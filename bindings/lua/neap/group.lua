-- SPDX-License-Identifier: MIT
-- group.lua - task groups: a block that ends when all its tasks have.
--
-- The algorithm is that of asyncio/taskgroups.py; each comment that says "must"
-- stands there too.
local neap, internal = ...

local state, outcome = internal.state, internal.outcome

local Group = { __name = "neap.TaskGroup", __metatable = "neap.TaskGroup" }
Group.__index = Group

local function new_group(is_block)
  local inside, outside = pcall(internal.check_current)
  if not inside then error(outside, 3) end
  return setmetatable({
    parent = neap.current_task(),
    tasks = {},       -- of those that are not done: set, and list in order
    count = 0, made = 0,
    failed = {},      -- tasks, in the order in which they failed
    is_block = is_block,
    exiting = false,
    aborting = false,
    cancelled = false,       -- by group:cancel()
    parent_cancelled = false, -- we have requested it, and must take it back
  }, Group)
end

local function check_group(self, what)
  if getmetatable(self) ~= Group.__metatable then
    error(("bad argument #1 to '%s' (neap.TaskGroup expected)"):format(what), 3)
  end
end

local function is_cancellation(err)
  return neap.is(err, neap.CancelledError)
end

--- The tasks that are not done, in the order they were made.
local function pending(self)
  local list = {}
  for task in pairs(self.tasks) do list[#list + 1] = task end
  table.sort(list, function(a, b) return self.tasks[a] < self.tasks[b] end)
  return list
end

local function abort(self)
  self.aborting = true
  for _, task in ipairs(pending(self)) do task:cancel() end
end

local function cancel_parent(self)
  self.parent_cancelled = true
  self.parent:cancel()
end

local function on_task_done(self, task)
  self.tasks[task] = nil
  self.count = self.count - 1
  if self.count == 0 and self.empty and not self.empty:done() then
    self.empty:set_result()
  end
  if state(task) ~= "failed" then return end
  self.failed[#self.failed + 1] = task
  if not self.aborting and not self.parent_cancelled then
    abort(self)
    cancel_parent(self)
  end
end

--- What can fail comes before the task counts.
local function keep(self, task)
  local number = self.made + 1
  self.tasks[task] = number
  if not task:done() then
    task:add_done_callback(function(done) on_task_done(self, done) end)
  end
  self.made = number
  self.count = self.count + 1
end

--- group:create_task([options,] fn, ...) -> Task
function Group:create_task(...)
  check_group(self, "create_task")
  if self.exiting and self.count == 0 then
    error("the task group is finished", 2)
  elseif self.aborting then
    error("the task group is shutting down", 2)
  end
  local ok, task = pcall(neap.create_task, ...)
  if not ok then error(task, 2) end -- misuse, with our caller's position
  local kept, problem = pcall(keep, self, task)
  if not kept then -- for want of memory: nobody would wait for it
    self.tasks[task] = nil
    task:cancel()
    error(problem, 0)
  end
  if task:done() then on_task_done(self, task) end -- it started at once, and ended
  return task
end

--- group:cancel(): ends the group early, which is no error
function Group:cancel()
  check_group(self, "cancel")
  if self.cancelled or self.exiting and self.count == 0 then return end
  self.cancelled = true
  if not self.aborting then abort(self) end
  -- The end of a block cannot stop an error that unwinds it, so a block's own
  -- code is left alone.
  if not self.is_block and not self.parent_cancelled then
    cancel_parent(self)
  end
end

--- Waits for all tasks. Returns the CancelledError to go on with, or nil.
local function join(self, cancellation)
  while self.count > 0 do
    self.empty = internal.label(neap.future(), "task group", pending(self))
    local ok, err = pcall(self.empty.await, self.empty)
    if not ok then
      if not is_cancellation(err) then error(err, 0) end
      if not self.aborting then
        -- Our parent is cancelled from outside: so are the tasks.
        cancellation = err
        abort(self)
      end
    end
    self.empty = nil
  end
  return cancellation
end

local function raise_errors(self, errors)
  if self.parent:cancelling() > 0 then
    -- It is cancelled from outside as well: it must hear of it again.
    self.parent:uncancel()
    self.parent:cancel()
  end
  error(neap.ExceptionGroup {
    message = "unhandled errors in a TaskGroup",
    errors = errors, tasks = self.failed, -- in the same order
  }, 0)
end

--- Takes back our request to the parent, if we made one. True if no other is
--- left: then the cancellation ends here.
local function release_parent(self)
  return self.parent_cancelled and self.parent:uncancel() == 0
end

--- The end of the block, which `err` has left if `failed`. Returns, or raises
--- what goes on from here.
local function exit(self, failed, err)
  self.exiting = true
  local cancellation, problem
  if failed then
    if is_cancellation(err) then cancellation = err else problem = { err } end
    if not self.aborting then abort(self) end
  end
  cancellation = join(self, cancellation)
  if release_parent(self) then cancellation = nil end
  if cancellation and #self.failed == 0 then error(cancellation, 0) end
  local errors = {}
  for i, task in ipairs(self.failed) do
    errors[i] = select(2, outcome(task)) -- from now on it has been looked at
  end
  if problem then errors[#errors + 1] = problem[1] end
  if #errors > 0 then raise_errors(self, errors) end
end

--- local group <close> = neap.task_group()
function Group:__close(err)
  exit(self, err ~= nil, err)
end

function Group:__tostring()
  return ("<TaskGroup %d tasks%s>"):format(self.count,
    self.exiting and self.count == 0 and ", finished"
    or self.aborting and ", shutting down" or "")
end

--- task_group(fn) -> fn's results: calls fn(group)
--- task_group() -> group, for `local group <close> =`
function neap.task_group(fn)
  if fn == nil then return new_group(true) end
  if type(fn) ~= "function" then
    error(("bad argument #1 to 'task_group' (function expected, got %s)")
      :format(type(fn)), 2)
  end
  local self = new_group(false)
  local results = table.pack(xpcall(fn, internal.traceback_handler, self))
  exit(self, not results[1], results[2])
  if results[1] then return table.unpack(results, 2, results.n) end
end
