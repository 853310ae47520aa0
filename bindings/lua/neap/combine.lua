-- SPDX-License-Identifier: MIT
-- combine.lua - waiting for several at once: gather, shield, wait,
-- as_completed. The algorithms are those of asyncio/tasks.py.
local neap, internal = ...

local is_future, state, outcome = internal.is_future, internal.state,
  internal.outcome

local function misuse(message, ...)
  error(message:format(...), 3)
end

--- A Task or Future for x: a function becomes a task.
local function ensure(x, what, i)
  if is_future(x) then return x end
  if type(x) == "function" then return neap.create_task(x) end
  error(("bad argument #%d to '%s' (Task, Future or function expected, got %s)")
    :format(i, what, type(x)), 3)
end

local function check_timeout(timeout, what)
  if timeout ~= nil and (type(timeout) ~= "number" or timeout ~= timeout) then
    error(("bad timeout to '%s' (number expected)"):format(what), 3)
  end
end

local function check_list(list, what)
  if type(list) ~= "table" then
    error(("bad argument #1 to '%s' (list of Tasks expected, got %s)")
      :format(what, internal.type_name(list)), 3)
  end
end

local function check_options(options, what, known)
  if options ~= nil and type(options) ~= "table" then
    error(("bad argument #2 to '%s' (table expected, got %s)")
      :format(what, internal.type_name(options)), 3)
  end
  for name in pairs(options or {}) do
    if not known[name] then
      error(("unknown option '%s' to '%s'"):format(tostring(name), what), 3)
    end
  end
  return options or {}
end

local function check_in_task()
  local ok, err = pcall(internal.check_current)
  if not ok then error(err, 3) end
end

