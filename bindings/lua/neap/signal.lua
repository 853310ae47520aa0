-- SPDX-License-Identifier: MIT
-- signal.lua - waiting for signals, on top of signal.c.
local neap, internal = ...

local signal = internal.signal()

local function close_all(handles)
  for _, handle in ipairs(handles) do handle:close() end
end

--- wait(name, ...) -> name
--- Waits until one of the signals comes. It does nothing else meanwhile.
function signal.wait(...)
  local inside, outside = pcall(internal.check_current)
  if not inside then error(outside, 2) end
  local future = neap.future()
  local handles <close> = setmetatable({}, { __close = close_all })
  for i = 1, math.max(1, select("#", ...)) do
    local made, handle = pcall(signal.on, (select(i, ...)), function(name)
      if not future:done() then future:set_result(name) end
    end)
    if not made then
      if type(handle) == "string" then
        handle = handle:gsub("#1 to '[^']*'", ("#%d to 'wait'"):format(i), 1)
      end
      error(handle, 2)
    end
    handles[i] = handle
  end
  internal.label(future, "signal " .. table.concat({ ... }, ", "), {})
  return future:await()
end

return signal
