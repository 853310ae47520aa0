-- What tests leave behind: it is named, ended, and no burden of the next test.
local suite = require "spec.support.suite"

local RUNNERS = { "neap", "busted" }

--- The lines below "this was left behind", of each failure in turn.
local function leaks_of(text)
  local leaks = {}
  for list in (text .. "\n"):gmatch "this was left behind, and has been ended:\n(.-)\n\n" do
    leaks[#leaks + 1] = list
  end
  return leaks
end

describe("leaks", function()
  for _, runner in ipairs(RUNNERS) do
    it("are named with where they were created (" .. runner .. ")", function()
      local folder <close> = suite { ["leak_spec.lua"] = [[
local neap = require "neap"
local function nap() neap.sleep(1000) end
it("a task", function() neap.create_task({ name = "napper" }, nap) end)
it("tasks in a tree", function()
  neap.create_task(function() neap.create_task(nap):await() end)
  neap.sleep(0)
end)
it("a task that ignores its cancellation", function()
  neap.create_task(function() for _ = 1, 3 do pcall(nap) end end)
end)
it("an error of a task", function() neap.create_task(function() error "lost" end) end)
it("an error of a task that is collected", function()
  do neap.create_task(function() error "lost" end) end
  neap.sleep(0)
  neap.sleep(0)
  collectgarbage()
end)
it("an error of a future", function() neap.future():set_exception "lost" neap.sleep(0) end)
it("an error in a callback", function() neap.call_soon(error, "lost") neap.sleep(0) end)
it("a callback", function() neap.call_later(50, print) end)
it("a lock", function() neap.lock():acquire() end)
it("a condition", function() neap.condition():acquire() end)
it("nothing", function()
  assert.are.equal(1, #neap.all_tasks())
  neap.create_task(nap):cancel()
  neap.create_task(function() neap.sleep(0) end)
  neap.lock():with(function() end)
  neap.call_later(50, print):cancel()
  neap.call_soon(function() end)
  neap.semaphore(0)
  neap.event()
end)
]] }
      local result = folder:run(runner, "--virtual-clock")
      assert.matches("^%-%-%-%-%-%-%-%-%-%-%+\n", result.text)
      assert.are.equal("", result.stderr)
      local at = "created at ./leak_spec.lua:"
      assert.are.same({
        '  <Task "napper" pending at ./leak_spec.lua:2>, ' .. at .. "3",
        '  <Task "Task-N" pending at ./leak_spec.lua:5>, ' .. at .. "5\n"
          .. '  <Task "Task-N" pending at ./leak_spec.lua:2>, ' .. at .. "5",
        '  <Task "Task-N" pending at ./leak_spec.lua:2>, ' .. at .. "9",
        '  <Task "Task-N" failed: ./leak_spec.lua:11: lost>, ' .. at
          .. "11: nobody looked at its error",
        "  Task exception was never retrieved: ./leak_spec.lua:13: lost "
          .. '(<Task "Task-N" failed: ./leak_spec.lua:13: lost>, ' .. at .. "13)",
        "  <Future failed: lost>, " .. at .. "18: nobody looked at its error",
        "  Exception in callback: lost",
        "  a callback that is due in 50 s, " .. at .. "20",
        "  <Lock locked>, " .. at .. "21",
        "  <Condition locked>, " .. at .. "22",
      }, leaks_of(result.text))
    end)

    it("of setup are those of its block, unless teardown ends them (" .. runner .. ")", function()
      local folder <close> = suite { ["block_spec.lua"] = [[
local neap = require "neap"
local task
local function start() task = neap.create_task(neap.sleep, 1000) end
local function stop() task:cancel() end
describe("tidy", function()
  setup(start)
  teardown(stop)
  it("one", function() end)
  it("two", function() assert.is_false(task:done()) end)
end)
describe("lazy", function()
  lazy_setup(start)
  lazy_teardown(stop)
  it("one", function() end)
  it("two", function() assert.is_false(task:done()) end)
end)
describe("each", function()
  before_each(start)
  after_each(stop)
  it("one", function() assert.is_false(task:done()) end)
end)
describe("untidy", function()
  setup(start)
  it("one", function() end)
end)
it("next", function() assert.is_true(task:done()) end)
]] }
      local result = folder:run(runner, "-o", "TAP")
      assert.are.equal([[
ok 1 - tidy one
ok 2 - tidy two
ok 3 - lazy one
ok 4 - lazy two
ok 5 - each one
ok 6 - untidy one
not ok 7 - untidy
# ./block_spec.lua @ 22
# Failure message: this was left behind, and has been ended:
#   <Task "Task-N" pending at [C]>, created at ./block_spec.lua:3
ok 8 - next
1..8
]], result.text)
      assert.are.equal(1, result.code)
    end)
  end

  it("of a test that fails anyway are only ended", function()
    local folder <close> = suite { ["failing_spec.lua"] = [[
local neap = require "neap"
it("fails", function() neap.create_task(neap.sleep, 1000) error "no" end)
it("is pending", function() neap.create_task(neap.sleep, 1000) pending "later" end)
it("starts clean", function() assert.are.equal(1, #neap.all_tasks()) end)
]] }
    assert.are.equal([[
not ok 1 - fails
# ./failing_spec.lua @ 2
# Failure message: ./failing_spec.lua:2: no
ok 2 - # SKIP ./failing_spec.lua:3: later
ok 3 - starts clean
1..3
]], folder:run("neap", "-o", "TAP").text)
  end)
end)
