-- Where Lua cannot suspend.
local neap = require "neap"
local in_loop = require "spec.support.loop"

describe("a suspension where Lua cannot suspend", function()
  --- Each runs `wait` in such a place and returns the error it got there.
  local places = {
    ["table.sort"] = function(wait)
      local _, err = pcall(function()
        table.sort({ 3, 1, 2 }, function(a, b)
          wait()
          return a < b
        end)
      end)
      return err
    end,
    ["string.gsub"] = function(wait)
      local _, err = pcall(function()
        return (string.gsub("abc", "%w", function() wait() end))
      end)
      return err
    end,
    ["tostring"] = function(wait)
      local value = setmetatable({}, {
        __tostring = function()
          wait()
          return "text"
        end,
      })
      local _, err = pcall(function() return (tostring(value)) end)
      return err
    end,
    ["__gc"] = function(wait)
      local err
      local function make_garbage()
        setmetatable({}, {
          __gc = function()
            local _
            _, err = pcall(wait)
          end,
        })
      end
      make_garbage()
      collectgarbage()
      collectgarbage()
      return err
    end,
  }

  local waits = {
    ["a sleep"] = function() neap.sleep(5) end,
    ["an await"] = function(other) other:await() end,
    ["a wait_for"] = function() neap.wait_for(neap.sleep, 3, 5) end,
    ["a timeout"] = function() neap.timeout(3, neap.sleep, 5) end,
  }

  for place, in_place in pairs(places) do
    for what, wait in pairs(waits) do
      it(what .. " names " .. place, in_loop(function()
        local other = neap.create_task(neap.sleep, 7, "other")
        neap.sleep(0)
        local err = in_place(function() wait(other) end)
        assert.are.equal("string", type(err))
        assert.matches(place, err, 1, true)
        assert.are.equal(0, neap.current_task():cancelling())
        assert.are.equal("slept", neap.sleep(100, "slept"))
        assert.are.equal(100, neap.time())
        assert.are.equal("other", other:await())
      end))
    end

    it("leaves the task unharmed in " .. place .. ", inside a coroutine", in_loop(function()
      local err = coroutine.wrap(function() return in_place(waits["a sleep"]) end)()
      assert.matches(place, err, 1, true)
      assert.are.equal("slept", neap.sleep(100, "slept"))
      assert.are.equal(100, neap.time())
    end))
  end

  it("names string.gsub when it is called as a method", in_loop(function()
    local ok, err = pcall(function()
      return (("abc"):gsub("%w", function() neap.sleep(5) end))
    end)
    assert.is_false(ok)
    assert.matches("string.gsub", err, 1, true)
  end))

  it("names table.sort when pcall calls it", in_loop(function()
    local ok, err = pcall(table.sort, { 3, 1, 2 }, function() neap.sleep(5) end)
    assert.is_false(ok)
    assert.matches("table.sort", err, 1, true)
  end))

  it("names table.sort when the wait is deep inside", in_loop(function()
    local function deep(depth)
      if depth == 0 then
        neap.sleep(5)
      else
        deep(depth - 1)
      end
      return depth
    end
    local ok, err = pcall(table.sort, { 3, 1, 2 }, function(a, b)
      deep(10)
      return a < b
    end)
    assert.is_false(ok)
    assert.matches("table.sort", err, 1, true)
  end))

  it("does not trouble a call that need not wait", in_loop(function()
    local done = neap.create_task(function() return 1 end)
    done:await()
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b) return a * done:await() < b end)
    assert.are.same({ 1, 2, 3 }, list)
  end))

  it("in a coroutine started there, passes no suspension out", in_loop(function()
    local ok, err = pcall(table.sort, { 3, 1, 2 }, function(a, b)
      coroutine.wrap(function() neap.sleep(5) end)()
      return a < b
    end)
    assert.is_false(ok)
    assert.matches("table.sort", tostring(err), 1, true)
    assert.are.equal("slept", neap.sleep(100, "slept"))
    assert.are.equal(100, neap.time())
  end))
end)
