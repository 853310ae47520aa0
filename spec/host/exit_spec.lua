-- os.exit, and the end of the state, with tasks in every state.
local process = require "spec.support.process"

local function run(code)
  local result = process.run({ "neap", "-l", "neap", "-" }, { stdin = code })
  assert.are.equal("", result.stderr)
  return result.code, result.stdout
end

local places = {
  ["in the main task"] = "%s",
  ["in pcall"] = "pcall(function() %s end) print 'caught'",
  ["in neap.pcall"] = "neap.pcall(function() %s end) print 'caught'",
  ["in a coroutine"] = "coroutine.wrap(function() %s end)() print 'resumed'",
  ["in another task"] = "neap.create_task(function() %s end) neap.sleep(100) print 'woken'",
  ["in another task's coroutine"] = [[
    neap.create_task(function() pcall(coroutine.wrap(function() %s end)) end)
    neap.sleep(100)]],
  ["in a callback"] = "neap.call_soon(function() %s end) neap.sleep(100) print 'woken'",
  ["in a __close"] = [[
    local guard <close> = setmetatable({}, { __close = function() %s end })
    neap.sleep(0)]],
  ["in the cleanup of a cancelled task"] = [[
    local task = neap.create_task(function() pcall(neap.sleep, 100) %s end)
    neap.sleep(0)
    task:cancel()
    neap.sleep(100)]],
  ["while what is left cleans up"] = [[
    neap.create_task(function() pcall(neap.sleep, 100) %s end)
    neap.sleep(0)]],
  ["in a comparator"] = "table.sort({ 1, 2 }, function() %s end) print 'sorted'",
  ["in a __gc"] = [[
    setmetatable({}, { __gc = function() %s end })
    collectgarbage()
    print 'collected']],
}

for exit, status in pairs {
  ["os.exit(3)"] = 3,
  ["os.exit(3, true)"] = 3,
  ["os.exit(true, true)"] = 0,
  ["os.exit(false, true)"] = 1,
  ["os.exit()"] = 0,
} do
  describe(exit, function()
    for place, code in pairs(places) do
      it("ends the program " .. place, function()
        assert.are.same({ status, "before\n" }, { run("print 'before' " .. code:format(exit)) })
      end)
    end
  end)
end

it("os.exit refuses what is no status", function()
  local code, output = run "local ok, err = pcall(os.exit, {}, true) print(ok, err)"
  assert.are.equal(0, code)
  assert.matches("^false\tbad argument #1 to .*number expected, got table", output)
end)

-- Tasks in every state there is, held and not held.
local zoo = [[
  local guarded = function(f, ...)
    local guard <close> = setmetatable({}, { __close = function() end })
    return f(...)
  end
  local create = function(...)
    local task = neap.create_task(...)
    if #(kept or {}) % 2 == 0 then kept = kept or {} kept[#kept + 1] = task end
    return task
  end
  for _ = 1, 3 do
    create(guarded, neap.sleep, 100)                       -- sleeps
    create(neap.sleep, math.huge)
    create(function() guarded(neap.future().await, neap.future()) end)
    local slow = create(neap.sleep, 100)
    create(slow.await, slow)                               -- awaits
    create(neap.wait_for, slow, 50)
    create(function() neap.timeout(50, neap.sleep, 70) end)
    create(coroutine.wrap(function() guarded(neap.sleep, 100) end))
    create(function() for _ in coroutine.wrap(function() neap.sleep(100) end) do end end)
    create(function() pcall(neap.sleep, 100) neap.sleep(100) end):cancel()
    create(function() return "done" end)                   -- done
    local failed = create(error, "failed")
    create(function() pcall(failed.await, failed) end)
    create(neap.sleep, 100):cancel()                       -- cancelled before its start
    neap.call_later(100, print)
  end
  local stubborn = create(function() while true do pcall(neap.sleep, 100) end end)
  neap.sleep(0) neap.sleep(0)
  stubborn:cancel()
  neap.sleep(0)
  create(guarded, neap.sleep, 100)                         -- not started
  neap.call_soon(print, "never called")
  create(neap.sleep, 0):cancel()                           -- cancelled, not started
]]

describe("closing the state", function()
  for title, exit in pairs {
    ["by os.exit"] = "os.exit(7, true)",
    ["by os.exit in a coroutine"] = "coroutine.wrap(os.exit)(7, true)",
  } do
    it("with tasks in every state " .. title, function()
      local code = process.run({ "neap", "-l", "neap", "-" }, { stdin = zoo .. exit }).code
      assert.are.equal(7, code)
    end)
  end

  it("with objects whose finalizers use the runtime", function()
    assert.are.same({ 7, "3\n" }, { run [[
      local count = 0
      local function tries(f, ...)
        if not pcall(f, ...) then count = count + 1 end
      end
      local task = neap.create_task(neap.sleep, 100)
      neap.sleep(0)
      last = setmetatable({}, { __gc = function()
        tries(neap.sleep, 0)
        tries(neap.create_task, print)
        tries(task.await, task)
        print(count)
      end })
      os.exit(7, true)
    ]] })
  end)

  it("with more tasks than fit the C stack", function()
    assert.are.equal(7, (run [[
      local last = neap.create_task(neap.sleep, 100)
      for _ = 1, 20000 do last = neap.create_task(last.await, last) end
      neap.sleep(0)
      os.exit(7, true)
    ]]))
  end)
end)
