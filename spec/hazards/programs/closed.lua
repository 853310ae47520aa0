-- Calls every method of every kind of object after the object has ended, been closed twice, and
-- been finalized twice by hand, with all sorts of arguments. Prints the number of calls, and what
-- waited.
local neap = require "neap"
local kinds = require "spec.support.kinds"

local function nothing() end

local arguments = {
  {}, { 1 }, { "127.0.0.1" }, { nothing }, { 0, "x" }, { -1 }, { 0 / 0 }, { math.huge },
  { math.mininteger }, { ("x"):rep(70000) }, { {} },
}

local function closed(name, is_finalized)
  local object = kinds.make[name]()
  local metatable = debug.getmetatable(object)
  local finish = kinds.finish[name] or kinds.methods(object).close or metatable.__close
  if finish then
    pcall(finish, object)
    pcall(finish, object)
  end
  if is_finalized and metatable.__gc then
    metatable.__gc(object)
    metatable.__gc(object)
  end
  return object
end

local calls, waiting = 0, {}

local function try(title, method, ...)
  calls = calls + 1
  local _, err = pcall(neap.timeout, 5, method, ...)
  if neap.is(err, neap.TimeoutError) then waiting[title] = true end
end

for _, name in ipairs(kinds.names) do
  if name ~= "standard_stream" and name ~= "event" then -- which have no end
    for method_name, method in pairs(kinds.methods(kinds.make[name]())) do
      for _, words in ipairs(arguments) do
        for _, is_finalized in ipairs { false, true } do
          try(name .. ":" .. method_name, method, closed(name, is_finalized),
            table.unpack(words))
        end
      end
    end
  end
end

print(calls)
for title in pairs(waiting) do print(title) end
os.exit(0, true)
