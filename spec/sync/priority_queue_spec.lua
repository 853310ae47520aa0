-- Section 9 of the semantics: priority queues, and what a comparison can do to them.

local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local started = require "spec.support.started"
local expect = require "spec.support.expect"

local insert = table.insert

-- Puts the values and returns the queue.
local function filled(queue, ...)
  for _, value in ipairs { ... } do
    queue:put_nowait(value)
  end
  return queue
end

-- All that is in the queue, in its order.
local function drained(queue)
  local items = {}
  while not queue:empty() do
    insert(items, queue:get_nowait())
  end
  return items
end

-- Logs its name and what it gets, or what it raises.
local function get(queue, seen, name)
  local ok, result = pcall(queue.get, queue)
  insert(seen, name .. " " .. (ok and tostring(result) or result.name))
end

local function put(queue, seen, item)
  local ok, err = pcall(queue.put, queue, item)
  insert(seen, "put " .. item .. (ok and "" or " " .. err.name))
end

describe("priority_queue", function()
  local function by_rank(a, b) return a.rank < b.rank end

  it("L16 gives the least item first", in_loop(function()
    local queue = filled(neap.priority_queue(), 3, 1, 2, 1)
    assert.are.equal(1, queue:get())
    queue:put(0)
    assert.are.same({ 0, 1, 2, 3 }, drained(queue))
    assert.are.same({ "a", "b", "c" }, drained(filled(neap.priority_queue(), "b", "c", "a")))
  end))

  it("L16 sorts any number of items", in_loop(function()
    local queue, expected, state = neap.priority_queue(), {}, 7
    for i = 1, 500 do
      state = state * 1103515245 + 12345 & 0x7fffffff
      expected[i] = state % 100
      queue:put(expected[i])
    end
    table.sort(expected)
    assert.are.same(expected, drained(queue))
  end))

  it("L16 orders by its less", in_loop(function()
    local queue = neap.priority_queue(0, function(a, b) return a > b end)
    assert.are.same({ 3, 2, 1 }, drained(filled(queue, 1, 3, 2)))
  end))

  it("L16 orders by __lt where less is not given", in_loop(function()
    local class = { __lt = by_rank }
    local queue = neap.priority_queue()
    for _, rank in ipairs { 2, 3, 1 } do
      queue:put(setmetatable({ rank = rank }, class))
    end
    for rank = 1, 3 do
      assert.are.equal(rank, queue:get().rank)
    end
  end))

  it("gives equal items in the order in which they were put", in_loop(function()
    local queue = neap.priority_queue(nil, by_rank)
    for i = 1, 30 do
      queue:put { rank = i % 3, number = i }
    end
    local last = { rank = -1, number = 0 }
    for _, item in ipairs(drained(queue)) do
      assert.is_true(item.rank > last.rank or item.number > last.number)
      last = item
    end
  end))

  it("a less that raises at put leaves the queue whole", in_loop(function()
    local problem = neap.Error "cannot compare"
    local queue = neap.priority_queue(0, function(a, b)
      if a == "bad" or b == "bad" then error(problem) end
      return a < b
    end)
    filled(queue, 3, 1, 2)
    for _, method in ipairs { queue.put, queue.put_nowait } do
      local ok, err = pcall(method, queue, "bad")
      assert.is_false(ok)
      assert.are.equal(problem, err)
      assert.are.equal(3, queue:qsize())
    end
    assert.are.same({ 1, 2, 3 }, drained(queue))
    for _ = 1, 3 do
      queue:task_done()
    end
    expect.misuse(queue.task_done, queue)
  end))

  it("a less that raises at get leaves the queue whole", in_loop(function()
    local fails, problem = false, neap.Error "cannot compare"
    local queue = neap.priority_queue(0, function(a, b)
      if fails then error(problem) end
      return a < b
    end)
    filled(queue, 5, 3, 1, 4, 2)
    fails = true
    for _, method in ipairs { queue.get, queue.get_nowait } do
      local ok, err = pcall(method, queue)
      assert.is_false(ok)
      assert.are.equal(problem, err)
      assert.are.equal(5, queue:qsize())
    end
    fails = false
    assert.are.same({ 1, 2, 3, 4, 5 }, drained(queue))
  end))

  it("a less that raises at any one comparison loses and doubles nothing", in_loop(function()
    local left = math.huge
    local queue = neap.priority_queue(0, function(a, b)
      left = left - 1
      if left == 0 then error("now", 0) end
      return a < b
    end)
    local function attempt(n, method, ...)
      left = n
      local ok, result = pcall(method, queue, ...)
      left = math.huge
      return ok, result
    end
    for n = 1, 8 do
      drained(queue)
      local expected = { 9, 4, 7, 1, 8, 2, 6, 3 }
      filled(queue, table.unpack(expected))
      if attempt(n, queue.put, 0) then insert(expected, 0) end
      table.sort(expected)
      local ok, item = attempt(n, queue.get)
      if ok then assert.are.equal(table.remove(expected, 1), item) end
      assert.are.same(expected, drained(queue))
    end
  end))

  it("a woken getter whose less raises leaves the item to the next", in_order(function()
    local fails, seen = 0, {}
    local queue = neap.priority_queue(0, function(a, b)
      if fails > 0 then
        fails = fails - 1
        error(neap.Error "cannot compare")
      end
      return a < b
    end)
    for _, name in ipairs { "a", "b", "c" } do
      started(get, queue, seen, name)
    end
    filled(queue, 3, 1, 2)
    fails = 1
    neap.sleep(1)
    assert.are.same({ "a Error", "b 1", "c 2" }, seen)
    assert.are.same({ 3 }, drained(queue))
  end))

  it("a woken putter whose less raises leaves the place to the next", in_loop(function()
    local seen = {}
    local queue = neap.priority_queue(2, function(a, b)
      if a == 1 or b == 1 then error(neap.Error "cannot compare") end
      return a < b
    end)
    filled(queue, 5, 6)
    started(put, queue, seen, 1)
    local last = started(put, queue, seen, 2)
    assert.are.equal(5, queue:get())
    neap.wait_for(last, 1)
    assert.are.same({ "put 1 Error", "put 2" }, seen)
    assert.are.same({ 2, 6 }, drained(queue))
  end))

  it("items that cannot be compared are refused, and no state is lost", in_loop(function()
    local queue = filled(neap.priority_queue(), 2, 1)
    assert.matches("compare", expect.misuse(queue.put, queue, "text"))
    assert.matches("compare", expect.misuse(queue.put, queue, {}))
    assert.are.same({ 1, 2 }, drained(queue))
  end))

  it("a less that tries to sleep gets a clear error, and no state is lost", in_loop(function()
    local sleeps = false
    local queue = neap.priority_queue(0, function(a, b)
      if sleeps then neap.sleep(1) end
      return a < b
    end)
    filled(queue, 3, 1, 2)
    sleeps = true
    for _, try in ipairs { { queue.put, queue, 0 }, { queue.get, queue } } do
      local ok, err = pcall(table.unpack(try))
      assert.is_false(ok)
      assert.matches("suspend", tostring(err))
    end
    sleeps = false
    assert.are.equal(0, neap.time())
    assert.are.same({ 1, 2, 3 }, drained(queue))
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("a less that changes the queue gets an error, and no state is lost", in_loop(function()
    local change, queue
    queue = neap.priority_queue(0, function(a, b)
      local now = change
      change = nil
      if now then now() end
      return a < b
    end)
    filled(queue, 3, 1, 2)
    change = function() queue:get() end
    local ok = pcall(queue.put, queue, 0)
    assert.is_false(ok)
    assert.are.same({ 2, 3 }, drained(queue)) -- the inner get went first, and had 1
    filled(queue, 3, 1, 2)
    change = function() queue:put(0) end
    ok = pcall(queue.get, queue)
    assert.is_false(ok)
    assert.are.same({ 0, 1, 2, 3 }, drained(queue))
  end))

  it("takes a function as less", function()
    assert.matches("bad argument #2", expect.misuse(neap.priority_queue, 0, 42), 1, true)
    assert.matches("bad argument #2", expect.misuse(neap.priority_queue, 0, {}), 1, true)
  end)

  it("a comparison that fails in a getter leaves the items to the next", in_order(function()
    local broken = false
    local meta = { __lt = function(a, b)
      if broken then
        broken = false
        error("cannot compare", 0)
      end
      return a.n < b.n
    end }
    local queue = neap.priority_queue()
    local first, second = started(queue.get, queue), started(queue.get, queue)
    for n = 1, 4 do queue:put_nowait(setmetatable({ n = n }, meta)) end
    broken = true
    local ok, err = pcall(first.await, first)
    assert.are.same({ false, "cannot compare" }, { ok, err })
    assert.are.equal("number", type(second:await().n))
    assert.is_true(queue:qsize() >= 2)
  end))
end)
