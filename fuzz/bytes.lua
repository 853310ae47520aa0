-- bytes.lua - a fuzz target's input, taken from its front: the same bytes always mean the same.
--
--   bytes:byte()         0 to 255; 0 at the end
--   bytes:upto(n)        integer from 0 to n
--   bytes:chance()       boolean
--   bytes:pick(list)     one of a sequence
--   bytes:integer()      any integer of 64 bits, small ones more often
--   bytes:number()       any float, special ones more often
--   bytes:string([most]) a string; its length is in the input as well
--   bytes:rest()         all that is left
--   bytes:more()         whether anything is left
local Bytes = {}
Bytes.__index = Bytes

local EDGES = { 0, -0.0, 1, -1, 0.5, 1e-9, 1e9, 1e308, math.huge, -math.huge, 0 / 0,
  2 ^ 31, 2 ^ 53, 2 ^ 63, math.maxinteger, math.mininteger }

function Bytes:more()
  return self.at <= #self.data
end

function Bytes:byte()
  local byte = self.data:byte(self.at) or 0
  self.at = self.at + 1
  return byte
end

function Bytes:upto(n)
  local value, range = self:byte(), n
  while range > 255 do
    value = value << 8 | self:byte()
    range = range >> 8
  end
  return math.abs(value) % (n + 1)
end

function Bytes:chance()
  return self:byte() % 2 == 1
end

function Bytes:pick(list)
  return list[self:upto(#list - 1) + 1]
end

function Bytes:take(n)
  local taken = self.data:sub(self.at, self.at + n - 1)
  self.at = math.min(self.at + n, #self.data + 1)
  return taken
end

function Bytes:integer()
  local kind = self:byte()
  if kind < 192 then return kind - 64 end
  local eight = self:take(8)
  return (string.unpack("<i8", eight .. ("\0"):rep(8 - #eight)))
end

function Bytes:number()
  local kind = self:byte()
  if kind < 128 then return EDGES[kind % #EDGES + 1] end
  if kind < 192 then return (kind - 160) / 8 end
  local eight = self:take(8)
  return (string.unpack("<d", eight .. ("\0"):rep(8 - #eight)))
end

function Bytes:string(most)
  return self:take(self:upto(most or 255))
end

function Bytes:rest()
  return self:take(#self.data)
end

return function(data)
  return setmetatable({ data = data, at = 1 }, Bytes)
end
