-- SPDX-License-Identifier: MIT
-- test.lua - `neap test`: busted's runner, with neap.busted.
local _, internal = ...

local USAGE = [[
usage: neap test [options] [busted's options] [files or folders]
  --virtual-clock      every test runs on a clock of its own that jumps
  --test-timeout=SECS  wall seconds that a test may take (10)
  --shuffle-tasks      tasks that are ready run in an order drawn from --seed
What follows is busted's own:
]]

--- Our options, and what is left for busted.
local function split(arguments)
  local own, rest = {}, { [0] = "neap test", "--ignore-lua" }
  local i = 1
  while arguments[i] do
    local word = arguments[i]
    if word == "--test-timeout" then
      i = i + 1
      own[#own + 1] = ("%s=%s"):format(word, arguments[i] or "")
    elseif word == "--virtual-clock" or word == "--shuffle-tasks"
      or word:find "^%-%-test%-timeout=" then
      own[#own + 1] = word
    else
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  return own, rest
end

local function wants_help(arguments)
  for _, word in ipairs(arguments) do
    if word == "--help" or word == "-h" then return true end
  end
  return false
end

--- busted has it as the message of an error.
local function print_help()
  local cli = require "busted.modules.cli"()
  cli:set_name "neap test"
  local _, text = cli:parse { "--help" }
  print(USAGE .. text:gsub("^.-\n\n", "\n"):gsub("; re%-run with [^\n]*$", ""))
end

local function fail(message)
  io.stderr:write("neap test: ", message, "\n")
  os.exit(1, true)
end

return function(arguments)
  if not pcall(require, "busted.runner") then
    fail "busted, which runs the tests, is not installed (Debian: lua-busted; or LuaRocks)"
  end
  local own, rest = split(arguments)
  _G.arg = own
  local ok, err = pcall(require, "neap.busted")
  if not ok then fail(err) end
  _G.arg = rest
  if wants_help(rest) then return print_help() end
  -- busted names itself after the file that starts it.
  local start = assert(load("require 'busted.runner'({ standalone = false })\n", "@neap test"))
  start()
  if internal.interrupted() then os.exit(true, true) end
end
