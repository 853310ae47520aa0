-- A Lua module in C whose functions wait, compiled against the installed header, in the program
-- and in the stock interpreter.
local installed = require "spec.support.installed"
local process = require "spec.support.process"

local SCRIPT = [[
local neap = require "neap"
local waiter = require "waiter"

local function main()
  local order = {}
  local other = neap.create_task(function() order[#order + 1] = "another task" end)
  local double = waiter.double(21)
  order[#order + 1] = double
  other:await()
  print(table.concat(order, ", "))
  print((neap.move_on_after(0.001, waiter.never)))
  waiter.forget()
  local sum = 0
  local create = neap.create_task
  for _, task in ipairs { create(waiter.double, 1), create(waiter.double, 2) } do
    sum = sum + task:await()
  end
  print(sum)
end

if neap.current_task() then main() else
  print(select(2, pcall(waiter.double, 1)))
  neap.run(main)
end
]]

describe("a C module that waits", function()
  local folder

  lazy_setup(function()
    folder = installed.scratch()
    local result = installed.run(("cc -std=gnu11 -shared -fPIC -Wall -Wextra -Wpedantic -Werror %s"
      .. " spec/install/module/waiter.c -o %s/waiter.so $(pkg-config --cflags neap) -pthread")
      :format(installed.flags, folder))
    assert(result.code == 0, result.stderr)
  end)

  local function run(interpreter)
    local path = ("%s/?.so;%s/lib/lua/5.4/?.so"):format(folder, installed.prefix())
    return process.run({ interpreter, "-e", SCRIPT }, { env = { LUA_CPATH = path } })
  end

  it("suspends a task in the neap program", function()
    local result = run(installed.prefix() .. "/bin/neap")
    assert.are.same({ code = 0, stdout = "another task, 42\nfalse\n6\n", stderr = "" }, result)
  end)

  it("suspends a task in the stock interpreter", function()
    local result = run "lua5.4"
    assert.are.same({
      code = 0,
      stdout = "outside a task: call this inside neap.run\nanother task, 42\nfalse\n6\n",
      stderr = "",
    }, result)
  end)
end)
