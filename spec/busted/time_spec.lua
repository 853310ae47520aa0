-- Clocks, time limits and the order of tasks under busted.
local suite = require "spec.support.suite"

local RUNNERS = { "neap", "busted" }

describe("time", function()
  for _, runner in ipairs(RUNNERS) do
    it("is each test's own with --virtual-clock (" .. runner .. ")", function()
      local folder <close> = suite { ["hours_spec.lua"] = [[
        local neap = require "neap"
        setup(function() neap.sleep(3600) end)
        for i = 1, 10 do
          it("sleeps " .. i, function()
            assert.are.equal(0, neap.time())
            neap.sleep(3600)
            assert.are.equal(3600, neap.time())
          end)
        end
      ]] }
      local started = os.time()
      local result = folder:run(runner, "--virtual-clock")
      assert.matches("^%+%+%+%+%+%+%+%+%+%+\n10 successes", result.text)
      assert.is_true(os.time() - started < 600)
    end)

    it("is virtual for the block, file or test that says so (" .. runner .. ")", function()
      local file = [[
        local neap = require "neap"
        local virtual_clock = require "neap.testing".virtual_clock
        local function is_virtual() return neap.time() < 1e5 and neap.time() % 1 == 0 end
        describe("a block", function()
          virtual_clock()
          it("one", function() neap.sleep(3600) assert.are.equal(3600, neap.time()) end)
          it("two", function() neap.sleep(3600) assert.are.equal(7200, neap.time()) end)
        end)
        it("after it", function() assert.is_false(is_virtual()) end)
        describe("setup", function()
          setup(function() virtual_clock() neap.sleep(10) end)
          it("one", function() neap.sleep(10) assert.are.equal(20, neap.time()) end)
          it("two", function() neap.sleep(10) assert.are.equal(30, neap.time()) end)
        end)
        describe("lazy_setup", function()
          lazy_setup(function() virtual_clock() neap.sleep(10) end)
          it("one", function() neap.sleep(10) assert.are.equal(20, neap.time()) end)
          it("two", function() neap.sleep(10) assert.are.equal(30, neap.time()) end)
        end)
        describe("before_each", function()
          local clock
          before_each(function() clock = virtual_clock() neap.sleep(10) end)
          it("one", function() neap.sleep(10) assert.are.equal(20, clock:time()) end)
          it("two", function() neap.sleep(10) assert.are.equal(20, clock:time()) end)
        end)
        it("a test", function() virtual_clock() neap.sleep(3600) end)
        it("the next", function() assert.is_false(is_virtual()) end)
        it("a part of one", function()
          do
            local clock <close> = virtual_clock()
            neap.sleep(3600)
          end
          assert.is_false(is_virtual())
        end)
      ]]
      local folder <close> = suite { ["a_spec.lua"] = file,
        ["b_spec.lua"] = "require('neap.testing').virtual_clock()\n"
          .. "it('is virtual', function() require('neap').sleep(3600) end)\n",
        ["c_spec.lua"] = "it('is real again', function()\n"
          .. "local before = require('neap').time() require('neap').sleep(0.001)\n"
          .. "local took = require('neap').time() - before\n"
          .. "assert(took ~= 0.001 and took < 60) end)\n" }
      local result = folder:run(runner, "-o", "TAP")
      assert.is_nil(result.text:match "not ok", result.text)
      assert.are.equal(0, result.code)
    end)

    it("has a limit, which a slow test may have raised (" .. runner .. ")", function()
      local folder <close> = suite { ["slow_spec.lua"] = [[
        local neap = require "neap"
        describe("hooks", function()
          before_each(function() neap.sleep(30) end)
          it("never runs", function() end)
        end)
        it("takes its time", function() neap.sleep(0.3) end)
        it("catches its cancellation", function() pcall(neap.sleep, 30) end)
      ]] }
      local strict = folder:run(runner, "--test-timeout=0.1", "--filter-out=takes")
      assert.matches("\n0 successes / 1 failure / 1 error /", strict.text)
      assert.matches("Error %-> ./slow_spec.lua @ 3\nhooks before_each\nit took longer than 0.1 s",
        strict.text)
      local patient = folder:run(runner, "--test-timeout=20", "--filter=takes")
      assert.are.equal(0, patient.code)
    end)
  end
end)

describe("a virtual clock", function()
  it("that stood still is named where time is up", function()
    local folder <close> = suite { ["held_spec.lua"] = [[
      local neap = require "neap"
      local net = require "neap.net"
      local testing = require "neap.testing"
      it("is held by a socket", function()
        local server <close> = net.listen("127.0.0.1", 0, function(stream) stream:read() end)
        local stream <close> = net.connect(server:sockname())
        neap.wait_for(stream.read, 1, stream)
      end)
      it("is held by a child", function()
        neap.wait_for(require "neap.process".run, 1, { "sleep", "100" })
      end)
      it("is not held", function()
        local one = testing.memory_stream()
        while true do pcall(neap.wait_for, one.read, 1, one) end
      end)
    ]] }
    local result = folder:run("neap", "--virtual-clock", "--test-timeout=0.2", "-o", "TAP")
    local hint = "\n# The virtual clock stood still, as it does while a task waits for I/O or a "
      .. "process.\n"
    local first, second, third = result.text:match "^not ok 1(.*)not ok 2(.*)not ok 3(.*)$"
    assert.matches(hint, first, 1, true)
    assert.matches(hint, second, 1, true)
    assert.not_matches(hint, third, 1, true)
  end)
end)

describe("--shuffle-tasks", function()
  local RACE = [[
    local neap = require "neap"
    local testing = require "neap.testing"
    for n = 1, 2 do
      it("is not written", function() pending "yet" end)
      it("is right in one order only " .. n, function()
        local seen = testing.sequence()
        neap.task_group(function(group)
          for i = 1, 8 do group:create_task(function() seen(i) end) end
        end)
        assert.are.equal("1 2 3 4 5 6 7 8", table.concat(seen, " "))
      end)
    end
  ]]

  for _, runner in ipairs(RUNNERS) do
    it("finds a race, and its seed replays it, for one test too (" .. runner .. ")", function()
      local folder <close> = suite { ["race_spec.lua"] = RACE }
      assert.are.equal(0, folder:run(runner).code)
      local found = folder:run(runner, "--shuffle-tasks")
      assert.are.equal(1, found.code)
      assert.not_matches("yet\nOrder of tasks", found.stdout)
      local seed = found.stdout:match "Order of tasks: %-%-shuffle%-tasks %-%-seed=(%d+)"
      local order = found.stdout:match "Passed in:\n%(string%) '(.-)'"
      for _, filter in ipairs { "only", "only 2" } do
        local again = folder:run(runner, "--shuffle-tasks", "--seed=" .. seed,
          "--filter=" .. filter)
        assert.are.equal(order, again.stdout:match "Passed in:\n%(string%) '(.-)'")
      end
    end)
  end
end)
