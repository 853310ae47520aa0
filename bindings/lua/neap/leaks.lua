-- SPDX-License-Identifier: MIT
-- leaks.lua - what a test has left behind: found, named and ended, for neap.busted.
--
-- A mark is what there was before: { tasks =, callbacks =, locks =, alive =, idle = }.
local neap, internal = ...

local census, unseen = internal.census, internal.unseen
local places, objects = internal.track()
-- Before a test puts a stub in their places:
local all_tasks, time, settle = neap.all_tasks, neap.time, neap.testing.settle

local GRACE = 1 -- wall seconds that a cancelled task may take to end
local ROUNDS = 10 -- cancelled tasks may make new ones to clean up, but not for ever
local LOCKS = { ["neap.Lock"] = true, ["neap.Condition"] = true }

local reports = {} -- what nobody else was told of since the last test
internal.set_default_handler(function(report) reports[#reports + 1] = report end)

local function set_of(list)
  local set = {}
  for _, item in ipairs(list) do set[item] = true end
  return set
end

--- Set of the locks that are held.
local function held_locks()
  local held = {}
  for object in pairs(objects) do
    if LOCKS[internal.type_name(object)] and object:locked() then held[object] = true end
  end
  return held
end

local NONE = {}

local function mark()
  local tasks, alive, deadlines, _, idle, ready = census()
  return {
    tasks = tasks > 0 and set_of(all_tasks()) or NONE,
    callbacks = (deadlines > 0 or ready) and set_of(internal.callbacks()) or NONE,
    locks = next(objects) and held_locks() or NONE,
    alive = alive,
    idle = idle,
  }
end

local function place_of(thing)
  return places[thing] or objects[thing] or "?"
end

-- ---- finding ----

local function message_of(err)
  if type(err) == "string" or (getmetatable(err) or NONE).__tostring then return tostring(err) end
  return ("(error object is a %s value)"):format(type(err))
end

local function add_errors(lines)
  local futures, uncollected = unseen()
  for _, future in ipairs(futures) do
    if not future:cancelled() then
      lines[#lines + 1] = ("%s, created at %s: nobody looked at its error"):format(future,
        place_of(future))
      future:exception() -- somebody has
    end
  end
  if uncollected then collectgarbage() end -- they are reported
  for _, report in ipairs(reports) do
    local about = report.task and (" (%s, created at %s)"):format(report.task,
      place_of(report.task)) or ""
    local err = report.exception ~= nil and ": " .. message_of(report.exception) or ""
    lines[#lines + 1] = report.message .. err .. about
  end
  reports = {}
end

local function add_tasks(lines, before)
  local left = {}
  for _, task in ipairs(all_tasks()) do
    if not before.tasks[task] then
      left[#left + 1] = task
      lines[#lines + 1] = ("%s, created at %s"):format(task, place_of(task))
    end
  end
  return left
end

local function add_callbacks(lines, before)
  local left = {}
  for _, handle in ipairs(internal.callbacks()) do
    if not before.callbacks[handle] then
      left[#left + 1] = handle
      local when = handle:when()
      local due = when and ("due in %g s"):format(when - time()) or "ready again and again"
      lines[#lines + 1] = ("a callback that is %s, created at %s"):format(due, place_of(handle))
    end
  end
  return left
end

local function add_locks(lines, before)
  local left = {}
  for lock in pairs(held_locks()) do
    if not before.locks[lock] then
      left[#left + 1] = lock
      lines[#lines + 1] = ("%s, created at %s"):format(lock, place_of(lock))
    end
  end
  return left
end

-- ---- ending ----

local function end_tasks(tasks)
  for _, task in ipairs(tasks) do task:cancel "left behind by a test" end
  for _, task in ipairs(tasks) do
    if not task:done() then internal.drive(GRACE, task) end
    if not task:done() then internal.abandon(task) end
    if not task:cancelled() then task:exception() end
  end
end

--- Ends tasks; then names and ends those that they have made to clean up.
local function end_all_tasks(left, lines, before)
  for _ = 1, ROUNDS do
    if not left[1] then return end
    end_tasks(left)
    left = add_tasks(lines, before)
  end
  for _, task in ipairs(left) do internal.abandon(task) end
end

local function end_locks(locks)
  for _, lock in ipairs(locks) do
    if lock:locked() then lock:release() end
  end
end

local function alive_handles()
  local _, alive = census()
  return alive
end

local function idle_handles()
  local _, _, _, _, idle = census()
  return idle
end

--- How to name an object that may hold handles, and how to end it; or nil.
local function end_of(object)
  local known, close, stop = pcall(function() return object.close, object.stop end)
  if not known then return end
  if type(close) == "function" then return tostring(object), function() close(object) end end
  if internal.type_name(object) == "neap.Child" then
    return "a child process", function()
      stop(object, 0)
      object:wait()
    end
  end
end

--- The standard streams stay open, once they are.
local function is_standard(object)
  local stdio = package.loaded["neap.stdio"]
  return stdio and (object == rawget(stdio, "stdin") or object == rawget(stdio, "stdout")
    or object == rawget(stdio, "stderr"))
end

--- Ends objects until there are no more than `most` handles, and names those that had one.
local function end_objects(lines, count, most)
  local closable = {}
  for object, place in pairs(objects) do
    local text, close = end_of(object)
    if text and not is_standard(object) then
      closable[#closable + 1] = { text = text, close = close, place = place }
    end
  end
  for _, entry in ipairs(closable) do
    local open = count()
    if open <= most then return end
    internal.drive(GRACE, function() pcall(entry.close) end)
    if count() < open then
      lines[#lines + 1] = ("%s, created at %s"):format(entry.text, entry.place)
    end
  end
end

local function end_handles(lines, before)
  end_objects(lines, alive_handles, before.alive)
  local types = internal.handles()
  for i = before.alive + 1, #types do
    lines[#lines + 1] = ("an open handle, which could not be closed: %s"):format(types[i])
  end
  if idle_handles() > before.idle then
    collectgarbage() -- what nobody has any more closes itself
    end_objects(lines, idle_handles, before.idle)
  end
end

--- Cheap: most tests leave nothing.
local function nothing_new(before)
  local tasks, alive, deadlines, failed, idle, ready = census()
  local open = alive > before.alive or idle > before.idle
  local more = tasks > 0 or open or deadlines > 0 or failed or ready
  return not more and not reports[1] and not next(objects), tasks > 0 or open or ready
end

--- Lets all run who are ready, unless that has no end.
local function let_settle()
  local _, task = internal.drive(GRACE, settle)
  internal.abandon(task)
end

--- Lets those who are ready run; then names and ends what is there beyond `before`.
-- Returns the lines that name it.
local function sweep(before)
  local lines = {}
  local clean, unsettled = nothing_new(before)
  if clean then return lines end
  if unsettled then let_settle() end
  local left = add_tasks(lines, before)
  local callbacks = add_callbacks(lines, before)
  add_errors(lines)
  local locks = add_locks(lines, before)
  for _, handle in ipairs(callbacks) do handle:cancel() end
  end_all_tasks(left, lines, before)
  end_locks(locks)
  if alive_handles() > before.alive or idle_handles() > before.idle then
    end_handles(lines, before)
  end
  add_errors(lines)
  return lines
end

return { mark = mark, sweep = sweep, end_tasks = end_tasks, message_of = message_of }
