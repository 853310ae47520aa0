-- json.lua - neap.json: any text is decoded or refused; what was decoded is written and read
-- again as the same.
local json = require "neap.json"
local neap = require "neap"

local function same(a, b)
  if type(a) ~= "table" then return a == b and math.type(a) == math.type(b) end
  if type(b) ~= "table" then return false end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

return function(data)
  local ok, value = pcall(json.decode, data)
  if not ok then
    local err = value
    assert(neap.is(err, json.DecodeError), err)
    assert(err.position >= 0 and err.position <= #data, "a place that is not in the text")
    return
  end
  local text = json.encode(value)
  local again = json.decode(text)
  assert(same(value, again), "not the same when it is read again")
  assert(type(value) == "table" or json.encode(again) == text, "not the same when written again")
end
