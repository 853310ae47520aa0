-- What becomes of tests that leak, hang, deadlock, fail or pass, in busted's own reports.
local suite = require "spec.support.suite"

local RUNNERS = { "neap", "busted" }

local MIXED = [[
local neap = require "neap"
describe("a suite", function()
  it("passes", function() neap.sleep(0.001) end)
  it("fails", function() neap.sleep(0.001) assert.are.equal(1, 2) end)
  it("leaks", function() neap.create_task(function() neap.sleep(1000) end) end)
  it("hangs", function() while true do neap.sleep(1) end end)
  it("deadlocks", function() neap.event():wait() end)
  it("passes again", function() neap.sleep(0.001) assert.are.equal(1, #neap.all_tasks()) end)
end)
]]

local EVERY = "every task waits, and nothing can wake any of them:"

local REPORTS = {}

REPORTS.plainTerminal = [[
+---*+
2 successes / 3 failures / 1 error / 0 pending : T seconds

Failure -> ./mixed_spec.lua @ 4
a suite fails
./mixed_spec.lua:4: Expected objects to be equal.
Passed in:
(number) 2
Expected:
(number) 1

Failure -> ./mixed_spec.lua @ 5
a suite leaks
this was left behind, and has been ended:
  <Task "Task-N" pending at ./mixed_spec.lua:5>, created at ./mixed_spec.lua:5

Failure -> ./mixed_spec.lua @ 6
a suite hangs
it took longer than 0.2 s. The tasks were:
<Task "Task-N" pending at ./mixed_spec.lua:6> waits in sleep for T s


Error -> ./mixed_spec.lua @ 7
a suite deadlocks
./mixed_spec.lua:7: DeadlockError: ]] .. EVERY .. [[

<Task "Task-N" pending at ./mixed_spec.lua:7> waits in event for T s

]]
REPORTS.TAP = [[
ok 1 - a suite passes
not ok 2 - a suite fails
# ./mixed_spec.lua @ 4
# Failure message: ./mixed_spec.lua:4: Expected objects to be equal.
# Passed in:
# (number) 2
# Expected:
# (number) 1
not ok 3 - a suite leaks
# ./mixed_spec.lua @ 5
# Failure message: this was left behind, and has been ended:
#   <Task "Task-N" pending at ./mixed_spec.lua:5>, created at ./mixed_spec.lua:5
not ok 4 - a suite hangs
# ./mixed_spec.lua @ 6
# Failure message: it took longer than 0.2 s. The tasks were:
# <Task "Task-N" pending at ./mixed_spec.lua:6> waits in sleep for T s
#]] .." ".. [[

not ok 5 - a suite deadlocks
# ./mixed_spec.lua @ 7
# Failure message: ./mixed_spec.lua:7: DeadlockError: ]] .. EVERY .. [[

# <Task "Task-N" pending at ./mixed_spec.lua:7> waits in event for T s
#]] .. " " .. [[

ok 6 - a suite passes again
1..6
]]

--- JUnit's attributes come in any order.
local function junit_cases(xml)
  local cases = {}
  for attributes, alone, rest in xml:gmatch "<testcase ([^>]-)(/?)>()" do
    local verdict, text = xml:match("^%s*<(%w+)[^>]*>([^\n]*)", rest)
    cases[#cases + 1] = { attributes:match "%f[%a]name='(.-)'", alone == "" and verdict or nil,
      alone == "" and text or nil }
  end
  return cases
end

describe("verdicts", function()
  for _, runner in ipairs(RUNNERS) do
    for _, output in ipairs { "plainTerminal", "TAP" } do
      it(("stand side by side in %s (%s)"):format(output, runner), function()
        local folder <close> = suite { ["mixed_spec.lua"] = MIXED }
        local result = folder:run(runner, "--test-timeout=0.2", "-o", output)
        assert.are.equal(REPORTS[output], result.text)
        assert.are.equal("", result.stderr)
        assert.are.equal(1, result.code)
      end)
    end

    it("stand side by side in JUnit's (" .. runner .. ")", function()
      local folder <close> = suite { ["mixed_spec.lua"] = MIXED }
      local result = folder:run(runner, "--test-timeout=0.2", "-o", "junit")
      assert.are.same({
        { "a suite passes" },
        { "a suite fails", "failure", "./mixed_spec.lua:4: Expected objects to be equal." },
        { "a suite leaks", "failure", "this was left behind, and has been ended:" },
        { "a suite hangs", "failure", "it took longer than 0.2 s. The tasks were:" },
        { "a suite deadlocks", "error", "./mixed_spec.lua:7: DeadlockError: every task waits, "
          .. "and nothing can wake any of them:" },
        { "a suite passes again" },
      }, junit_cases(result.text))
      assert.matches("failures='3'", result.text)
      assert.matches("errors='1'", result.text)
      assert.are.equal(1, result.code)
    end)
  end
end)


-- Bodies on one line each, and the message of their error or failure; %s is the position.
local RUNS = '<Task "Task-N" pending at %s> runs\n'
local LATE = "it took longer than 0.2 s. The tasks were:\n"
local STUCK = "%s: DeadlockError: every task waits, and nothing can wake any of them:\n"
local AWAIT = '<Task "Task-N" pending at %s> waits in await for T s\n'

local BAD = {
  { "os.exit(0)", "%s: os.exit(0): a test cannot end the run" },
  { "os.exit(true, true)", "%s: os.exit(0): a test cannot end the run" },
  { "pcall(os.exit, 0)", "os.exit was called" },
  { "neap.create_task(function() os.exit(3) end):await()",
    "%s: os.exit(3): a test cannot end the run" },
  { "neap.current_task():cancel()", "its task was cancelled" },
  { "neap.current_task():cancel 'enough' neap.sleep(1)", "%s: CancelledError: enough" },
  { "coroutine.yield(1)", "%s: attempt to yield from outside a coroutine: a task gives way by "
    .. "neap.sleep(0)" },
  -- A yield that neap did not replace:
  { "foreign_yield()", "a task yielded to its scheduler by itself (coroutine.yield outside of a "
    .. "coroutine of its own)", only = "busted" },
  { "neap.run(print)", "%s: neap.run cannot be called while the loop runs: inside a task, just "
    .. "call the function" },
  { "while true do end", LATE .. RUNS },
  { "while true do pcall(function() while true do end end) end", LATE .. RUNS },
  { "neap.call_soon(function() while true do end end) neap.sleep(100)",
    LATE .. '<Task "Task-N" pending at %s> waits in sleep for T s\n' },
  { "neap.sleep(0.001) while true do end", LATE .. RUNS },
  { "local function again() neap.call_soon(again) end again() neap.sleep(100)",
    LATE .. '<Task "Task-N" pending at %s> waits in sleep for T s\n' },
  { "os.execute 'sleep 0.3'", "it took longer than 0.2 s. No task waited or ran when that was "
    .. "seen: it was inside a function of C, such as os.execute." },
  { "while true do pcall(neap.sleep, 0) end", LATE .. '<Task "Task-N" pending at %s> is ready\n' },
  { "neap.create_task(function() neap.sleep(0) while true do end end):await()",
    LATE .. AWAIT .. "  " .. RUNS },
  { "neap.create_task(function() neap.event():wait() end):await()",
    STUCK .. AWAIT .. '  <Task "Task-N" pending at %s> waits in event for T s\n' },
  { "table.sort({ 1, 2 }, function() neap.sleep(1) end)",
    "%s: cannot wait inside table.sort: Lua cannot suspend it" },
  { "error(neap.ExceptionGroup { message = 'two', errors = { neap.Error 'one', 'other' } })",
    "%s: ExceptionGroup: two\n  - Error: one\n  - other" },
  { "neap.task_group(function(group) group:create_task(error, 'x', 0) end)",
    "%s: ExceptionGroup: unhandled errors in a TaskGroup\n  - x" },
}

--- A suite of the bodies, and its report in TAP.
local function bad_suite(runner)
  local lines = { "local foreign_yield, neap = FOREIGN_YIELD, require 'neap'" }
  local expected = {}
  for _, case in ipairs(BAD) do
    if not case.only or case.only == runner then
      local i = #lines
      local place = ("./bad_spec.lua:%d"):format(i + 1)
      lines[#lines + 1] = ("it('%d', function() %s end)"):format(i, case[1])
      expected[#expected + 1] = ("not ok %d - %d\n# ./bad_spec.lua @ %d\n# Failure message: %s\n")
        :format(i, i, i + 1, (case[2]:gsub("%%s", place):gsub("\n", "\n# ")))
    end
  end
  expected[#expected + 1] = ("ok %d - is fine\n1..%d\n"):format(#lines, #lines)
  lines[#lines + 1] = "it('is fine', function() neap.sleep(0.001) end)\n"
  return table.concat(lines, "\n"), table.concat(expected)
end

describe("bad input", function()
  for _, runner in ipairs(RUNNERS) do
    it(("in a test is an error of that test (%s)"):format(runner), function()
      local text, expected = bad_suite(runner)
      local folder <close> = suite { ["bad_spec.lua"] = text }
      local result = folder:run(runner, "--test-timeout=0.2", "-o", "TAP")
      assert.are.equal(expected, result.text)
      assert.are.equal("", result.stderr)
      assert.are.equal(1, result.code)
    end)

    it(("in files and blocks is as in plain busted (%s)"):format(runner), function()
      local files = {
        ["a_spec.lua"] = "it('is not closed', function(\n",
        ["b_spec.lua"] = "error 'at the top'\n",
        ["c_spec.lua"] = "describe('c', function() setup(function() error 'no' end)\n"
          .. "it('never runs', function() end) end)\n",
        ["d_spec.lua"] = "describe('d', function() teardown(function() error 'no' end)\n"
          .. "it('runs', function() end) end)\n",
        ["e_spec.lua"] = "describe('e', function() before_each(function() error 'no' end)\n"
          .. "it('never runs', function() end) end)\n",
        ["f_spec.lua"] = "describe('f', function() after_each(function() assert(nil) end)\n"
          .. "it('runs', function() end) end)\n",
        ["g_spec.lua"] = "describe('g', function() lazy_setup(function() error 'no' end)\n"
          .. "it('never runs', function() end) end)\n",
        ["h_spec.lua"] = "it('is fine', function() finally(function() error 'no' end) end)\n",
      }
      local folder <close> = suite(files)
      local plain = folder:run("plain")
      local result = folder:run(runner)
      assert.are.equal(plain.text, result.text)
      assert.are.equal(plain.code, result.code)
      assert.are.equal(1, result.code)
    end)

    it(("outside of tests is no burden of the next one (%s)"):format(runner), function()
      local folder <close> = suite {
        ["a_spec.lua"] = "it('is fine', function() end)\n"
          .. "describe('leaves', function() os.exit(0) end)\nit('is fine too', function() end)\n",
        ["b_spec.lua"] = "describe('hides it', function() pcall(os.exit, 0)\n"
          .. "it('never runs', function() end) end)\n",
        ["c_spec.lua"] = "os.exit(0)\n",
        ["d_spec.lua"] = "describe('waits', function() require 'neap'.sleep(1) end)\n",
        ["e_spec.lua"] = "require 'neap'.call_later(1, print)\n",
        ["f_spec.lua"] = "it('is fine', function() end)\n",
      }
      local result = folder:run(runner, "-o", "TAP")
      assert.are.equal([[
ok 1 - is fine
not ok 2 - leaves
# ./a_spec.lua @ 2
# Failure message: ./a_spec.lua:2: os.exit(0): a test cannot end the run
ok 3 - is fine too
not ok 4 - hides it
# ./b_spec.lua @ 1
# Failure message: os.exit was called
not ok 5 - suite ./c_spec.lua
# ./c_spec.lua @ 1
# Failure message: ./c_spec.lua:1: os.exit(0): a test cannot end the run
not ok 6 - waits
# ./d_spec.lua @ 1
# Failure message: ./d_spec.lua:1: outside a task: call this in a test, before_each or setup
not ok 7 - suite ./e_spec.lua
# ./e_spec.lua @ 1
# Failure message: ./e_spec.lua:1: outside a task: no loop runs; call this in a test, ]]
        .. [[before_each or setup
ok 8 - is fine
1..8
]], result.text)
      assert.are.equal("", result.stderr)
      assert.are.equal(1, result.code)
    end)
  end
end)

describe("the report as JSON", function()
  for _, runner in ipairs(RUNNERS) do
    it("has what failed and what is pending (" .. runner .. ")", function()
      local folder <close> = suite { ["json_spec.lua"] = [[
        local neap = require "neap"
        it("passes", function() neap.sleep(0.001) end)
        it("fails", function()
          neap.task_group(function(group) group:create_task(error, "x") end)
        end)
        pending("is to be written", function() end)
        it("is not ready", function() pending "later" end)
        it("leaks", function() neap.create_task(neap.sleep, 1000) end)
      ]] }
      local result = folder:run(runner, "-o", "json")
      local report = require "neap.json".decode(result.stdout)
      local names = {}
      for _, verdict in ipairs { "successes", "errors", "pendings", "failures" } do
        for _, test in ipairs(report[verdict]) do
          names[#names + 1] = verdict .. " " .. test.name
        end
      end
      assert.are.same({ "successes passes", "errors fails", "pendings is to be written",
        "pendings is not ready", "failures leaks" }, names)
      assert.matches("ExceptionGroup: unhandled errors in a TaskGroup\n  %- x$",
        report.errors[1].message)
      assert.are.equal(1, result.code)
    end)
  end
end)
