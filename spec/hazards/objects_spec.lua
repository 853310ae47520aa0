-- Every kind of object: in the wrong hands, closed, dropped, and at the end of the state. Each
-- case is a program, whose crash is no crash of the specs.
local process = require "spec.support.process"

local FOLDER = "spec/hazards/programs/"

local function run(name, ...)
  return process.run { "neap", FOLDER .. name .. ".lua", ... }
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

describe("every object", function()
  it("refuses methods of other kinds, and has its own refuse other values", function()
    local result = run "selves"
    assert.are.same({ 0, "" }, { result.code, result.stderr })
    local calls, accepted = result.stdout:match "^(%d+)\n(.*)$"
    assert.is_true(tonumber(calls) > 4000, calls)
    -- A task is a future; the text of what is a table is harmless.
    assert.are.same({
      "future:__close of a task", "future:__tostring of a task", "future:cancel of a task",
      "future:cancelled of a task", "future:done of a task",
      "task:__close of a future", "task:__tostring of a future", "task:cancel of a future",
      "task:cancelled of a future", "task:done of a future",
    }, lines(accepted))
  end)

  it("has methods that neither crash nor wait once it is closed, and finalized by hand", function()
    local result = run "closed"
    assert.are.same({ 0, "" }, { result.code, result.stderr })
    local found = lines(result.stdout)
    assert.is_true(tonumber(found[1]) > 3000, found[1])
    assert.are.same({}, { table.unpack(found, 2) })
  end)

  it("serves the operation in flight that is all that refers to it", function()
    local result = run "dropped"
    assert.are.same({ 0, "" }, { result.code, result.stderr })
    assert.are.same({
      "accept: accepted", "dns: 127.0.0.1", "pipe: out", "read: 1", "run: out",
      "signal: SIGUSR2", "stat: directory", "stream: said again", "timer: called",
      "udp: datagram", "wait: 0", "watch: file",
    }, lines(result.stdout))
  end)
end)

describe("the state ends, with in flight", function()
  local codes = {
    ["return"] = 0, error = 1, exit = 0, ["exit at once"] = 0, interrupt = 130, drop = 0,
  }
  local kinds = lines(run("ends").stdout)
  kinds[#kinds + 1] = "all"

  for how, code in pairs(codes) do
    it("every kind of operation, by " .. how, function()
      for _, kind in ipairs(how == "drop" and kinds or { "all" }) do
        local result = run("ends", kind, how)
        assert.are.same({ kind, code, "started\n" }, { kind, result.code, result.stdout })
        assert.are.equal(code == 1 and "neap: ended" or "", result.stderr:match "^[^\n]*")
      end
    end)
  end

  it("every kind of operation, under lua5.4", function()
    for _, how in ipairs { "return", "error", "exit", "drop" } do
      local result = process.run { "lua5.4", FOLDER .. "ends.lua", "all", how }
      assert.are.same({ code = 0, stdout = "started\n", stderr = "" }, result)
    end
  end)
end)

describe("at every depth of the stacks", function()
  it("a function works or raises, and nothing is left of it", function()
    local result = run "depths"
    assert.are.same({ code = 0, stdout = "true\ttrue\t1\t0\n", stderr = "" }, result)
  end)
end)
