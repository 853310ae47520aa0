-- Bodies of busted's that wait, from outside: as `neap test` and as a helper of plain busted.
local suite = require "spec.support.suite"

local function both(it_says, body)
  for _, runner in ipairs { "neap", "busted" } do
    it(("%s (%s)"):format(it_says, runner), function() body(runner) end)
  end
end

describe("bodies", function()
  both("may wait, each of them, in busted's order", function(runner)
    local folder <close> = suite { ["order_spec.lua"] = [[
      local neap = require "neap"
      local seen = {}
      local function step(name)
        return function()
          neap.sleep(0.001)
          assert(neap.current_task(), "no task")
          seen[#seen + 1] = name
        end
      end
      describe("outer", function()
        setup(step "setup")
        teardown(step "teardown")
        lazy_setup(step "lazy_setup")
        lazy_teardown(step "lazy_teardown")
        strict_setup(step "strict_setup")
        strict_teardown(step "strict_teardown")
        before_each(step "before_each")
        after_each(step "after_each")
        describe("inner", function()
          it("a", function()
            finally(step "finally")
            step "a" ()
          end)
        end)
        test("b", step "b")
      end)
      describe("what ran", function()
        it("is this", function()
          assert.are.same({ "setup", "strict_setup", "lazy_setup",
            "before_each", "a", "finally", "after_each",
            "before_each", "b", "after_each",
            "lazy_teardown", "teardown", "strict_teardown" }, seen)
        end)
      end)
    ]] }
    local result = folder:run(runner)
    assert.are.equal("+++\n3 successes / 0 failures / 0 errors / 0 pending : T seconds\n",
      result.text)
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.code)
  end)

  both("leave assertions, spies, stubs and mocks as they are", function(runner)
    local folder <close> = suite { ["luassert_spec.lua"] = [[
      local neap = require "neap"
      it("has_error", function()
        assert.has_error(function()
          neap.sleep(0.001)
          error("late", 0)
        end, "late")
        local err = assert.has_error(function() neap.wait_for(neap.sleep, 0.001, 10) end)
        assert.is_true(neap.is(err, neap.TimeoutError))
        assert.has_no.errors(function() neap.sleep(0.001) end)
      end)
      it("spy", function()
        local nap = spy.new(function(n) neap.sleep(0.001) return n + 1 end)
        assert.are.equal(2, nap(1))
        assert.spy(nap).was.called_with(1)
      end)
      it("stub and mock", function()
        local object = { nap = function(s) neap.sleep(s) return "slept" end }
        local watched = mock(object)
        assert.are.equal("slept", watched.nap(0.001))
        assert.spy(watched.nap).was.called(1)
        local silent = stub(neap, "sleep")
        finally(function() silent:revert() end)
        neap.sleep(1e9)
        assert.stub(neap.sleep).was.called_with(1e9)
      end)
      it("pending in the middle", function()
        neap.sleep(0.001)
        pending "not yet"
      end)
      pending "without a body"
    ]] }
    local result = folder:run(runner)
    assert.are.equal(0, result.code)
    assert.matches("^%+%+%+%.%.\n3 successes / 0 failures / 0 errors / 2 pending :", result.text)
  end)

  both("have the loop in common: what setup starts serves the tests", function(runner)
    local folder <close> = suite { ["server_spec.lua"] = [[
      local neap = require "neap"
      for _, kind in ipairs { "setup", "lazy_setup" } do
        describe(kind, function()
          local requests, server
          _ENV[kind](function()
            requests = neap.queue()
            server = neap.create_task(function()
              for request in requests:items() do request.reply:set_result(request.n * 2) end
            end)
          end)
          teardown(function()
            requests:shutdown()
            server:await()
          end)
          for n = 1, 3 do
            it("asks " .. n, function()
              local reply = neap.future()
              requests:put { n = n, reply = reply }
              assert.are.equal(n * 2, reply:await())
              assert.are.equal(2, #neap.all_tasks())
            end)
          end
        end)
      end
    ]] }
    local result = folder:run(runner)
    assert.are.equal("++++++\n6 successes / 0 failures / 0 errors / 0 pending : T seconds\n",
      result.text)
  end)

  both("report where an assertion failed after a wait, as busted does", function(runner)
    local text = [[
local neap = require "neap"
describe("a", function()
  it("fails", function()
    nap()
    assert.are.equal(1, 2)
  end)
  it("raises a string", function()
    nap()
    error "boom"
  end)
  it("raises a table", function()
    nap()
    error { code = 7 }
  end)
  it("raises nothing", function()
    nap()
    error()
  end)
end)
]]
    local folder <close> = suite { ["fail_spec.lua"] = text:gsub("nap%(%)", "neap.sleep(0.001)") }
    local plain <close> = suite { ["fail_spec.lua"] = text:gsub("nap%(%)", "do end") }
    local expected = plain:run("plain", "-v")
    local result = folder:run(runner, "-v")
    assert.are.equal(expected.text, result.text)
    assert.are.equal(1, result.code)
  end)

  both("may suspend inside coroutines, metamethods and <close>", function(runner)
    local folder <close> = suite { ["places_spec.lua"] = [[
      local neap = require "neap"
      it("everywhere", function()
        local seen = {}
        do
          local _ <close> = setmetatable({}, { __close = function()
            neap.sleep(0.001)
            seen[#seen + 1] = "closed"
          end })
          local co = coroutine.wrap(function()
            neap.sleep(0.001)
            coroutine.yield "yielded"
          end)
          seen[#seen + 1] = co()
          co()
          seen[#seen + 1] = setmetatable({}, { __add = function(_, n)
            neap.sleep(0.001)
            return n
          end }) + 3
        end
        assert.are.same({ "yielded", 3, "closed" }, seen)
      end)
    ]] }
    assert.are.equal(0, folder:run(runner).code)
  end)

  both("run again with --repeat, and are chosen by --filter, --tags and names", function(runner)
    local folder <close> = suite { ["choice_spec.lua"] = [[
      local neap = require "neap"
      it("one #quick", function() neap.sleep(0.001) end)
      it("two #slow", function() neap.sleep(0.001) error "not chosen" end)
    ]] }
    local twice = folder:run(runner, "--repeat=2", "--tags=quick")
    local one = "\n+\n1 success / 0 failures / 0 errors / 0 pending : T seconds\n"
    assert.are.equal("\nRepeating all tests (run 1 of 2) . . .\n" .. one
      .. "\nRepeating all tests (run 2 of 2) . . .\n" .. one, twice.text)
    assert.are.equal(0, folder:run(runner, "--filter=one").code)
    assert.are.equal(0, folder:run(runner, "--exclude-tags=slow").code)
    assert.are.equal(1, folder:run(runner, "--filter=two").code)
    local list = folder:run(runner, "--list")
    assert.are.equal("one #quick\ntwo #slow\n", list.text)
  end)

  both("see one neap, however often files are insulated", function(runner)
    local file = [[
      local neap = require "neap"
      local testing = require "neap.testing"
      it("is the same", function()
        NEAP = NEAP or neap
        assert.are.equal(neap, require "neap")
        assert.are.equal(neap.testing, testing)
        neap.sleep(0.001)
        package.loaded.shared = package.loaded.shared or neap
      end)
      insulate("inside", function()
        package.loaded.neap = nil
        it("too", function()
          require("neap").sleep(0.001)
          assert.are.equal(neap, require "neap")
        end)
      end)
    ]]
    local folder <close> = suite { ["a_spec.lua"] = file, ["b_spec.lua"] = file }
    local result = folder:run(runner)
    assert.matches("^%+%+%+%+\n4 successes / 0 failures / 0 errors", result.text)
  end)
end)
