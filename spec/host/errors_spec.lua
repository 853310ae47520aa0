-- What the program says about errors, and its exit status.
local process = require "spec.support.process"

--- Runs code as the script; it must end with status 1. Returns what it wrote to stderr.
local function fails(code)
  local words = { "neap", "--virtual-clock", "-l", "neap", "-" }
  local result = process.run(words, { stdin = code })
  assert.are.equal(1, result.code, result.stderr)
  assert.are.equal("", result.stdout)
  return result.stderr
end

describe("the program", function()
  it("ends with 0 when the script returns, whatever it returns", function()
    for _, code in ipairs { "", "return false", "return nil, 'error'", "return 3" } do
      assert.are.same({ code = 0, stdout = "", stderr = "" }, process.run { "neap", "-e", code })
    end
  end)

  it("says that a script does not exist", function()
    local result = process.run { "neap", "no/such/script.lua" }
    assert.are.same({
      code = 1,
      stdout = "",
      stderr = "neap: cannot open no/such/script.lua: No such file or directory\n",
    }, result)
  end)

  it("says that a script is a folder", function()
    local result = process.run { "neap", "spec" }
    assert.are.equal(1, result.code)
    assert.matches("^neap: cannot read spec", result.stderr)
  end)

  it("says where a script does not parse", function()
    assert.are.equal("neap: stdin:2: syntax error near 'y'\n", fails "\nx y")
    assert.are.same(
      { code = 1, stdout = "1\n", stderr = "neap: (command line):1: unexpected symbol near '?'\n" },
      process.run { "neap", "-e", "print(1)", "-e", "?", "-e", "print(2)" })
  end)

  it("prints an error's message and traceback", function()
    local text = fails [[
      local function culprit() error "oops" end
      local function caller() culprit() return 1 end
      caller()
    ]]
    assert.matches("^neap: stdin:1: oops\nstack traceback:\n", text)
    assert.matches("in upvalue 'culprit'", text, 1, true)
    assert.matches("stdin:2: in local 'caller'", text, 1, true)
    assert.matches("stdin:3: in main chunk", text, 1, true)
  end)

  it("shows where the virtual machine raised an error", function()
    local text = fails [[
      local function culprit() return nil + 1 end
      local function caller() culprit() return 1 end
      caller()
    ]]
    assert.matches("^neap: stdin:1: attempt to perform arithmetic on a nil value", text)
    assert.matches("stdin:1: in upvalue 'culprit'", text, 1, true)
  end)

  it("prints an error object with its class and traceback", function()
    local text = fails [[
      local function culprit() error(neap.TimeoutError "late") end
      neap.sleep(1)
      culprit()
    ]]
    assert.matches("^neap: TimeoutError: late\nstack traceback:\n", text)
    assert.matches("in local 'culprit'", text, 1, true)
  end)

  it("prints error values of any kind", function()
    for code, message in pairs {
      ["error()"] = "(error object is a nil value)",
      ["error(false)"] = "(error object is a boolean value)",
      ["error(42)"] = "42",
      ["error {}"] = "(error object is a table value)",
      ["error(print)"] = "(error object is a function value)",
      ["error(setmetatable({}, { __tostring = function() return 'mine' end }))"] = "mine",
      ["error(setmetatable({}, { __tostring = function() return {} end }))"]
        = "(error object is a table value)",
      ["error(setmetatable({}, { __tostring = function() error 'again' end }))"]
        = "(error object is a table value)",
      ["error(setmetatable({}, { __tostring = function() neap.sleep(1) end }))"]
        = "(error object is a table value)",
    } do
      local text = fails(code)
      assert.are.equal("neap: " .. message, text:match "^[^\n]*", code)
    end
  end)

  it("prints the error of a task that was awaited", function()
    local text = fails [[
      local task = neap.create_task(function() neap.sleep(1) error "in the task" end)
      task:await()
    ]]
    assert.matches("^neap: stdin:1: in the task\n", text)
  end)

  it("reports the error of a task that nobody awaited, and ends with 0", function()
    local result = process.run({ "neap", "-" }, { stdin = [[
      local neap = require "neap"
      neap.create_task(function() error "lost" end)
      neap.sleep(0)
      print "done"
    ]] })
    assert.are.equal(0, result.code)
    assert.are.equal("done\n", result.stdout)
    assert.matches("^neap: Task exception was never retrieved", result.stderr)
    assert.matches("stdin:2: lost", result.stderr, 1, true)
  end)

  it("ends with an error when the main task can never be woken", function()
    assert.matches("^neap: DeadlockError: ", fails "neap.future():await()")
  end)

  it("raises the error of a __close after the script's", function()
    assert.matches("^neap: stdin:2: closing\n", fails [[
      local guard <close> = setmetatable({}, { __close = function()
        error "closing" end })
      error "body"
    ]])
  end)

  it("survives a __gc that raises, at any time", function()
    local result = process.run({ "neap", "-W", "-" }, { stdin = [[
      setmetatable({}, { __gc = function() error "early" end })
      collectgarbage()
      late = setmetatable({}, { __gc = function() error "late" end })
    ]] })
    assert.are.equal(0, result.code)
    assert.matches("early", result.stderr, 1, true)
    assert.matches("late", result.stderr, 1, true)
  end)

  it("refuses neap.run, since the script is a task already", function()
    assert.matches("^neap: stdin:1: neap.run cannot be called while the loop runs",
      fails "neap.run(print)")
  end)

  it("starts without standard files", function()
    for _, closed in ipairs { "<&-", ">&-", "2>&-", "<&- >&- 2>&-" } do
      local command = os.getenv "NEAP_BUILD" .. "/neap -lneap -e 'print(neap.sleep(0, 1))' "
      local result = process.run { "sh", "-c", command .. closed }
      assert.are.equal(0, result.code)
      assert.are.equal("", result.stderr)
    end
  end)

  it("does not mind that nobody reads its output", function()
    local command = os.getenv "NEAP_BUILD" .. "/neap -e 'print(1)' >/dev/full"
    assert.are.same({ code = 0, stdout = "", stderr = "" }, process.run { "sh", "-c", command })
  end)
end)