--- The members without repetitions, in order.
local function unique(futures, n)
  local list, seen = {}, {}
  for i = 1, n do
    local future = futures[i]
    if not seen[future] then
      seen[future] = true
      list[#list + 1] = future
    end
  end
  return list
end

-- ---- gather ----

local function gather_results(futures, n, return_exceptions)
  local results = { n = n }
  for i = 1, n do
    local _, value = outcome(futures[i])
    results[i] = value
  end
  if return_exceptions then return results end
  return table.unpack(results, 1, n)
end

local function gather(futures, n, return_exceptions)
  local children = unique(futures, n)
  local outer = internal.label(internal.gather_future(children), "gather",
    children)
  local finished = 0
  local function on_done(child)
    finished = finished + 1
    if outer:done() then
      outcome(child) -- it has been looked at
      return
    end
    if not return_exceptions then
      local how, err = outcome(child)
      if how ~= "finished" then
        internal.fail(outer, err)
        return
      end
    end
    if finished == #children then
      local results = table.pack(
        gather_results(futures, n, return_exceptions))
      local cancelled, message = internal.cancel_requested(outer)
      if cancelled then
        internal.fail(outer, neap.CancelledError(message))
      else
        outer:set_result(table.unpack(results, 1, results.n))
      end
    end
  end
  local done = {} -- these count at once, but after the others are watched
  for _, child in ipairs(children) do
    if child:done() then
      done[#done + 1] = child
    else
      internal.add_done_callback(child, on_done, outer)
    end
  end
  for _, child in ipairs(done) do on_done(child) end
  return outer:await()
end

--- Tasks and Futures for the n members of the list.
local function ensure_all(list, n)
  for i = 1, n do -- all are good before any is started
    if not is_future(list[i]) and type(list[i]) ~= "function" then
      error(("bad argument #%d to 'gather' (Task, Future or function expected, "
        .. "got %s)"):format(i, type(list[i])), 3)
    end
  end
  local futures = {}
  for i = 1, n do futures[i] = ensure(list[i], "gather", i) end
  return futures
end

--- gather(a, b, ...) -> each one's first result
--- gather{a, b, ..., return_exceptions = bool} -> table with n
function neap.gather(...)
  local n, first = select("#", ...), (...)
  check_in_task()
  if n ~= 1 or type(first) ~= "table" then
    local futures = ensure_all({ ... }, n)
    if n == 0 then return end
    return gather(futures, n, false)
  end
  n = #first
  for name in pairs(first) do
    if type(name) ~= "number" and name ~= "return_exceptions" then
      misuse("unknown option '%s' to 'gather'", tostring(name))
    end
  end
  local futures = ensure_all(first, n)
  if n == 0 then return { n = 0 } end
  if first.return_exceptions then return gather(futures, n, true) end
  local results = table.pack(gather(futures, n, false))
  results.n = n
  return results
end

-- ---- shield ----

local function report_shielded(inner)
  if state(inner) == "failed" then
    local _, err = outcome(inner)
    local name = type(err) == "table" and err.name or type(err)
    internal.report(("%s exception in shielded future"):format(name), err, inner)
  end
end

--- shield(aw) -> Future: cancelling its waiter leaves aw running
function neap.shield(aw)
  local inner = ensure(aw, "shield", 1)
  if inner:done() then return inner end
  local outer = neap.future()
  local function on_inner_done()
    if outer:done() then return end
    internal.adopt(outer, inner)
  end
  internal.add_done_callback(inner, on_inner_done, outer)
  outer:add_done_callback(function()
    if not inner:done() then
      inner:remove_done_callback(on_inner_done)
      inner:remove_done_callback(report_shielded)
      inner:add_done_callback(report_shielded)
    end
  end)
  return outer
end

-- ---- wait ----

local function split(futures)
  local done, pending = {}, {}
  for _, future in ipairs(futures) do
    local list = future:done() and done or pending
    list[#list + 1] = future
  end
  return done, pending
end

-- What ends a wait early. FIRST_EXCEPTION looks at the error, as in asyncio.
local ends_wait = {
  ALL_COMPLETED = function() return false end,
  FIRST_COMPLETED = function() return true end,
  FIRST_EXCEPTION = function(future) return outcome(future) == "failed" end,
}

local function wait_until(futures, return_when, timeout)
  local waiter = neap.future()
  local left = #futures
  local function on_done(future)
    left = left - 1
    if not waiter:done()
      and (left == 0 or ends_wait[return_when](future)) then
      waiter:set_result()
    end
  end
  local handle = timeout and neap.call_later(timeout, function()
    if not waiter:done() then waiter:set_result() end
  end)
  local cleanup <close> = setmetatable({}, { __close = function()
    if handle then handle:cancel() end
    for _, future in ipairs(futures) do future:remove_done_callback(on_done) end
  end })
  for _, future in ipairs(futures) do internal.add_done_callback(future, on_done, waiter) end
  waiter:await()
  return cleanup
end

--- wait(list[, {timeout =, return_when =}]) -> done, pending
function neap.wait(list, options)
  check_list(list, "wait")
  options = check_options(options, "wait",
    { timeout = true, return_when = true })
  local return_when = options.return_when or "ALL_COMPLETED"
  check_timeout(options.timeout, "wait")
  if not ends_wait[return_when] then
    misuse("bad return_when '%s' to 'wait'", tostring(return_when))
  end
  if #list == 0 then
    misuse("bad argument #1 to 'wait' (the list of Tasks and Futures is empty)")
  end
  for i, x in ipairs(list) do
    if not is_future(x) then
      misuse("bad member #%d to 'wait' (Task or Future expected, got %s)", i,
        type(x))
    end
  end
  check_in_task()
  local futures = unique(list, #list)
  wait_until(futures, return_when, options.timeout)
  return split(futures)
end

-- ---- as_completed ----

local Completion = {}
Completion.__index = Completion

function Completion:wake()
  if self.waiter and not self.waiter:done() then self.waiter:set_result() end
end

function Completion:next()
  while #self.done < self.given + 1 do
    if self.left == 0 then return nil end
    if self.timed_out then error(neap.TimeoutError()) end
    self.waiter = neap.future()
    self.waiter:await()
  end
  self.given = self.given + 1
  return self.done[self.given]
end

--- as_completed(list[, {timeout =}]) -> iterator of Tasks and Futures
function neap.as_completed(list, options)
  check_list(list, "as_completed")
  options = check_options(options, "as_completed", { timeout = true })
  local timeout = options.timeout
  check_timeout(timeout, "as_completed")
  local futures = {}
  for i, x in ipairs(list) do futures[i] = ensure(x, "as_completed", i) end
  futures = unique(futures, #futures)
  local self = setmetatable({ done = {}, given = 0, left = #futures },
    Completion)
  local handle
  local function on_done(future)
    if self.timed_out then return end
    self.done[#self.done + 1] = future
    self.left = self.left - 1
    if self.left == 0 and handle then handle:cancel() end
    self:wake()
  end
  local function leave()
    for _, future in ipairs(futures) do future:remove_done_callback(on_done) end
  end
  for _, future in ipairs(futures) do future:add_done_callback(on_done) end
  if timeout and self.left > 0 then
    handle = neap.call_later(timeout, function()
      self.timed_out = true
      leave()
      self:wake()
    end)
    -- A loop that is left early leaves no timer behind.
    return Completion.next, self, nil, setmetatable({}, {
      __close = function()
        handle:cancel()
        leave()
      end,
    })
  end
  return Completion.next, self
end
