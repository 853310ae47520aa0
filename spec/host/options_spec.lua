-- The options of the program.
local process = require "spec.support.process"

--- Runs the program with these words; stdin is empty.
local function neap(...)
  return process.run { "neap", ... }
end

local function prints(text, ...)
  assert.are.same({ code = 0, stdout = text, stderr = "" }, neap(...))
end

--- Writes "name.lua", for `require`, into a new folder; returns the value of LUA_PATH.
local function with_module(name, text)
  local base = os.tmpname()
  os.remove(base)
  assert(os.execute("mkdir " .. base))
  local file <close> = assert(io.open(base .. "/" .. name .. ".lua", "w"))
  file:write(text)
  finally(function() os.execute("rm -r " .. base) end)
  return base .. "/?.lua;;"
end

describe("the option", function()
  it("-e executes its operand, which may follow at once", function()
    prints("1\n2\n", "-e", "print(1)", "-eprint(2)")
  end)

  it("-e may wait, and is part of one main task with the next", function()
    prints("true\t60.0\n", "--virtual-clock",
      "-e", "local neap = require 'neap'; first = neap.current_task(); neap.sleep(60)",
      "-e", "local neap = require 'neap'; print(first == neap.current_task(), neap.time())")
  end)

  it("-e leaves its tasks running while the script runs", function()
    local script <close> = process.write_file "neap.sleep(2) print 'script'"
    prints("task\nscript\n", "--virtual-clock", "-l", "neap",
      "-e", "neap.create_task(function() neap.sleep(1) print 'task' end)", script.path)
  end)

  it("-l requires a module into the global of its name", function()
    prints("true\n", "-l", "neap", "-e", "print(neap == require 'neap')")
    prints("function\n", "-lneap", "-e", "print(type(neap.run))")
  end)

  it("-l g=mod requires it into another", function()
    prints("function\tnil\n", "-l", "n=neap", "-e", "print(type(n.run), neap)")
  end)

  it("-l finds modules, whose bodies may wait", function()
    local path = with_module("slow", "require 'neap'.sleep(60) return { text = 'loaded' }")
    local result = process.run(
      { "neap", "--virtual-clock", "-l", "slow", "-e", "print(slow.text)" },
      { env = { LUA_PATH = path } })
    assert.are.same({ code = 0, stdout = "loaded\n", stderr = "" }, result)
  end)

  it("-l of what is not there ends the program", function()
    local result = neap("-l", "no.such.module", "-e", "print 'next'")
    assert.are.equal(1, result.code)
    assert.are.equal("", result.stdout)
    assert.matches("^neap: module 'no.such.module' not found:", result.stderr)
  end)

  it("-v and --version show the version and nothing else", function()
    for _, option in ipairs { "-v", "--version" } do
      local result = process.run({ "neap", option }, { stdin = "print 'stdin'" })
      assert.are.equal(0, result.code)
      assert.matches("^neap %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%)\n$", result.stdout)
    end
  end)

  it("-v goes on to the script", function()
    local result = process.run({ "neap", "-v", "-" }, { stdin = "print 'stdin'" })
    assert.matches("^neap .*\nstdin\n$", result.stdout)
  end)

  it("-E ignores the environment", function()
    local env = { LUA_INIT = "print 'init'", LUA_PATH = "./special/?.lua" }
    local code = "print((package.path:find('special', 1, true)))"
    assert.are.equal("init\n3\n", process.run({ "neap", "-e", code }, { env = env }).stdout)
    assert.are.equal("nil\n", process.run({ "neap", "-E", "-e", code }, { env = env }).stdout)
  end)

  it("-W turns warnings on", function()
    assert.are.equal("Lua warning: careful\n", neap("-W", "-e", "warn 'careful'").stderr)
    assert.are.equal("", neap("-e", "warn 'careful'").stderr)
  end)

  it("--help prints the usage", function()
    local result = neap("--help", "-e", "print(1)")
    assert.are.equal(0, result.code)
    assert.are.equal("", result.stderr)
    assert.matches("^usage: neap %[options%] %[script %[args%]%]\n", result.stdout)
    for _, option in ipairs { "-e", "-l", "-i", "-v", "-E", "-W", "--debug" } do
      assert.is_truthy(result.stdout:find("\n  " .. option, 1, true) or
        result.stdout:find(", " .. option, 1, true), option)
    end
  end)

  it("--debug is taken", function()
    prints("1\n", "--debug", "-e", "print(1)")
  end)

  it("--virtual-clock makes an hour pass at once", function()
    prints("3600.0\n", "--virtual-clock", "-l", "neap",
      "-e", "neap.sleep(3600) print(neap.time())")
  end)

  it("that is not known gets the usage on stderr", function()
    for _, option in ipairs { "-x", "-vx", "--nothing", "-Ee", "--e" } do
      local result = neap(option)
      assert.are.equal(1, result.code)
      assert.are.equal("", result.stdout)
      assert.are.equal(1, (result.stderr:find(
        ("neap: unrecognized option '%s'\nusage: neap"):format(option), 1, true)))
    end
  end)

  it("without its operand gets the usage on stderr", function()
    for _, words in ipairs { { "-e" }, { "-l" }, { "-e", "-v" } } do
      local result = neap(table.unpack(words))
      assert.are.equal(1, result.code)
      assert.matches("^neap: '%-[el]' needs argument\nusage: ", result.stderr)
    end
  end)
end)

