-- The module under the stock interpreter. The specs themselves run there; these are about what
-- needs a process of its own.
local process = require "spec.support.process"

local function lua(code)
  return process.run({ "lua5.4", "-" }, { stdin = "neap = require 'neap'\n" .. code })
end

describe("the module under lua5.4", function()
  it("runs a main function", function()
    assert.are.same({ code = 0, stdout = "slept\n", stderr = "" },
      lua "print(neap.run(function(...) return neap.sleep(0.001, ...) end, 'slept'))")
  end)

  it("raises the main function's error", function()
    local result = lua "neap.run(function() neap.sleep(0) error 'oops' end)"
    assert.are.equal(1, result.code)
    assert.matches("^lua5.4: stdin:2: oops\n", result.stderr)
  end)

  it("raises error objects that the interpreter can print", function()
    local result = lua "neap.run(function() error(neap.TimeoutError 'late') end)"
    assert.are.equal(1, result.code)
    assert.matches("^lua5.4: TimeoutError: late\n", result.stderr)
  end)

  it("refuses to wait outside of neap.run", function()
    local result = lua "neap.sleep(1)"
    assert.are.equal(1, result.code)
    assert.matches("outside a task", result.stderr, 1, true)
  end)

  it("is required in a coroutine", function()
    local result = process.run({ "lua5.4", "-" }, { stdin = [[
      local co = coroutine.create(function()
        local neap = require "neap"
        print(neap.run(neap.sleep, 0, "slept"))
        coroutine.yield(neap)
      end)
      local _, neap = assert(coroutine.resume(co))
      co = nil
      collectgarbage()
      print(neap.run(neap.sleep, 0, "again"))
    ]] })
    assert.are.same({ code = 0, stdout = "slept\nagain\n", stderr = "" }, result)
  end)

  it("is one, however often it is loaded", function()
    local result = lua [[
      package.loaded.neap = nil
      print(neap == require "neap")
    ]]
    assert.are.same({ code = 0, stdout = "true\n", stderr = "" }, result)
  end)

  it("closes with the state when it never ran", function()
    assert.are.same({ code = 0, stdout = "", stderr = "" }, lua "")
  end)

  for title, code in pairs {
    ["in a task"] = "neap.run(function() os.exit(3, true) end)",
    ["in another task"] = [[neap.run(function()
      neap.create_task(os.exit, 3, true)
      neap.sleep(100)
    end)]],
    ["in pcall"] = "neap.run(pcall, os.exit, 3, true)",
    ["in a coroutine"] = "neap.run(coroutine.wrap(function() os.exit(3, true) end))",
    ["with neap.run in pcall"] = "pcall(neap.run, os.exit, 3, true)",
    ["with neap.run in a coroutine"] = "coroutine.wrap(neap.run)(os.exit, 3, true)",
    ["after a run"] = "neap.run(neap.sleep, 0) os.exit(3, true)",
    ["without closing"] = "neap.run(os.exit, 3)",
  } do
    it("ends by os.exit(3, true) " .. title, function()
      assert.are.same({ code = 3, stdout = "", stderr = "" }, lua(code))
    end)
  end
end)
