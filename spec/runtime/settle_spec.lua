-- neap.testing.settle and sequence.
local assert = require "luassert"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local neap = require "neap"
local testing = require "neap.testing"

describe("settle", function()
  it("lets run what is ready, and what becomes ready by that, and no time go by", in_loop(function()
    local seen = testing.sequence()
    local task = neap.create_task(function()
      for i = 1, 5 do
        neap.sleep(0)
        seen(i)
      end
      local inner = neap.create_task(function() seen "inner" end)
      inner:await()
      neap.call_soon(seen, "callback")
      neap.sleep(1)
      seen "late"
    end)
    testing.settle()
    seen:at "settled"
    assert.are.same({ 1, 2, 3, 4, 5, "inner", "callback", "0 settled" }, seen)
    task:await()
    assert.are.equal("late", seen[#seen])
  end))

  it("returns at once if there is nothing else", in_loop(function()
    testing.settle()
    testing.settle()
    assert.are.equal(0, neap.time())
  end))

  it("counts others who settle as blocked, and lets them go on in their order", in_order(function()
    local seen = testing.sequence()
    for i = 1, 3 do
      neap.create_task(function()
        testing.settle()
        seen(i)
      end)
    end
    testing.settle()
    assert.are.same({}, seen) -- they began later, and so go on later
    testing.settle()
    assert.are.same({ 1, 2, 3 }, seen)
  end))

  it("can be cancelled, and timed out by what does not settle", in_loop(function()
    local task = neap.create_task(testing.settle)
    neap.sleep(0)
    task:cancel()
    assert.is_false((pcall(task.await, task)))
    assert.is_true(task:cancelled())

    local clock <close> = testing.virtual_clock()
    local ticker = neap.create_task(function()
      while true do
        neap.sleep(0)
        clock:advance(0.25)
      end
    end)
    assert.has_error(function() neap.wait_for(testing.settle, 1) end)
    ticker:cancel()
    neap.wait { ticker }
  end))

  it("is no help against a deadlock of the others", in_loop(function()
    local waiter = neap.create_task(function() neap.event():wait() end)
    testing.settle()
    assert.is_false(waiter:done())
    waiter:cancel()
    neap.wait { waiter }
  end))

  it("is refused outside of a task, and where Lua cannot suspend #plain", function()
    assert.has_error(testing.settle, "outside a task: call this inside neap.run")
    neap.run(function()
      local ok, err = pcall(table.sort, { 1, 2 }, function() testing.settle() end)
      assert.is_false(ok)
      assert.matches("cannot wait inside table.sort", err, 1, true)
    end)
  end)
end)

describe("sequence", function()
  it("holds what it is called with, and nothing else", function()
    local seen = testing.sequence()
    local object = {}
    seen "text"
    seen(12)
    seen(object)
    seen("several", 2, nil, true)
    seen(nil)
    seen(false)
    assert.are.same({ "text", 12, object, "several 2 nil true", "nil", false }, seen)
    assert.are.equal(object, seen[3])
    assert.are.equal(6, #seen)
    local n = 0
    for _ in pairs(seen) do n = n + 1 end
    assert.are.equal(6, n)
  end)

  it("is text, a line for each entry", function()
    local seen = testing.sequence()
    assert.are.equal("", tostring(seen))
    seen "a"
    seen(2)
    assert.are.equal("a\n2", tostring(seen))
  end)

  it("gives away its entries and begins anew", function()
    local seen = testing.sequence()
    seen "a"
    seen "b"
    assert.are.same({ "a", "b" }, seen:take())
    assert.are.same({}, seen:take())
    seen "c"
    assert.are.same({ "c" }, seen)
  end)

  it("notes the time", in_loop(function()
    local seen = testing.sequence()
    seen:at "start"
    neap.sleep(1.5)
    seen:at("end", 2)
    assert.are.same({ "0 start", "1.5 end 2" }, seen)
  end))

  it("is waited for by any number of tasks, each for its own length", in_loop(function()
    local seen, woken = testing.sequence(), testing.sequence()
    for _, n in ipairs { 3, 1, 2, 0 } do
      neap.create_task(function()
        seen:wait(n)
        woken:at(n)
      end)
    end
    for i = 1, 3 do
      neap.sleep(1)
      seen(i)
    end
    woken:wait(4)
    assert.are.same({ "0 0", "1 1", "2 2", "3 3" }, woken)
  end))
end)
