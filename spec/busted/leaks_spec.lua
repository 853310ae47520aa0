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

  for _, runner in ipairs(RUNNERS) do
    it("are handles of the system, too (" .. runner .. ")", function()
      local folder <close> = suite { ["handles_spec.lua"] = [[
local neap = require "neap"
local net, process, fs = require "neap.net", require "neap.process", require "neap.fs"
local kept = {}
local function nothing() end
local function echo(stream) stream:write((stream:read())) end
it("a server", function() net.listen("127.0.0.1", 0, nothing) end)
it("a socket that waits for nothing", function()
  local server <close> = net.listen("127.0.0.1", 0, echo)
  kept[1] = net.connect(server:sockname())
  kept[1]:write "x"
  assert.are.equal("x", kept[1]:read())
end)
it("datagrams", function() kept[2] = net.udp("127.0.0.1", 0) end)
it("a child", function() process.spawn { "sleep", "100" } end)
it("a watch", function() kept[4] = fs.watch "." end)
it("a signal", function() require "neap.signal".on("SIGUSR1", nothing) end)
it("a timer", function() kept[3] = neap.uv().new_timer() kept[3]:start(1e8, 0, nothing) end)
it("nothing", function()
  kept[3]:close()
  net.udp("127.0.0.1", 0) -- the collector closes it
  kept[4] = require "neap.stdio".stdout
  kept[4]:write "# written\n"
  local server <close> = net.listen("127.0.0.1", 0, echo)
  local stream <close> = net.connect(server:sockname())
  process.run { "true" }
end)
]] }
      local result = folder:run(runner, "-o", "TAP")
      local left = leaks_of(result.text:gsub("\n# ", "\n"):gsub("\n(n?o?t? ?ok)", "\n\n%1"))
      for i, text in ipairs(left) do
        left[i] = text:gsub("127.0.0.1:%d+", "ADDRESS"):gsub("0x%x+", "0x")
          :gsub('  <Task "Task%-N" pending[^\n]*\n', "")
      end
      local at = ", created at ./handles_spec.lua:"
      assert.are.equal(7, #left)
      for i, line in ipairs { 6, 9, 13, 14, 15, 16 } do
        assert.matches(at .. line, left[i], 1, true)
      end
      assert.are.equal("  a child process" .. at .. "14", left[4])
      assert.matches("  an open handle, which could not be closed: timer", left[7], 1, true)
      assert.matches("\nok 8 %- nothing\n1..8", result.text)
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

  it("without an end are ended all the same", function()
    local folder <close> = suite { ["endless_spec.lua"] = [[
local neap = require "neap"
local function again() neap.call_soon(again) end
local function tick() neap.call_later(1, tick) end
local function reborn()
  local guard <close> = setmetatable({}, { __close = function() neap.create_task(reborn) end })
  neap.sleep(1000)
end
it("a callback that makes the next", function() again() end)
it("one with a pause", function() tick() end)
it("a task that is always ready", function()
  neap.create_task(function() while true do pcall(neap.sleep, 0) end end)
end)
it("a task that makes another when it is ended", function() neap.create_task(reborn) end)
it("nothing", function()
  assert.are.equal(1, #neap.all_tasks())
  neap.call_soon(function() neap.call_soon(function() end) end)
end)
]] }
    local result = folder:run("neap", "--virtual-clock")
    assert.matches("^%-%-%-%-%+\n", result.text)
    local at = "created at ./endless_spec.lua:"
    local leaks = leaks_of(result.text)
    assert.are.equal(4, #leaks)
    assert.are.equal("  a callback that is ready again and again, " .. at .. "2", leaks[1])
    assert.are.equal("  a callback that is due in 1 s, " .. at .. "3", leaks[2])
    assert.are.equal('  <Task "Task-N" pending at ./endless_spec.lua:11>, ' .. at .. "11", leaks[3])
    assert.matches('^  <Task "Task%-N" pending at ./endless_spec.lua:6>, ' .. at .. "13\n",
      leaks[4])
  end)

  for _, runner in ipairs(RUNNERS) do
    it("are seen whatever the test before has replaced (" .. runner .. ")", function()
      local folder <close> = suite { ["replaced_spec.lua"] = [[
local neap = require "neap"
local testing = require "neap.testing"
it("replaces", function()
  for _, name in ipairs { "time", "all_tasks", "is" } do stub(neap, name) end
  for _, name in ipairs { "settle", "shuffle", "virtual_clock" } do stub(testing, name) end
  stub(neap, "set_exception_handler")
end)
it("a task", function() neap.create_task(neap.sleep, 1000) end)
it("a callback", function() neap.call_later(50, print) end)
it("a handler of exceptions", function()
  neap.set_exception_handler:revert()
  neap.set_exception_handler(function() end)
end)
it("an error that is collected", function()
  do neap.create_task(error, "lost") end
  neap.sleep(0)
  neap.sleep(0)
  collectgarbage()
end)
describe("a block", function()
  local seen = testing.sequence()
  setup(function() neap.set_exception_handler(function(report) seen(report.exception) end) end)
  it("has its handler", function() neap.call_soon(error, "a") neap.sleep(0) end)
  it("has it still", function()
    neap.call_soon(error, "b")
    neap.sleep(0)
    assert.are.same({ "a", "b" }, seen)
  end)
end)
it("an error that nobody sees", function() neap.call_soon(error, "lost") neap.sleep(0) end)
]] }
      local result = folder:run(runner, "-o", "TAP")
      assert.are.equal("+--+-++-", (result.text:gsub("\n#[^\n]*", "")
        :gsub("not ok[^\n]*\n", "-"):gsub("ok[^\n]*\n", "+"):gsub("1..8\n$", "")))
      assert.are.equal("", result.stderr)
      assert.are.equal(1, result.code)
    end)
  end
end)
