-- The command: its help, its options, what becomes of Ctrl-C, coverage, and a helper given twice.
local process = require "spec.support.process"
local suite = require "spec.support.suite"

local RUNNERS = { "neap", "busted" }

describe("neap test", function()
  it("tells what it takes, busted's options too", function()
    for _, option in ipairs { "--help", "-h" } do
      local result = process.run { "neap", "test", option }
      assert.matches("^usage: neap test ", result.stdout)
      for _, known in ipairs { "--virtual-clock", "--test-timeout", "--shuffle-tasks",
        "--filter", "--repeat", "--helper" } do
        assert.matches(known, result.stdout, 1, true)
      end
      assert.are.same({ 0, "" }, { result.code, result.stderr })
    end
  end)

  it("refuses what it does not know", function()
    local function refusal(...)
      local result = process.run { "neap", "test", ... }
      assert.are.same({ 1, "" }, { result.code, result.stdout })
      return result.stderr
    end
    assert.matches("bad flag: --nonsense", refusal "--nonsense", 1, true)
    for _, words in ipairs { { "--test-timeout" }, { "--test-timeout", "soon" },
      { "--test-timeout=" } } do
      assert.are.equal("neap test: neap.busted: --test-timeout takes a number of seconds\n",
        refusal(table.unpack(words)))
    end
  end)

  it("says when there is no file, and fails", function()
    local result = process.run { "neap", "test", "/nonexistent_spec.lua" }
    assert.matches("Cannot find file or directory", result.stdout .. result.stderr, 1, true)
    assert.are.equal(1, result.code)
  end)
end)

describe("Ctrl-C", function()
  local SUITE = [[
    local neap = require "neap"
    after_each(function() io.stderr:write "after_each\n" end)
    teardown(function() io.stderr:write "teardown\n" end)
    it("is in the middle", function()
      io.stderr:write "ready\n"
      %s
    end)
    it("is next", function() io.stderr:write "next ran\n" end)
  ]]

  local function interrupted(body, times)
    local folder <close> = suite { ["long_spec.lua"] = SUITE:format(body) }
    local child <close> = process.start { "neap", "test", "-C", folder.path, "-o", "TAP", "." }
    child:wait_for "ready"
    child:kill "INT"
    if times == 2 then
      child:wait_for "again"
      child:kill "INT"
    end
    return child:finish()
  end

  it("ends the test, with its cleanup, and then the run", function()
    local result = interrupted "neap.sleep(100)"
    assert.are.equal("ready\nafter_each\nteardown\n", result.stderr)
    assert.matches("^not ok 1 %- is in the middle\n", result.stdout)
    assert.matches("CancelledError\n1..1\n$", result.stdout)
    assert.are.equal(130, result.code)
  end)

  it("ends a test that never waits", function()
    local result = interrupted "while true do end"
    assert.matches("^not ok 1 %- is in the middle\n", result.stdout)
    assert.are.equal(130, result.code)
  end)

  it("twice ends a test that takes its time to clean up", function()
    local result = interrupted([[
      pcall(neap.sleep, 100)
      io.stderr:write "again\n"
      neap.sleep(100)
    ]], 2)
    assert.matches("^not ok 1 %- is in the middle\n", result.stdout)
    assert.matches("interrupted", result.stdout, 1, true)
    assert.not_matches("next ran", result.stderr)
    assert.are.equal(130, result.code)
  end)
end)

describe("--coverage", function()
  -- As LuaCov does it, which not every machine has: a hook, set again in each new coroutine.
  local LUACOV = [[
    local runner = { configuration = { exclude = {} }, lines = {} }
    local function hook(_, line)
      local source = debug.getinfo(2, "S").short_src
      if source:find "covered_spec" then runner.lines[line] = true end
    end
    local function start()
      debug.sethook(hook, "l")
      local create = coroutine.create
      function coroutine.create(...)
        local co = create(...)
        debug.sethook(co, hook, "l")
        return co
      end
    end
    return setmetatable(runner, { __call = start })
  ]]

  for _, runner in ipairs(RUNNERS) do
    it("sees the lines of bodies, before and after they wait (" .. runner .. ")", function()
      local folder <close> = suite {
        ["luacov/runner.lua"] = LUACOV,
        ["covered_spec.lua"] = [[
local neap = require "neap"
local function helper()
  neap.sleep(0.001)
  return true
end
it("waits", function()
  neap.sleep(0.001)
  helper()
  if false then
    error "never"
  end
end)
it("sees it", function()
  local lines = require "luacov.runner".lines
  for _, line in ipairs { 3, 4, 7, 8, 9, 14 } do assert.is_true(lines[line], line) end
  assert.is_nil(lines[10])
end)
]] }
      local result = folder:run(runner, "--lpath=./?.lua", "--coverage")
      assert.are.same({ 0, "" }, { result.code, result.stderr }, result.text)
      assert.matches("2 successes", result.text)
    end)
  end
end)

describe("the helper", function()
  for _, runner in ipairs(RUNNERS) do
    it("may be given twice, and required by a file (" .. runner .. ")", function()
      local folder <close> = suite { ["twice_spec.lua"] = [[
        local neap = require "neap"
        require "neap.busted"
        it("waits", function() neap.sleep(0.001) end)
        it("leaks", function() neap.create_task(neap.sleep, 1000) end)
      ]] }
      local once = folder:run(runner, "-o", "TAP")
      local twice = folder:run(runner, "--helper=neap.busted", "-o", "TAP")
      assert.matches("^ok 1 %- waits\nnot ok 2 %- leaks\n", once.text)
      assert.are.equal(once.text, twice.text)
      assert.are.equal(1, twice.code)
    end)
  end
end)
