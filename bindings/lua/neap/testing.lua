-- SPDX-License-Identifier: MIT
-- testing.lua - the part of neap.testing that is composed.
local neap = ...

local testing = {}

local Sequence = {}
local Sequence_meta = { __name = "neap.Sequence", __index = Sequence }

-- Who waits for entries, beside the sequence: its fields are the entries alone.
local waiting = setmetatable({}, { __mode = "k" })

local function text_of(...)
  local parts = table.pack(...)
  for i = 1, parts.n do parts[i] = tostring(parts[i]) end
  return table.concat(parts, " ")
end

local function add(sequence, entry)
  sequence[#sequence + 1] = entry
  if waiting[sequence] then waiting[sequence]:set() end
end

--- sequence() -> Sequence
--- A list of what happened, in order. sequence(...) notes the arguments: one value as it is,
--- several as a text with spaces between.
function testing.sequence()
  return setmetatable({}, Sequence_meta)
end

function Sequence_meta:__call(...)
  if select("#", ...) == 1 and ... ~= nil then
    add(self, ...)
  else
    add(self, text_of(...))
  end
end

--- sequence:at(...): notes a text that begins with the time of the loop: "1.5 fetched".
function Sequence:at(...)
  add(self, text_of(("%g"):format(neap.time()), ...))
end

--- sequence:wait(n): waits until it has n entries.
function Sequence:wait(n)
  while #self < n do
    local event = waiting[self] or neap.event()
    waiting[self] = event
    event:clear()
    event:wait()
  end
end

--- sequence:take() -> table: the entries so far, and begins anew.
function Sequence:take()
  local entries = table.move(self, 1, #self, 1, {})
  for i = #self, 1, -1 do self[i] = nil end
  return entries
end

--- The entries, a line each.
function Sequence_meta:__tostring()
  local lines = {}
  for i, entry in ipairs(self) do lines[i] = tostring(entry) end
  return table.concat(lines, "\n")
end

return testing
