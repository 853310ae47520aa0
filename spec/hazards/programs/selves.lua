-- Calls every method and metamethod of every kind of object with every other kind, and with plain
-- values, as its self. Prints how many calls there were, and which were not refused.
local neap = require "neap"
local kinds = require "spec.support.kinds"

local calls, accepted = 0, {}

--- The name of what a method is tried on stands in `accepted` if it did not raise.
local function try(title, method, self)
  calls = calls + 1
  local ok, err = pcall(neap.timeout, 5, method, self)
  if ok then
    accepted[#accepted + 1] = title
  elseif neap.is(err, neap.TimeoutError) then
    accepted[#accepted + 1] = title .. " waits"
  end
end

local plain = { "x", 1, {}, print, io.stdout, coroutine.create(print), true }

--- In an order in which a task and a future are cancelled before they are awaited.
local function sorted(methods)
  local names = {}
  for name in pairs(methods) do names[#names + 1] = name end
  table.sort(names)
  return names
end

for _, name in ipairs(kinds.names) do
  local objects = {}
  for _, other in ipairs(kinds.names) do objects[other] = kinds.make[other]() end
  local methods = kinds.methods(objects[name])
  for _, method_name in ipairs(sorted(methods)) do
    local method = methods[method_name]
    local title = name .. ":" .. method_name
    for other, object in pairs(objects) do
      if other ~= name and kinds.methods(object)[method_name] ~= method then
        try(("%s of a %s"):format(title, other), method, object)
      end
    end
    try(title .. " of nil", method, nil)
    for _, value in ipairs(plain) do
      try(("%s of a %s"):format(title, type(value)), method, value)
    end
  end
end

table.sort(accepted)
print(calls)
print(table.concat(accepted, "\n"))
os.exit(0, true)
