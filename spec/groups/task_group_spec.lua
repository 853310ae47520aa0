-- neap.task_group, one group by itself (J01 to J23, X02, X07, X08). Nested groups are in
-- nesting_spec.lua.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local bodies = require "spec.support.bodies"
local expect = require "spec.support.expect"

local label = expect.label
local careful = bodies.careful
local failing = bodies.failing

local MESSAGE = "unhandled errors in a TaskGroup"

--- The block form as a function, to be called like neap.task_group.
local function block(body)
  local group <close> = neap.task_group()
  return body(group)
end

local forms = { ["function form"] = neap.task_group, ["block form"] = block }

--- Asserts that pcall returned an ExceptionGroup of exactly these errors.
local function assert_group(expected, ok, err)
  assert.is_false(ok)
  assert.is_true(neap.is(err, neap.ExceptionGroup), tostring(err))
  assert.are.equal(MESSAGE, err.message)
  assert.are.equal(#expected, #err.errors)
  for i, each in ipairs(expected) do
    assert.are.equal(each, err.errors[i])
  end
end

for title, open in pairs(forms) do
  describe("a task group in " .. title, function()
    it("J01 ends when all its tasks have, which keep their results", in_loop(function()
      local a, b
      open(function(group)
        a = group:create_task(neap.sleep, 3, "a")
        b = group:create_task(neap.sleep, 1, "b")
        assert.are.equal(0, neap.time())
      end)
      assert.are.equal(3, neap.time())
      assert.are.same({ "a", "b" }, { a:result(), b:result() })
    end))

    it("J01 returns the results of its body, nils kept", in_loop(function()
      local results = table.pack(open(function(group)
        group:create_task(neap.sleep, 2)
        return neap.sleep(1, "a", nil, "c", nil)
      end))
      assert.are.same({ "a", nil, "c", nil, n = 4 }, results)
      assert.are.equal(2, neap.time())
      assert.are.equal(0, select("#", open(function() end)))
    end))

    it("J15 that is empty takes no pass", in_loop(function(_, passes)
      assert.are.same({ 0, "result" }, { passes(open, function() return "result" end) })
      local ended = function(group)
        group:create_task(neap.sleep, 1):await()
        neap.sleep(1)
        return neap.time()
      end
      assert.are.equal(2, open(ended))
    end))

    it("J11 takes tasks from its tasks after the body has ended", in_loop(function()
      local log = {}
      open(function(group)
        group:create_task(function()
          neap.sleep(1)
          group:create_task(function()
            neap.sleep(2)
            log[#log + 1] = { "grandchild", neap.time() }
          end)
          log[#log + 1] = { "child", neap.time() }
        end)
      end)
      log[#log + 1] = { "group", neap.time() }
      assert.are.same({ { "child", 1 }, { "grandchild", 3 }, { "group", 3 } }, log)
    end))

    it("J02 a failure cancels the others and the body, and cleanup is awaited", in_loop(
      function()
        local log, boom, sibling = {}, { "boom" }, nil
        assert_group({ boom }, pcall(open, function(group)
          sibling = group:create_task(careful(log, "sibling", 2))
          group:create_task(failing(1, boom))
          local _, err = pcall(neap.sleep, 100)
          log[#log + 1] = { "body", label(err), neap.time() }
          error(err, 0)
        end))
        table.sort(log, function(a, b)
          return a[3] ~= b[3] and a[3] < b[3] or a[1] < b[1]
        end)
        assert.are.same({
          { "body", "CancelledError", 1 },
          { "sibling", "CancelledError", 1 },
          { "sibling", "cleaned up", 3 },
        }, log)
        assert.are.equal(3, neap.time())
        assert.is_true(sibling:cancelled())
        expect.unharmed()
      end))

    it("J02 a body that swallows its cancellation goes on to its end", in_loop(function()
      local log, boom = {}, { "boom" }
      assert_group({ boom }, pcall(open, function(group)
        group:create_task(failing(1, boom))
        pcall(neap.sleep, 100)
        neap.sleep(3)
        log[#log + 1] = neap.time()
        return "result"
      end))
      assert.are.same({ 4 }, log)
      expect.unharmed()
    end))

    it("J02 every kind of error value reaches the group unchanged", in_loop(function()
      for _, problem in ipairs { "text", 42, true, { "table" }, neap.Error "object" } do
        assert_group({ problem }, pcall(open, function(group)
          group:create_task(failing(0, problem))
        end))
      end
    end))

    it("J03 two that fail in one tick are both in it, in the order they failed", in_order(
      function()
        local first, second = { "first" }, { "second" }
        assert_group({ first, second }, pcall(open, function(group)
          group:create_task(failing(1, first))
          group:create_task(failing(1, second))
          neap.sleep(100)
        end))
        assert.are.equal(1, neap.time())
        expect.unharmed()
      end))

    it("J04 an error raised in the cleanup of another task is appended", in_loop(function()
      local log, boom, late = {}, { "boom" }, { "late" }
      assert_group({ boom, late }, pcall(open, function(group)
        group:create_task(careful(log, "sibling", 2, late))
        group:create_task(failing(1, boom))
      end))
      assert.are.same({ { "sibling", "CancelledError", 1 }, { "sibling", "cleaned up", 3 } }, log)
    end))

    it("J05 an error of the body cancels the tasks and is in the group", in_loop(function()
      local log, boom = {}, { "boom" }
      assert_group({ boom }, pcall(open, function(group)
        group:create_task(careful(log, "child", 2))
        neap.sleep(1)
        error(boom)
      end))
      assert.are.same({ { "child", "CancelledError", 1 }, { "child", "cleaned up", 3 } }, log)
      expect.unharmed()
    end))

    it("J05 the body's error comes after those of the tasks", in_loop(function()
      local log, boom, late, body = {}, { "boom" }, { "late" }, { "body" }
      assert_group({ boom, late, body }, pcall(open, function(group)
        group:create_task(failing(1, boom))
        group:create_task(careful(log, "sibling", 2, late))
        pcall(neap.sleep, 100)
        error(body)
      end))
      assert.are.equal(3, neap.time())
      expect.unharmed()
    end))

    it("J05 an error of the body of a group without tasks is grouped too", in_loop(function()
      local boom = { "boom" }
      assert_group({ boom }, pcall(open, function() error(boom) end))
      assert.are.equal(0, neap.time())
    end))

    it("J06 a cancelled owner cancels the tasks, awaits them, and is cancelled", in_loop(
      function()
        for _, waits_in_body in ipairs { true, false } do
          local log, from = {}, neap.time()
          local owner = neap.create_task(open, function(group)
            group:create_task(careful(log, "child", 2))
            if waits_in_body then
              neap.sleep(100)
            end
          end)
          neap.sleep(1)
          assert.is_true(owner:cancel("enough"))
          local _, err = pcall(owner.await, owner)
          assert.are.equal("CancelledError: enough", tostring(err))
          assert.are.same({ true, 1 }, { owner:cancelled(), owner:cancelling() })
          assert.are.same({
            { "child", "CancelledError", from + 1 },
            { "child", "cleaned up", from + 3 },
          }, log)
        end
      end))

    it("J06 a second cancel does not make the group leave its tasks", in_loop(function()
      local log = {}
      local owner = neap.create_task(open, function(group)
        group:create_task(careful(log, "child", 5))
      end)
      neap.sleep(1)
      owner:cancel("1")
      neap.sleep(1)
      owner:cancel("2")
      local _, err = pcall(owner.await, owner)
      assert.are.equal("CancelledError", label(err))
      assert.are.same({ 6, true, 2 }, { neap.time(), owner:cancelled(), owner:cancelling() })
      assert.are.same({ { "child", "CancelledError", 1 }, { "child", "cleaned up", 6 } }, log)
    end))

    it("J07 an error in cleanup wins, and the cancel comes at the next await", in_loop(
      function()
        local log, late, caught = {}, { "late" }, nil
        local owner = neap.create_task(function()
          caught = table.pack(pcall(open, function(group)
            group:create_task(careful(log, "child", 2, late))
            neap.sleep(100)
          end))
          log[#log + 1] = { "owner", neap.current_task():cancelling(), neap.time() }
          local _, err = pcall(neap.sleep, 1)
          log[#log + 1] = { "owner", label(err), neap.time() }
          return neap.sleep(1, neap.current_task():cancelling())
        end)
        neap.sleep(1)
        owner:cancel()
        assert.are.equal(1, owner:await())
        assert_group({ late }, table.unpack(caught, 1, caught.n))
        assert.are.same({
          { "child", "CancelledError", 1 },
          { "child", "cleaned up", 3 },
          { "owner", 1, 3 },
          { "owner", "CancelledError", 3 },
        }, log)
      end))

    it("J08 a task cancelled on its own is ignored, the group goes on", in_loop(function()
      local cancelled, sibling
      local result = open(function(group)
        cancelled = group:create_task(neap.sleep, 100)
        sibling = group:create_task(neap.sleep, 3, "kept")
        group:create_task(error, neap.CancelledError "by hand")
        neap.call_later(1, function() cancelled:cancel() end)
        return neap.sleep(2, "result")
      end)
      assert.are.same({ "result", "kept", 3 }, { result, sibling:result(), neap.time() })
      assert.is_true(cancelled:cancelled())
      expect.unharmed()
    end))

    it("J09 after its end refuses new tasks: it is finished", in_loop(function()
      local ran, kept = false, nil
      open(function(group)
        kept = group
        group:create_task(neap.sleep, 1)
      end)
      local ok, err = pcall(kept.create_task, kept, function() ran = true end)
      assert.is_false(ok)
      assert.matches("finished", tostring(err), 1, true)
      expect.unharmed()
      assert.is_false(ran)
    end))

    it("J09 after a failure as well", in_loop(function()
      local kept
      pcall(open, function(group)
        kept = group
        error { "boom" }
      end)
      local ok, err = pcall(kept.create_task, kept, neap.sleep, 1)
      assert.is_false(ok)
      assert.matches("finished", tostring(err), 1, true)
    end))

    it("J10 while it aborts it refuses new tasks: it is shutting down", in_loop(function()
      local log, ran, boom = {}, false, { "boom" }
      assert_group({ boom }, pcall(open, function(group)
        group:create_task(function()
          local _, cancelled = pcall(neap.sleep, 100)
          local ok, err = pcall(group.create_task, group, function() ran = true end)
          log[#log + 1] = { ok, tostring(err):match "shutting down" }
          neap.sleep(1)
          error(cancelled, 0)
        end)
        group:create_task(failing(1, boom))
      end))
      assert.are.same({ { false, "shutting down" } }, log)
      assert.are.equal(2, neap.time())
      assert.is_false(ran)
    end))

    it("J13 a failure while the body has ended already leaves no request", in_loop(function()
      local boom = { "boom" }
      assert_group({ boom }, pcall(open, function(group)
        group:create_task(failing(1, boom))
      end))
      assert.are.equal(1, neap.time())
      expect.unharmed()
    end))

    it("J16 a task that swallows its cancel is waited for, its result kept", in_loop(function()
      local boom, sibling = { "boom" }, nil
      assert_group({ boom }, pcall(open, function(group)
        sibling = group:create_task(function()
          pcall(neap.sleep, 100)
          return neap.sleep(5, "kept")
        end)
        group:create_task(failing(1, boom))
      end))
      assert.are.same({ 6, "kept" }, { neap.time(), sibling:result() })
    end))

    it("J21 a body that raises at once keeps its tasks from starting", in_loop(function()
      local ran, boom, child = false, { "boom" }, nil
      assert_group({ boom }, pcall(open, function(group)
        child = group:create_task(function() ran = true end)
        error(boom)
      end))
      assert.is_true(child:cancelled())
      expect.unharmed()
      assert.is_false(ran)
    end))

    it("J23 an owner cancelled before the child's failure in that tick is cancelled", in_order(
      function()
        local owner = neap.create_task(open, function(group)
          group:create_task(failing(1, { "boom" }))
          neap.sleep(100)
        end)
        neap.call_at(1, function() owner:cancel("enough") end)
        local _, err = pcall(owner.await, owner)
        assert.are.equal("CancelledError: enough", tostring(err))
        assert.are.same({ 1, 1 }, { owner:cancelling(), neap.time() })
      end))

    it("X02 entered with a request pending, the body and the tasks start first", in_order(
      function()
        local log = {}
        local owner = neap.create_task(function()
          neap.current_task():cancel("enough")
          open(function(group)
            group:create_task(function()
              log[#log + 1] = { "child", "starts", neap.time() }
              careful(log, "child", 1)()
            end)
            log[#log + 1] = { "body", "ends", neap.time() }
          end)
        end)
        local _, err = pcall(owner.await, owner)
        assert.are.equal("CancelledError: enough", tostring(err))
        assert.are.same({
          { "body", "ends", 0 },
          { "child", "starts", 0 },
          { "child", "CancelledError", 0 },
          { "child", "cleaned up", 1 },
        }, log)
        assert.are.equal(1, owner:cancelling())
      end))

    it("X07 the body may cancel a task and await it", in_loop(function()
      local log = {}
      local result = open(function(group)
        local child = group:create_task(neap.sleep, 100)
        neap.sleep(1)
        child:cancel("by the body")
        local _, err = pcall(child.await, child)
        log[1] = { tostring(err), neap.current_task():cancelling() }
        return neap.sleep(1, "result")
      end)
      assert.are.same({ { "CancelledError: by the body", 0 } }, log)
      assert.are.same({ "result", 2 }, { result, neap.time() })
    end))

    it("X08 a body that awaits the task that fails gets CancelledError", in_order(function()
      local log, boom = {}, { "boom" }
      assert_group({ boom }, pcall(open, function(group)
        local child = group:create_task(failing(1, boom))
        local _, err = pcall(child.await, child)
        log[1] = label(err)
        error(err, 0)
      end))
      assert.are.same({ "CancelledError" }, log)
      expect.unharmed()
    end))

    it("K02 errors that are in the group are not reported", in_loop(function()
      pcall(open, function(group)
        group:create_task(failing(1, { "boom" }))
        group:create_task(failing(1, { "boom" }))
      end)
      neap.sleep(0)
      collectgarbage()
      collectgarbage()
      neap.sleep(0)
    end))

    it("passes arguments and takes create_task's options", in_loop(function()
      local named, eager, started
      open(function(group)
        named = group:create_task({ name = "worker" }, function(...) return select("#", ...) end,
          nil, "b", nil)
        eager = group:create_task({ eager_start = true }, function() started = true end)
        assert.are.same({ true, true, false }, { started, eager:done(), named:done() })
      end)
      assert.are.same({ "worker", 3 }, { named:get_name(), named:result() })
    end))

    it("is aborted by a task that fails eagerly", in_loop(function()
      local log, boom = {}, { "boom" }
      assert_group({ boom }, pcall(open, function(group)
        log[1] = group:create_task({ eager_start = true }, error, boom):done()
        local _, err = pcall(neap.sleep, 100)
        log[2] = { label(err), neap.time() }
        error(err, 0)
      end))
      assert.are.same({ true, { "CancelledError", 0 } }, log)
      expect.unharmed()
    end))

    it("works in a coroutine of its task", in_loop(function()
      local boom = { "boom" }
      assert_group({ boom }, pcall(coroutine.wrap(function()
        assert.are.equal("result", open(function(group)
          group:create_task(neap.sleep, 1)
          return "result"
        end))
        return open(function(group)
          group:create_task(failing(1, boom))
          neap.sleep(100)
        end)
      end)))
      assert.are.equal(2, neap.time())
      expect.unharmed()
    end))

    it("takes no task that is none, and goes on", in_loop(function()
      local child
      open(function(group)
        for _, value in ipairs { 42, "f", {}, neap.current_task() } do
          local ok, err = pcall(function() group:create_task(value) end)
          assert.is_false(ok)
          assert.matches("task_group_spec%.lua:%d+: ", err)
        end
        child = group:create_task(neap.sleep, 1, "own result")
      end)
      assert.are.same({ "own result", 1 }, { child:result(), neap.time() })
    end))
  end)
end

describe("neap.task_group", function()
  it("of what is no function is an argument error", in_loop(function()
    for _, value in ipairs { 42, "f", {}, true } do
      local ok, err = pcall(function() neap.task_group(value) end)
      assert.is_false(ok)
      assert.matches("task_group_spec%.lua:%d+: bad argument #1", err)
    end
    expect.unharmed()
  end))

  it("outside of a task is an error that says so #plain", function()
    for _, call in ipairs {
      function() neap.task_group() end,
      function() neap.task_group(function() end) end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.matches("task", err:gsub("task_group", ""), 1, true)
    end
  end)

  it("has methods that take only a group", in_loop(function()
    neap.task_group(function(group)
      for _, self in ipairs { 42, {}, neap.current_task(), neap.future() } do
        assert.is_false((pcall(group.create_task, self, neap.sleep, 1)))
        assert.is_false((pcall(group.cancel, self)))
      end
    end)
    expect.unharmed()
  end))
end)
