-- Suites of busted's that specs run from outside.
--
--   suite(files)        a folder with these files, { ["a_spec.lua"] = text }, which is removed
--                       at the block's end
--   folder:run(runner, ...)  runs it with more arguments: "neap" is `neap test`, "busted" is
--                       plain busted with --helper=neap.busted, "plain" is busted alone; the
--                       result of process.run, with stdout freed of what differs each time
local process = require "spec.support.process"

local Folder = {}
Folder.__index = Folder

local function shell(command)
  assert(os.execute("unset LD_PRELOAD; exec " .. command))
end

--- Numbers of tasks, and what takes how long.
local function normal(text)
  return (text:gsub('"Task%-%d+"', '"Task-N"')
    :gsub(" for %d+%.%d+ s", " for T s")
    :gsub(": %d[%d.e-]* seconds", ": T seconds")
    :gsub("time='[%d.]+'", "time='T'")
    :gsub("timestamp='[^']+'", "timestamp='T'"))
end

local function words_of(self, runner, arguments)
  local words = { "neap", "test", "-C", self.path }
  if runner ~= "neap" then words = { "lua5.4", "spec/support/busted.lua", "-C", self.path } end
  if runner == "busted" then words[#words + 1] = "--helper=neap.busted" end
  for _, argument in ipairs(arguments) do
    local own = argument:match "^%-%-(virtual%-clock)" or argument:match "^%-%-(test%-timeout.*)"
      or argument:match "^%-%-(shuffle%-tasks)"
    if own and runner == "busted" then
      words[#words + 1] = "-Xhelper"
      argument = own
    end
    words[#words + 1] = argument
  end
  words[#words + 1] = "."
  return words
end

function Folder:run(runner, ...)
  local result = process.run(words_of(self, runner, { ... }))
  result.text = normal(result.stdout)
  return result
end

function Folder:__close()
  shell("rm -rf " .. self.path)
end

return function(files)
  local path = os.tmpname()
  shell("rm " .. path)
  shell("mkdir " .. path)
  for name, text in pairs(files) do
    local inner = name:match "^(.*)/"
    if inner then shell(("mkdir -p %s/%s"):format(path, inner)) end
    local file <close> = assert(io.open(path .. "/" .. name, "w"))
    assert(file:write(text))
  end
  return setmetatable({ path = path }, Folder)
end
