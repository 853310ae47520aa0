-- Coroutines whose <close> handlers close coroutines.
local neap = require "neap"

--- A suspended coroutine that closes another, which closes another, and so on.
local function chain(length)
  local results = {}
  local co = coroutine.create(function() end)
  for _ = 1, length do
    local inner = co
    co = coroutine.create(function()
      local closing <close> = setmetatable({}, { __close = function() -- luacheck: ignore
        local ok, closed, err = pcall(coroutine.close, inner)
        results[#results + 1] = ok and closed or err or closed
      end })
      coroutine.yield()
    end)
    coroutine.resume(co)
  end
  return co, results
end

describe("a chain of coroutines that close each other #plain", function()
  it("is closed", function()
    neap.run(function()
      local co, results = chain(100)
      assert.is_true(coroutine.close(co))
      assert.are.equal(100, #results)
      for _, result in ipairs(results) do assert.is_true(result) end
    end)
  end)

  it("is an error if it is too long for the C stack", function()
    neap.run(function()
      local co, results = chain(20000)
      assert.is_true(coroutine.close(co))
      assert.matches("C stack overflow", tostring(results[1]), 1, true)
    end)
  end)
end)
