-- SPDX-License-Identifier: MIT
-- suspend.lua - makes any API with callbacks awaitable.
local neap, internal = ...

local function check_function(fn, what)
  if type(fn) ~= "function" then
    error(("bad argument #1 to '%s' (function expected, got %s)")
      :format(what, type(fn)), 3)
  end
end

local function call_on_cancel(on_cancel, err)
  local ok, failure = xpcall(on_cancel, internal.traceback_handler, err)
  if not ok then
    internal.report("Exception in on_cancel of a suspended task", failure)
  end
end

--- suspend(start) -> what resume was called with
--- Calls start(resume, reject) and waits until one of the two is called, from
--- wherever; later calls do nothing. What start returns, if it is a function,
--- is called if the wait is cancelled.
function neap.suspend(start)
  check_function(start, "suspend")
  local inside, outside = pcall(internal.check_current)
  if not inside then error(outside, 2) end
  local future = neap.future()
  local on_cancel = start(function(...)
    if not future:done() then future:set_result(...) end
  end, function(err)
    internal.fail(future, err)
  end)
  if on_cancel == nil then return future:await() end
  local _ <close> = setmetatable({}, { __close = function(_, err)
    if future:cancelled() then call_on_cancel(on_cancel, err) end
  end })
  return future:await()
end

--- wrap(fn) -> function that awaits
--- fn takes, after its other arguments, callback(err, ...); the function made
--- returns what follows err, or raises err.
function neap.wrap(fn)
  check_function(fn, "wrap")
  return function(...)
    local arguments = table.pack(...)
    return neap.suspend(function(resume, reject)
      local n = arguments.n + 1
      arguments[n] = function(err, ...)
        if err ~= nil then reject(err) else resume(...) end
      end
      fn(table.unpack(arguments, 1, n))
    end)
  end
end
