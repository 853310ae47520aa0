-- Where Lua can suspend, and where it cannot.
local neap = require "neap"

local function waits(value)
  neap.sleep(1)
  return value
end

local function with(metamethods)
  return setmetatable({}, metamethods)
end

local scenarios = {
  ["in pcall"] = function() assert(select(2, pcall(waits, 1)) == 1) end,
  ["in xpcall"] = function() assert(select(2, xpcall(waits, debug.traceback, 1)) == 1) end,
  ["in nested pcalls, with an error"] = function()
    local ok, err = pcall(pcall, function()
      waits()
      error "x"
    end)
    assert(ok and err == false)
  end,
  ["in __index"] = function() assert(with { __index = waits }.x) end,
  ["in __call"] = function() assert(with { __call = waits }()) end,
  ["in __lt"] = function() assert(with { __lt = waits } < 1) end,
  ["in __concat"] = function() assert(with { __concat = waits } .. "") end,
  ["in an iterator"] = function()
    local n = 0
    for i in function(_, i) return waits((i or 0) < 3 and (i or 0) + 1 or nil) end do n = n + i end
    assert(n == 6)
  end,
  ["in __close, after an error"] = function()
    local waited = false
    pcall(function()
      local _ <close> = with { __close = function() waited = waits(true) end }
      error "x"
    end)
    assert(waited)
  end,
  ["in a generator"] = function()
    local sum = 0
    local generator = coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield(waits(i)) end
    end)
    for i in generator do sum = sum + i end
    assert(sum == 6)
  end,
  ["three generators deep"] = function()
    local function deep(n)
      if n == 0 then return waits "deep" end
      return coroutine.wrap(deep)(n - 1)
    end
    assert(deep(3) == "deep")
  end,
  ["a coroutine is cancelled where it waits"] = function()
    local co = coroutine.create(function() neap.sleep(100) end)
    local task = neap.create_task(function() assert(coroutine.resume(co)) end)
    neap.sleep(1)
    task:cancel()
    pcall(task.await, task)
    assert(coroutine.status(co) == "dead")
  end,
  ["an error in a coroutine"] = function()
    local co = coroutine.create(function()
      waits()
      error "x"
    end)
    assert(not coroutine.resume(co))
  end,
  ["coroutine.close of one with a pending __close"] = function()
    local closed
    local co = coroutine.create(function()
      local _ <close> = with { __close = function() closed = true end }
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert(coroutine.close(co) and closed)
  end,
  ["not in table.sort"] = function()
    local ok, err = pcall(table.sort, { 3, 1, 2 }, function(a, b) return waits(a) < b end)
    assert(not ok and type(err) == "string")
  end,
  ["not in string.gsub"] = function()
    assert(not pcall(string.gsub, "abc", "%w", function() return waits "x" end))
  end,
  ["in load's function, not its reader"] = function()
    assert(load "local neap = require 'neap' return neap.sleep(1, 7)"() == 7)
  end,
  ["a module that waits"] = function()
    package.preload.waiting_module = function() return waits { answer = 42 } end
    local got = neap.gather(function() return require "waiting_module" end,
      function() return require "waiting_module" end)
    package.preload.waiting_module, package.loaded.waiting_module = nil, nil
    assert(got.answer == 42)
  end,
  ["a task that yields to nobody"] = function()
    local task = neap.create_task(coroutine.yield)
    assert(not pcall(task.await, task))
  end,
  ["collected while it waits"] = function()
    for _ = 1, 5 do neap.create_task(function() coroutine.wrap(waits)() end) end
    neap.sleep(0)
    collectgarbage()
    neap.sleep(2)
  end,
}

return scenarios
