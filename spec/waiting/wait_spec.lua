-- neap.wait: asyncio's rules, scenario by scenario (H01 to H11, K09).
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local expect = require "spec.support.expect"

local label = expect.label

--- A task with a name that sleeps and then raises `problem`, if there is one.
local function task(name, delay, problem)
  return neap.create_task({ name = name }, function()
    neap.sleep(delay)
    if problem then
      error(problem, 0)
    end
    return name
  end)
end

local function names(tasks)
  local list = {}
  for i, each in ipairs(tasks) do
    list[i] = each:get_name()
  end
  return list
end

--- What neap.wait returns, by name, and when it does.
local function wait(list, options)
  local results = table.pack(neap.wait(list, options))
  assert.are.equal(2, results.n)
  return { done = names(results[1]), pending = names(results[2]), at = neap.time() }
end

local function finish(tasks)
  for _, each in ipairs(tasks) do
    pcall(each.await, each)
  end
end

describe("neap.wait", function()
  it("H01 waits for all, and RULE lists them in the order of the list", in_loop(function()
    local list = { task("a", 3), task("b", 1), task("c", 2) }
    assert.are.same({ done = { "a", "b", "c" }, pending = {}, at = 3 }, wait(list))
  end))

  it("H01 ALL_COMPLETED is the default", in_loop(function()
    for _, options in ipairs { {}, { return_when = "ALL_COMPLETED" } } do
      local from = neap.time()
      local list = { task("a", 2), task("b", 1, "boom"), task("c", 3) }
      local expected = { done = { "a", "b", "c" }, pending = {}, at = from + 3 }
      assert.are.same(expected, wait(list, options))
      assert.are.equal("boom", list[2]:exception())
    end
  end))

  it("H02 FIRST_COMPLETED returns with the first, the others are not cancelled", in_loop(
    function()
      local list = { task("a", 3), task("b", 1), task("c", 2) }
      assert.are.same({ done = { "b" }, pending = { "a", "c" }, at = 1 },
        wait(list, { return_when = "FIRST_COMPLETED" }))
      assert.are.same({ 0, 0 }, { list[1]:cancelling(), list[3]:cancelling() })
      assert.are.same({ "a", "c" }, { list[1]:await(), list[3]:await() })
    end))

  it("H02 FIRST_COMPLETED RULE lists all that ended in that tick, in order", in_loop(function()
    local c, b, a = task("c", 1), task("b", 1), task("a", 2)
    assert.are.same({ done = { "b", "c" }, pending = { "a" }, at = 1 },
      wait({ a, b, c }, { return_when = "FIRST_COMPLETED" }))
    a:await()
  end))

  it("H02 FIRST_COMPLETED counts errors and cancellations", in_loop(function()
    local list = { task("a", 9), task("b", 1, "boom"), task("c", 9) }
    local options = { return_when = "FIRST_COMPLETED" }
    assert.are.same({ done = { "b" }, pending = { "a", "c" }, at = 1 }, wait(list, options))
    assert.are.equal("boom", table.remove(list, 2):exception())
    neap.call_later(1, function() list[2]:cancel() end)
    assert.are.same({ done = { "c" }, pending = { "a" }, at = 2 }, wait(list, options))
    finish(list)
  end))

  it("H02 can be called again with what is pending until all are done", in_loop(function()
    local seen = {}
    local pending = { task("a", 3), task("b", 1), task("c", 2), task("d", 2) }
    while #pending > 0 do
      local done, rest = neap.wait(pending, { return_when = "FIRST_COMPLETED" })
      seen[#seen + 1] = names(done)
      pending = rest
    end
    assert.are.same({ { "b" }, { "c", "d" }, { "a" } }, seen)
  end))

  it("H03 FIRST_EXCEPTION returns with the first error", in_loop(function()
    local list = { task("a", 4), task("b", 1), task("c", 2, "boom"), task("d", 3) }
    assert.are.same({ done = { "b", "c" }, pending = { "a", "d" }, at = 2 },
      wait(list, { return_when = "FIRST_EXCEPTION" }))
    assert.are.equal("boom", list[3]:exception())
    assert.are.same({ 0, 0 }, { list[1]:cancelling(), list[4]:cancelling() })
    finish(list)
  end))

  it("H03 FIRST_EXCEPTION without an error waits for all", in_loop(function()
    local list = { task("a", 1), task("b", 3), task("c", 2) }
    assert.are.same({ done = { "a", "b", "c" }, pending = {}, at = 3 },
      wait(list, { return_when = "FIRST_EXCEPTION" }))
  end))

  it("H03 FIRST_EXCEPTION sees an error that is there already", in_loop(function()
    local failed, pending = task("failed", 0, "boom"), task("pending", 9)
    neap.sleep(1)
    assert.are.same({ done = { "failed" }, pending = { "pending" }, at = 1 },
      wait({ pending, failed }, { return_when = "FIRST_EXCEPTION" }))
    finish { failed, pending }
  end))

  it("H09 a cancellation is no exception to FIRST_EXCEPTION", in_loop(function()
    local list = { task("a", 9), task("b", 3) }
    neap.call_later(1, function() list[1]:cancel() end)
    assert.are.same({ done = { "a", "b" }, pending = {}, at = 3 },
      wait(list, { return_when = "FIRST_EXCEPTION" }))
    assert.is_true(list[1]:cancelled())
  end))

  it("H04 on timeout returns both lists, raises and cancels nothing", in_loop(function()
    local list = { task("a", 3), task("b", 1), task("c", 9) }
    assert.are.same({ done = { "b" }, pending = { "a", "c" }, at = 2 },
      wait(list, { timeout = 2 }))
    assert.are.same({ 0, 0, 0 }, {
      list[1]:cancelling(), list[3]:cancelling(), neap.current_task():cancelling(),
    })
    assert.are.same({ "a", "c" }, { list[1]:await(), list[3]:await() })
  end))

  it("H04 a timeout not reached does no harm later", in_loop(function()
    assert.are.same({ done = { "a" }, pending = {}, at = 1 },
      wait({ task("a", 1) }, { timeout = 5 }))
    assert.are.equal("slept", neap.sleep(100, "slept"))
    assert.are.equal(101, neap.time())
    assert.are.same({ done = { "b" }, pending = {}, at = 1101 },
      wait({ task("b", 1000) }, { timeout = math.huge }))
  end))

  for _, timeout in ipairs { 0, -5 } do
    it("H10 with timeout " .. timeout .. " the loop still runs", in_loop(function()
      local log = {}
      local quick = neap.create_task({ name = "quick" }, function() log[1] = "quick ran" end)
      local slow = task("slow", 1)
      assert.are.same({ done = { "quick" }, pending = { "slow" }, at = 0 },
        wait({ slow, quick }, { timeout = timeout }))
      assert.are.same({ "quick ran" }, log)
      assert.are.equal("slow", slow:await())
    end))
  end

  it("H08 with all done already takes two passes", in_order(function(_, passes)
    local a, b = task("a", 1), task("b", 1)
    neap.sleep(1)
    local count, done, pending = passes(neap.wait, { b, a })
    assert.are.same({ 2, { "b", "a" }, {} }, { count, names(done), names(pending) })
  end))

  it("takes futures beside tasks", in_loop(function()
    local first, second, third = neap.future(), task("second", 9), neap.future()
    neap.call_later(1, third.set_result, third)
    local done, pending = neap.wait({ first, second, third }, { return_when = "FIRST_COMPLETED" })
    assert.are.same({ 1, 2, 1 }, { #done, #pending, neap.time() })
    assert.are.equal(third, done[1])
    assert.are.equal(first, pending[1])
    assert.are.equal(second, pending[2])
    second:await()
  end))

  it("lists a task once that is in the list twice", in_loop(function()
    local a, b = task("a", 1), task("b", 3)
    assert.are.same({ done = { "a" }, pending = { "b" }, at = 2 },
      wait({ b, a, a, b }, { timeout = 2 }))
    assert.are.same({ done = { "b", "a" }, pending = {}, at = 3 }, wait({ b, a, b }))
  end))

  it("leaves the list as it was, and returns new ones", in_loop(function()
    local list = { task("a", 1), task("b", 9) }
    local done, pending = neap.wait(list, { timeout = 2 })
    assert.are.same({ "a", "b" }, names(list))
    done[1], pending[1] = nil, nil
    assert.are.same({ "a", "b" }, names(list))
    finish(list)
  end))

  it("H07 a cancelled waiter leaves the children running", in_loop(function()
    local log, list = {}, { task("a", 3), task("b", 5) }
    local waiter = neap.create_task(function()
      local _, err = pcall(neap.wait, list)
      log[1] = { label(err), err.message, neap.time() }
      error(err, 0)
    end)
    neap.sleep(1)
    assert.is_true(waiter:cancel("enough"))
    pcall(waiter.await, waiter)
    assert.are.same({ { "CancelledError", "enough", 1 } }, log)
    assert.is_true(waiter:cancelled())
    assert.are.same({ 0, 0 }, { list[1]:cancelling(), list[2]:cancelling() })
    assert.are.same({ "a", "b", 5 }, { list[1]:await(), list[2]:await(), neap.time() })
  end))

  it("K09 does not count as looking at an error", in_loop(function(reports)
    local boom = { "boom" }
    neap.wait { task("failed", 1, boom) }
    assert.are.equal(0, #reports)
    neap.sleep(0)
    collectgarbage()
    collectgarbage()
    neap.sleep(0)
    assert.are.equal(1, #reports)
    local report = table.remove(reports)
    assert.are.equal(boom, report.exception)
    assert.matches("never retrieved", report.message, 1, true)
  end))

  it("K09 FIRST_EXCEPTION does count as looking, as in asyncio", in_loop(function()
    neap.wait({ task("failed", 1, { "boom" }), task("slow", 2) },
      { return_when = "FIRST_EXCEPTION" })
    assert.are.equal(1, neap.time())
    neap.sleep(2)
    collectgarbage()
    collectgarbage()
    neap.sleep(0)
  end))
end)

describe("neap.wait given what it cannot use", function()
  it("H05 raises an argument error for an empty list", in_loop(function()
    assert.matches("empty", expect.misuse_here(function() neap.wait {} end), 1, true)
  end))

  it("H06 raises an argument error for a function in the list", in_loop(function()
    local ran = false
    local a = task("a", 1)
    local message = expect.misuse_here(function() neap.wait { a, function() ran = true end } end)
    assert.matches("function", message, 1, true)
    assert.are.equal("a", a:await())
    neap.sleep(1)
    assert.is_false(ran)
  end))

  it("H11 raises an argument error for an unknown return_when", in_loop(function()
    local a = task("a", 1)
    for _, value in ipairs { "SECOND_COMPLETED", "first_completed", "", 42, {}, true } do
      local message = expect.misuse_here(function() neap.wait({ a }, { return_when = value }) end)
      assert.matches("return_when", message, 1, true)
    end
    assert.are.same({ "a", 1 }, { a:await(), neap.time() })
  end))

  it("raises an argument error for a timeout that is none", in_loop(function()
    local a = task("a", 1)
    expect.misuse_here(function() neap.wait({ a }, { timeout = 0 / 0 }) end)
    expect.misuse_here(function() neap.wait({ a }, { timeout = "soon" }) end)
    expect.misuse_here(function() neap.wait({ a }, { timeout = {} }) end)
    assert.are.same({ "a", 1 }, { a:await(), neap.time() })
  end))

  it("raises an argument error for a list that is none", in_loop(function()
    local a = task("a", 1)
    for _, list in ipairs { a, 42, "a", function() end } do
      assert.matches("#1", expect.misuse_here(function() neap.wait(list) end), 1, true)
    end
    assert.matches("#1", expect.misuse_here(function() neap.wait() end), 1, true)
    assert.matches("#2", expect.misuse_here(function() neap.wait({ a }, 5) end), 1, true)
    expect.misuse_here(function() neap.wait { a, 42 } end)
    expect.misuse_here(function() neap.wait { a, {} } end)
    assert.are.same({ "a", 1 }, { a:await(), neap.time() })
  end))

  it("raises an error that says so outside of a task", in_loop(function()
    local failures, a = {}, task("a", 1)
    neap.call_soon(function()
      failures[1] = expect.misuse_here(function() neap.wait { a } end):match "task"
    end)
    assert.are.equal("a", a:await())
    assert.are.same({ "task" }, failures)
  end))
end)
