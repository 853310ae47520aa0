-- What the tree of tasks shows below a task that waits for several, and the text of errors that
-- carry others.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local process = require "spec.support.process"

--- The tree without places and times: indentation, name and what is waited for.
local function outline()
  local lines = {}
  for line in neap.format_tasks():gmatch "[^\n]+" do
    local indent, name, what = line:match '^( *)<Task "(.-)" pending at .-> (.*)$'
    lines[#lines + 1] = indent and indent .. name .. " " .. what:gsub(" for [%d.]+ s$", "") or line
  end
  return lines
end

local function sleeper(name)
  return neap.create_task({ name = name }, neap.sleep, 10)
end

describe("the tree", function()
  it("shows what is gathered below who gathers #plain", in_loop(function()
    local a, b = sleeper "a", sleeper "b"
    neap.create_task({ name = "gatherer" }, neap.gather, a, b)
    neap.current_task():set_name "main"
    neap.sleep(1)
    assert.are.same({
      "main runs", "gatherer waits in gather", "  a waits in sleep", "  b waits in sleep",
    }, outline())
  end))

  it("shows a group's tasks below its owner", in_loop(function()
    neap.current_task():set_name "main"
    local owner = neap.create_task({ name = "owner" }, function()
      local group <close> = neap.task_group()
      group:create_task({ name = "child" }, neap.sleep, 10)
    end)
    neap.sleep(1)
    assert.are.same({ "main runs", "owner waits in task group", "  child waits in sleep" },
      outline())
    owner:cancel()
  end))

  it("names what a lock waits for, and who holds it", in_loop(function()
    neap.current_task():set_name "main"
    local lock = neap.lock()
    local held <close> = lock:acquire()
    local waiter = neap.create_task({ name = "waiter" }, lock.acquire, lock)
    neap.sleep(1)
    local lines = outline()
    assert.are.equal("main runs", lines[1])
    assert.matches("^waiter waits in lock held by ", lines[2])
    waiter:cancel()
    return held
  end))

  it("shows the user's own line, not neap's #plain", in_loop(function()
    local line = debug.getinfo(1, "l").currentline + 1
    neap.create_task(function() neap.gather(sleeper "a") end)
    neap.sleep(1)
    assert.matches("tree_spec.lua:" .. line .. "> waits in gather", neap.format_tasks(), 1, true)
  end))
end)

describe("the text of an uncaught error", function()
  local function stderr_of(code)
    local result = process.run({ "neap", "-" }, { stdin = 'local neap = require "neap"\n' .. code })
    assert.are.equal(1, result.code)
    return result.stderr
  end

  it("shows every error of a group, each with its own traceback", function()
    local text = stderr_of [[
      neap.task_group(function(group)
        group:create_task(function() local t; return t.x end)
        group:create_task(function() error(neap.Error "second") end)
      end)]]
    assert.matches("ExceptionGroup: unhandled errors in a TaskGroup", text, 1, true)
    assert.matches("error 1 of 2:\n  stdin:3: attempt to index a nil value", text, 1, true)
    assert.matches("  \tstdin:3: in function", text, 1, true)
    assert.matches("error 2 of 2:\n  Error: second", text, 1, true)
  end)

  it("shows causes, ten deep at most", function()
    local text = stderr_of [[
      local err = neap.Error "end"
      for i = 1, 20 do err = neap.Error { message = "e" .. i, cause = err } end
      error(err)]]
    local _, count = text:gsub("caused by:", "")
    assert.are.equal(10, count)
  end)

  it("survives a cause that is its own cause", function()
    assert.matches("Error: round", stderr_of [[
      local err = neap.Error "round"
      err.cause = err
      error(err)]], 1, true)
  end)
end)
