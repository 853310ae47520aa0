-- neap.task_group: group:cancel() (J22), groups in groups (J14), and groups with everything
-- else that cancels.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local bodies = require "spec.support.bodies"
local expect = require "spec.support.expect"

local label = expect.label
local careful = bodies.careful
local failing = bodies.failing

--- Sleeps and logs how that ended, with the time; an error goes on.
local function watched_sleep(log, name)
  local _, err = pcall(neap.sleep, 100)
  log[#log + 1] = { name, label(err), neap.time() }
  error(err, 0)
end

--- The log in the order of its times; what happened at one time is sorted by name.
local function sorted(log)
  table.sort(log, function(a, b)
    return a[3] ~= b[3] and a[3] < b[3] or a[3] == b[3] and a[1] < b[1]
  end)
  return log
end

--- The block form as a function, to be called like neap.task_group.
local function block(body)
  local group <close> = neap.task_group()
  return body(group)
end

local forms = { ["function form"] = neap.task_group, ["block form"] = block }

--- An ExceptionGroup as a list of its errors, nested; any other value as it is.
local function unfold(err)
  if not neap.is(err, neap.ExceptionGroup) then
    return label(err)
  end
  local list = {}
  for i, each in ipairs(err.errors) do
    list[i] = unfold(each)
  end
  return list
end

describe("group:cancel() in the function form", function()
  it("J22 cancels the tasks and the body, which is no error", in_loop(function()
    local log, child = {}, nil
    local results = table.pack(neap.task_group(function(group)
      child = group:create_task(careful(log, "child", 2))
      neap.sleep(1)
      group:cancel()
      log[#log + 1] = { "body", "runs on", neap.time() }
      watched_sleep(log, "body")
      return "never"
    end))
    assert.are.same({ n = 0 }, results)
    assert.are.equal(3, neap.time())
    assert.are.same({ "body", "runs on", 1 }, table.remove(log, 1))
    assert.are.same({
      { "body", "CancelledError", 1 },
      { "child", "CancelledError", 1 },
      { "child", "cleaned up", 3 },
    }, sorted(log))
    assert.is_true(child:cancelled())
    expect.unharmed()
  end))

  it("J22 called by a task of the group does the same", in_loop(function()
    local log = {}
    local results = table.pack(neap.task_group(function(group)
      group:create_task(careful(log, "sibling", 2))
      group:create_task(function()
        neap.sleep(1)
        group:cancel()
        watched_sleep(log, "caller")
      end)
      watched_sleep(log, "body")
    end))
    assert.are.same({ n = 0 }, results)
    assert.are.same({
      { "body", "CancelledError", 1 },
      { "caller", "CancelledError", 1 },
      { "sibling", "CancelledError", 1 },
      { "sibling", "cleaned up", 3 },
    }, sorted(log))
    expect.unharmed()
  end))

  it("J22 called from a callback does the same", in_loop(function()
    local log = {}
    neap.task_group(function(group)
      group:create_task(careful(log, "child", 2))
      neap.call_later(1, group.cancel, group)
      watched_sleep(log, "body")
    end)
    assert.are.same({
      { "body", "CancelledError", 1 },
      { "child", "CancelledError", 1 },
      { "child", "cleaned up", 3 },
    }, sorted(log))
    expect.unharmed()
  end))

  it("J22 a body that does not wait any more leaves no request behind", in_loop(function()
    local ran = false
    neap.task_group(function(group)
      group:create_task(function() ran = true end)
      group:cancel()
    end)
    assert.are.equal(0, neap.current_task():cancelling())
    expect.unharmed()
    neap.task_group(function(group) group:cancel() end)
    expect.unharmed()
    assert.is_false(ran)
  end))

  it("J22 with an outside cancel too the owner is cancelled", in_loop(function()
    for _, group_first in ipairs { true, false } do
      local log, kept = {}, nil
      local owner = neap.create_task(neap.task_group, function(group)
        kept = group
        group:create_task(careful(log, "child", 2))
        neap.sleep(100)
      end)
      neap.sleep(1)
      if group_first then
        kept:cancel()
      end
      owner:cancel()
      if not group_first then
        kept:cancel()
      end
      local _, err = pcall(owner.await, owner)
      assert.are.same({ "CancelledError", 1 }, { label(err), owner:cancelling() })
      assert.are.equal("cleaned up", log[2][2])
    end
  end))

  it("J22 after a failure it changes nothing", in_loop(function()
    local ok, err = pcall(neap.task_group, function(group)
      group:create_task(failing(1, "boom"))
      local _, cancelled = pcall(neap.sleep, 100)
      group:cancel()
      error(cancelled, 0)
    end)
    assert.are.same({ false, { "boom" }, 1 }, { ok, unfold(err), neap.time() })
    expect.unharmed()
  end))
end)

describe("group:cancel() in the block form", function()
  it("J22 cancels the tasks only; the block goes on to its end", in_loop(function()
    local log = {}
    local child
    do
      local group <close> = neap.task_group()
      child = group:create_task(careful(log, "child", 5))
      neap.sleep(1)
      group:cancel()
      local slept = neap.sleep(2, "slept")
      log[#log + 1] = { "body", slept, neap.time() }
    end
    log[#log + 1] = { "block", "ended", neap.time() }
    assert.are.same({
      { "child", "CancelledError", 1 },
      { "body", "slept", 3 },
      { "child", "cleaned up", 6 },
      { "block", "ended", 6 },
    }, log)
    assert.is_true(child:cancelled())
    expect.unharmed()
  end))

  it("J22 called by a task while the block waits at its end, it ends early", in_loop(
    function()
      local log = {}
      do
        local group <close> = neap.task_group()
        group:create_task(careful(log, "sibling", 2))
        group:create_task(function()
          neap.sleep(1)
          group:cancel()
        end)
      end
      assert.are.same({
        { "sibling", "CancelledError", 1 },
        { "sibling", "cleaned up", 3 },
      }, log)
      assert.are.equal(3, neap.time())
      expect.unharmed()
    end))
end)

for title, open in pairs(forms) do
  describe("group:cancel() in " .. title, function()
    it("J22 may be called again, and after the end", in_loop(function()
      local log, kept = {}, nil
      local ok = pcall(open, function(group)
        kept = group
        group:create_task(careful(log, "child", 2))
        neap.sleep(1)
        group:cancel()
        group:cancel()
      end)
      kept:cancel()
      assert.is_true(ok)
      assert.are.same({ { "child", "CancelledError", 1 }, { "child", "cleaned up", 3 } }, log)
      expect.unharmed()
      kept:cancel()
      expect.unharmed()
    end))

    it("J22 refuses new tasks from then on", in_loop(function()
      local seen, ran = {}, false
      local function attempt(group)
        local ok, err = pcall(group.create_task, group, function() ran = true end)
        seen[#seen + 1] = { ok, (tostring(err):match "shutting down") }
      end
      local ok = pcall(open, function(group)
        group:create_task(neap.sleep, 100)
        neap.sleep(1)
        group:cancel()
        attempt(group)
      end)
      assert.is_true(ok)
      assert.are.same({ { false, "shutting down" } }, seen)
      expect.unharmed()
      assert.is_false(ran)
    end))

    it("J22 tasks that have not started never run", in_loop(function()
      local ran, child = false, nil
      assert.is_true((pcall(open, function(group)
        child = group:create_task(function() ran = true end)
        group:cancel()
      end)))
      assert.is_true(child:cancelled())
      expect.unharmed()
      assert.is_false(ran)
    end))

    it("J22 errors are raised all the same: of a task, of the body", in_loop(function()
      local log = {}
      local ok, err = pcall(open, function(group)
        group:create_task(careful(log, "child", 2, "late"))
        neap.sleep(1)
        group:cancel()
        error("body", 0)
      end)
      assert.are.same({ false, { "late", "body" }, 3 }, { ok, unfold(err), neap.time() })
      expect.unharmed()
    end))

    it("J22 a task that swallows it is waited for", in_loop(function()
      local child
      assert.is_true((pcall(open, function(group)
        child = group:create_task(function()
          pcall(neap.sleep, 100)
          return neap.sleep(5, "kept")
        end)
        neap.sleep(1)
        group:cancel()
      end)))
      assert.are.same({ "kept", 6 }, { child:result(), neap.time() })
    end))
  end)

  describe("nested task groups in " .. title, function()
    it("J14 an inner failure is a group in the outer group", in_loop(function()
      local log = {}
      local ok, err = pcall(open, function(outer)
        outer:create_task(careful(log, "outer child", 2))
        open(function(inner)
          inner:create_task(failing(1, "boom"))
          watched_sleep(log, "inner body")
        end)
      end)
      assert.are.same({ false, { { "boom" } }, 3 }, { ok, unfold(err), neap.time() })
      assert.are.equal("unhandled errors in a TaskGroup", err.errors[1].message)
      assert.are.same({
        { "inner body", "CancelledError", 1 },
        { "outer child", "CancelledError", 1 },
        { "outer child", "cleaned up", 3 },
      }, log)
      expect.unharmed()
    end))

    it("J14 an inner failure that is caught leaves the outer group alone", in_loop(function()
      local caught
      local result = open(function(outer)
        local child = outer:create_task(neap.sleep, 3, "kept")
        local _, err = pcall(open, function(inner) inner:create_task(failing(1, "boom")) end)
        caught = unfold(err)
        return child:await()
      end)
      assert.are.same({ { "boom" }, "kept", 3 }, { caught, result, neap.time() })
      expect.unharmed()
    end))

    it("J14 three deep, each group is in the next", in_loop(function()
      local ok, err = pcall(open, function()
        open(function()
          open(function(inner) inner:create_task(failing(1, "boom")) end)
        end)
      end)
      assert.are.same({ false, { { { "boom" } } } }, { ok, unfold(err) })
      expect.unharmed()
    end))

    it("J14 a group in a task of a group: the task fails with its group", in_loop(function()
      local log = {}
      local ok, err = pcall(open, function(outer)
        outer:create_task(careful(log, "sibling", 1))
        outer:create_task(open, function(inner)
          inner:create_task(failing(1, "boom"))
          watched_sleep(log, "inner body")
        end)
        watched_sleep(log, "outer body")
      end)
      assert.are.same({ false, { { "boom" } }, 2 }, { ok, unfold(err), neap.time() })
      assert.are.same({
        { "inner body", "CancelledError", 1 },
        { "outer body", "CancelledError", 1 },
        { "sibling", "CancelledError", 1 },
        { "sibling", "cleaned up", 2 },
      }, sorted(log))
      expect.unharmed()
    end))

    it("J14 an outer failure cancels the inner group, which awaits its tasks", in_loop(
      function()
        local log = {}
        local ok, err = pcall(open, function(outer)
          outer:create_task(failing(1, "boom"))
          local _, inner_err = pcall(open, function(inner)
            inner:create_task(careful(log, "inner child", 2))
            neap.sleep(100)
          end)
          log[#log + 1] = { "inner group", label(inner_err), neap.time() }
          error(inner_err, 0)
        end)
        assert.are.same({ false, { "boom" }, 3 }, { ok, unfold(err), neap.time() })
        assert.are.same({
          { "inner child", "CancelledError", 1 },
          { "inner child", "cleaned up", 3 },
          { "inner group", "CancelledError", 3 },
        }, log)
        expect.unharmed()
      end))

    it("J14 an outer failure and an error in inner cleanup are both raised", in_loop(function()
      local log = {}
      local ok, err = pcall(open, function(outer)
        outer:create_task(failing(1, "boom"))
        open(function(inner)
          inner:create_task(careful(log, "inner child", 2, "late"))
          neap.sleep(100)
        end)
      end)
      assert.are.same({ false, { "boom", { "late" } }, 3 }, { ok, unfold(err), neap.time() })
      expect.unharmed()
    end))

    for order, outer_first in pairs { ["outer first"] = true, ["inner first"] = false } do
      it("J14 both fail in one tick, " .. order .. ": both are raised", in_loop(function()
        local ok, err = pcall(open, function(outer)
          if outer_first then
            outer:create_task(failing(1, "outer"))
          end
          open(function(inner)
            inner:create_task(failing(1, "inner"))
            if not outer_first then
              outer:create_task(failing(1, "outer"))
            end
            neap.sleep(100)
          end)
        end)
        assert.are.same({ false, { "outer", { "inner" } }, 1 }, {
          ok, unfold(err), neap.time(),
        })
        expect.unharmed()
      end))
    end

    it("J06 a cancelled owner goes through both groups", in_loop(function()
      local log = {}
      local owner = neap.create_task(open, function(outer)
        outer:create_task(careful(log, "outer child", 1))
        open(function(inner)
          inner:create_task(careful(log, "inner child", 2))
          watched_sleep(log, "body")
        end)
      end)
      neap.sleep(1)
      owner:cancel("enough")
      local _, err = pcall(owner.await, owner)
      assert.are.equal("CancelledError: enough", tostring(err))
      assert.are.same({ 1, 4 }, { owner:cancelling(), neap.time() })
      assert.are.same({
        { "body", "CancelledError", 1 },
        { "inner child", "CancelledError", 1 },
        { "inner child", "cleaned up", 3 },
        { "outer child", "CancelledError", 3 },
        { "outer child", "cleaned up", 4 },
      }, sorted(log))
    end))

    it("J22 to cancel the inner group leaves the outer one alone", in_loop(function()
      local log = {}
      local result = open(function(outer)
        local child = outer:create_task(neap.sleep, 5, "kept")
        open(function(inner)
          inner:create_task(careful(log, "inner child", 1))
          neap.sleep(1)
          inner:cancel()
        end)
        log[#log + 1] = { "outer body", "goes on", neap.time() }
        return child:await()
      end)
      assert.are.same({ "kept", 5 }, { result, neap.time() })
      assert.are.same({
        { "inner child", "CancelledError", 1 },
        { "inner child", "cleaned up", 2 },
        { "outer body", "goes on", 2 },
      }, log)
      expect.unharmed()
    end))

    it("E01 a timeout around a group cancels its tasks and awaits them", in_loop(function()
      local log = {}
      local ok, err = pcall(neap.timeout, 1, open, function(group)
        group:create_task(careful(log, "child", 2))
        neap.sleep(100)
      end)
      assert.are.same({ false, "TimeoutError", 3 }, { ok, label(err), neap.time() })
      assert.are.same({ { "child", "CancelledError", 1 }, { "child", "cleaned up", 3 } }, log)
      expect.unharmed()
    end))

    it("E12 an error in cleanup wins over a timeout around the group", in_loop(function()
      local log = {}
      local ok, err = pcall(neap.timeout, 1, open, function(group)
        group:create_task(careful(log, "child", 2, "late"))
        neap.sleep(100)
      end)
      assert.are.same({ false, { "late" }, 3 }, { ok, unfold(err), neap.time() })
      expect.unharmed()
    end))

    it("E01 a timeout in a group fails the group, when it is not caught", in_loop(function()
      local log = {}
      local ok, err = pcall(open, function(group)
        group:create_task(careful(log, "child", 1))
        neap.timeout(1, neap.sleep, 100)
      end)
      assert.are.same({ false, { "TimeoutError" }, 2 }, { ok, unfold(err), neap.time() })
      expect.unharmed()
    end))

    it("F04 a gather in a body is cancelled with the group", in_loop(function()
      local log = {}
      local ok, err = pcall(open, function(group)
        group:create_task(failing(1, "boom"))
        neap.gather { careful(log, "a", 1), careful(log, "b", 1), return_exceptions = true }
      end)
      assert.are.same({ false, { "boom" }, 2 }, { ok, unfold(err), neap.time() })
      assert.are.same({
        { "a", "CancelledError", 1 },
        { "b", "CancelledError", 1 },
        { "a", "cleaned up", 2 },
        { "b", "cleaned up", 2 },
      }, sorted(log))
      expect.unharmed()
    end))

    it("G01 what a body shields outlives the group", in_loop(function()
      local outside = neap.create_task(neap.sleep, 5, "value")
      local ok, err = pcall(open, function(group)
        group:create_task(failing(1, "boom"))
        neap.await(neap.shield(outside))
      end)
      assert.are.same({ false, { "boom" }, 1 }, { ok, unfold(err), neap.time() })
      assert.are.same({ "value", 5 }, { outside:await(), neap.time() })
    end))

    it("groups side by side do not disturb each other", in_loop(function()
      local log = {}
      local results = neap.gather {
        function()
          return open(function(group) group:create_task(failing(1, "boom")) end)
        end,
        function()
          return open(function(group)
            local child = group:create_task(neap.sleep, 2, "value")
            log[#log + 1] = neap.sleep(3, "body ends")
            return child:result()
          end)
        end,
        return_exceptions = true,
      }
      assert.are.same({ { "boom" }, "value", 3 }, {
        unfold(results[1]), results[2], neap.time(),
      })
      assert.are.same({ "body ends" }, log)
    end))
  end)
end

describe("nested task groups", function()
  it("J22 to cancel the outer group from the inner one ends both", in_loop(function()
    local log = {}
    neap.task_group(function(outer)
      outer:create_task(careful(log, "outer child", 2))
      neap.task_group(function(inner)
        inner:create_task(careful(log, "inner child", 1))
        neap.sleep(1)
        outer:cancel()
        watched_sleep(log, "body")
      end)
      log[#log + 1] = { "never", "here", neap.time() }
    end)
    assert.are.same({
      { "body", "CancelledError", 1 },
      { "inner child", "CancelledError", 1 },
      { "outer child", "CancelledError", 1 },
      { "inner child", "cleaned up", 2 },
      { "outer child", "cleaned up", 3 },
    }, sorted(log))
    expect.unharmed()
  end))

  it("J22 a function form in a block form and the reverse", in_loop(function()
    local log = {}
    block(function(outer)
      outer:create_task(careful(log, "outer child", 1))
      neap.task_group(function(inner)
        neap.sleep(1)
        inner:cancel()
        watched_sleep(log, "inner body")
      end)
      outer:cancel()
    end)
    neap.task_group(function(outer)
      block(function(inner)
        inner:create_task(careful(log, "inner child", 1))
        neap.sleep(1)
        outer:cancel()
      end)
    end)
    assert.are.same({
      { "inner body", "CancelledError", 1 },
      { "outer child", "CancelledError", 1 },
      { "outer child", "cleaned up", 2 },
      { "inner child", "CancelledError", 3 },
      { "inner child", "cleaned up", 4 },
    }, log)
    expect.unharmed()
  end))
end)
