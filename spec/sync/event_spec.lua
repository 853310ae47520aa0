-- Section 9 of the semantics: the event.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"

local insert = table.insert

local function wait(event, seen, name)
  assert.is_true(event:wait())
  insert(seen, name)
end

describe("event", function()
  it("L07 set and clear in one tick wake all who wait", in_order(function()
    local event, seen = neap.event(), {}
    for i = 1, 3 do
      started(wait, event, seen, i)
    end
    event:set()
    event:clear()
    local late = neap.create_task(wait, event, seen, "late")
    neap.sleep(1)
    assert.are.same({ 1, 2, 3 }, seen)
    assert.is_false(late:done())
    event:set()
    late:await()
  end))

  it("L07 wakes in the order in which they came to wait", in_order(function(_, passes)
    local event, seen = neap.event(), {}
    for i = 1, 5 do
      started(wait, event, seen, i)
    end
    event:set()
    insert(seen, "set")
    assert.are.equal(1, (passes(neap.sleep, 0)))
    assert.are.same({ "set", 1, 2, 3, 4, 5 }, seen)
  end))

  it("a waiter goes on even if others have cleared it meanwhile", in_order(function()
    local event, seen = neap.event(), {}
    local function clear(name)
      wait(event, seen, name)
      event:clear()
    end
    started(clear, 1)
    local second = started(clear, 2)
    event:set()
    neap.wait_for(second, 1)
    assert.are.same({ 1, 2 }, seen)
  end))

  it("a cancelled waiter is skipped, woken or not", in_loop(function()
    local event, seen, tasks = neap.event(), {}, {}
    for i = 1, 4 do
      tasks[i] = started(wait, event, seen, i)
    end
    tasks[1]:cancel()
    event:set()
    event:clear()
    tasks[3]:cancel()
    neap.sleep(1)
    table.sort(seen)
    assert.are.same({ 2, 4 }, seen)
    assert.is_true(tasks[1]:cancelled())
    assert.is_true(tasks[3]:cancelled())
  end))

  it("stays set until it is cleared", in_loop(function()
    local event = neap.event()
    assert.is_false(event:is_set())
    for _ = 1, 2 do
      event:set()
      assert.is_true(event:is_set())
      assert.is_true(event:wait())
    end
    for _ = 1, 2 do
      event:clear()
      assert.is_false(event:is_set())
    end
  end))

  it("may be set and cleared outside of a task, but not waited for #plain", function()
    local event = neap.event()
    event:set()
    event:clear()
    event:set()
    local ok, err = pcall(event.wait, event)
    assert.is_false(ok)
    assert.are.equal("string", type(err))
    assert.matches("task", err)
  end)

  it("may be set by a callback", in_loop(function()
    local event = neap.event()
    neap.call_later(3, event.set, event)
    event:wait()
    assert.are.equal(3, neap.time())
  end))

  it("L18 a wait for what is set takes no pass", in_loop(function(_, passes)
    local event = neap.event()
    event:set()
    assert.are.equal(0, (passes(event.wait, event)))
  end))

  it("checks whose method is called", in_loop(function()
    local lock, event = neap.lock(), neap.event()
    for name, method in pairs { set = event.set, clear = event.clear, is_set = event.is_set,
      wait = event.wait } do
      for _, wrong in ipairs { lock, neap.barrier(1), {}, "event" } do
        local ok, err = pcall(method, wrong)
        assert.is_false(ok, name)
        assert.matches("bad argument #1", err, 1, true)
      end
    end
    assert.is_false(lock:locked())
  end))

  it("its text tells whether it is set, and how many wait", in_loop(function()
    local event, seen = neap.event(), {}
    assert.matches("Event", tostring(event))
    assert.matches("unset", tostring(event))
    started(wait, event, seen, 1)
    started(wait, event, seen, 2)
    assert.matches("%f[%d]2%f[%D]", tostring(event))
    event:set()
    assert.matches("[^n]set", tostring(event))
    neap.sleep(0)
  end))
end)