describe("the script", function()
  it("runs as the main task", function()
    local script <close> = process.write_file
      "local neap = require 'neap' neap.sleep(0.001) print(neap.current_task() ~= nil)"
    prints("true\n", script.path)
  end)

  it("is stdin for '-', and when nothing is asked for", function()
    for _, options in ipairs { { "-" }, {}, { "-l", "neap" }, { "--" } } do
      local words = { "neap", table.unpack(options) }
      local result = process.run(words, { stdin = "print(require 'neap'.sleep(0, 'slept'))" })
      assert.are.same({ code = 0, stdout = "slept\n", stderr = "" }, result)
    end
  end)

  it("may have a name that looks like an option after '--'", function()
    local result = neap("--", "-v")
    assert.are.equal(1, result.code)
    assert.matches("^neap: cannot open %-v", result.stderr)
  end)
end)

describe("LUA_INIT", function()
  local function run_with(env, ...)
    return process.run({ "neap", "--virtual-clock", ... }, { env = env })
  end

  it("runs first, as part of the main task", function()
    local result = run_with({ LUA_INIT = "require 'neap'.sleep(1) print 'init'" },
      "-e", "print(require 'neap'.time())")
    assert.are.same({ code = 0, stdout = "init\n1.0\n", stderr = "" }, result)
  end)

  it("names a file after '@'", function()
    local file <close> = process.write_file "print 'file'"
    local result = run_with({ LUA_INIT = "@" .. file.path }, "-e", "print(1)")
    assert.are.equal("file\n1\n", result.stdout)
  end)

  it("is not asked for if LUA_INIT_5_4 is there", function()
    local env = { LUA_INIT = "print 'old'", LUA_INIT_5_4 = "print 'new'" }
    assert.are.equal("new\n", run_with(env, "-e", "").stdout)
  end)

  it("ends the program if it fails", function()
    local result = run_with({ LUA_INIT = "error('no', 0)" }, "-e", "print(1)")
    assert.are.equal(1, result.code)
    assert.are.equal("", result.stdout)
    assert.matches("^neap: no\n", result.stderr)
    assert.are.equal("neap: LUA_INIT:1: unexpected symbol near '?'\n",
      run_with({ LUA_INIT = "?" }, "-e", "print(1)").stderr)
  end)
end)

describe("interactive mode", function()
  --- What it prints for these lines, without the version.
  local function session(lines)
    local result = process.run({ "neap", "--virtual-clock", "-i", "-l", "neap" },
      { stdin = table.concat(lines, "\n") .. "\n" })
    assert.are.equal(0, result.code)
    return result.stdout:gsub("^neap [^\n]*\n", ""), result.stderr
  end

  it("prints the values of expressions", function()
    assert.are.equal("> > 3\n> 1\tnil\n> nil\n> \n",
      (session { "x = 3", "x", "1, nil", "nil" }))
  end)

  it("runs each chunk as a main task", function()
    assert.are.equal("> slept\n> \n", (session { "neap.sleep(60, 'slept')" }))
  end)

  it("reads on while a chunk is incomplete", function()
    assert.are.equal("> >> >> 1\n> \n", (session { "for i = 1, 1 do", "print(i)", "end" }))
  end)

  it("goes on after an error", function()
    local out, err = session { "error('oops', 0)", "?", "1" }
    assert.are.equal("> > > 1\n> \n", out)
    assert.matches("^oops\n", err)
    assert.matches("\nstdin:1: unexpected symbol near '?'\n", err, 1, true)
  end)

  it("uses the prompts that are set", function()
    assert.are.equal("> # ..1\n# \n",
      (session { "_PROMPT, _PROMPT2 = '# ', '..'", "do", "print(1) end" }))
  end)

  it("reads lines of any length", function()
    local text = ("x"):rep(5000)
    assert.are.equal("> " .. text .. "\n> \n", (session { "'" .. text .. "'" }))
  end)

  it("follows the script, and ends by os.exit", function()
    local result = process.run({ "neap", "-i", "-e", "x = 1" },
      { stdin = "x\nos.exit(4, true)\nprint 'not reached'\n" })
    assert.are.equal(4, result.code)
    assert.matches("\n> 1\n> $", result.stdout)
  end)

  it("is not entered if the script fails", function()
    local result = process.run({ "neap", "-i", "-e", "error()" }, { stdin = "print 'chunk'\n" })
    assert.are.equal(1, result.code)
    assert.is_nil(result.stdout:find "chunk")
  end)
end)
