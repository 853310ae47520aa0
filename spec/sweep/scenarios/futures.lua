-- Futures, callbacks, suspend, wrap, context variables, errors.
local neap = require "neap"

return {
  ["a future's results"] = function()
    local future = neap.future()
    neap.call_later(1, future.set_result, future, 1, nil, 3)
    assert(select("#", future:await()) == 3)
  end,
  ["a future's error"] = function()
    local future = neap.future()
    neap.call_soon(future.set_exception, future, "x")
    assert(select(2, pcall(future.await, future)) == "x")
  end,
  ["an error nobody asks a future for"] = function()
    neap.future():set_exception "lost"
    collectgarbage()
    neap.sleep(0)
  end,
  ["a cancelled future"] = function()
    local future = neap.future()
    neap.call_soon(future.cancel, future, "m")
    assert(not pcall(future.await, future) and future:cancelled())
  end,
  ["set twice"] = function()
    local future = neap.future()
    future:set_result(1)
    assert(not pcall(future.set_result, future, 2) and future:result() == 1)
  end,
  ["callbacks in order"] = function()
    local order = {}
    for i = 1, 5 do
      neap.call_later(i, function() order[#order + 1] = i end)
    end
    neap.sleep(6)
    assert(table.concat(order) == "12345")
  end,
  ["a cancelled callback"] = function()
    local handle = neap.call_later(1, error, "called")
    assert(handle:when() and not handle:cancelled())
    handle:cancel()
    neap.sleep(2)
    assert(handle:cancelled())
  end,
  ["callbacks that raise, make tasks, and callbacks"] = function()
    local made
    neap.call_soon(function()
      neap.call_soon(function() made = neap.create_task(neap.sleep, 1, "x") end)
      error "x"
    end)
    neap.sleep(1)
    assert(made:await() == "x")
  end,
  ["call_at"] = function()
    local at
    neap.call_at(neap.time() + 2, function() at = neap.time() end)
    neap.sleep(3)
    assert(at)
  end,
  ["callbacks that are left"] = function()
    for i = 1, 10 do neap.call_later(i, print) end
  end,
  ["suspend, resumed later"] = function()
    assert(neap.suspend(function(resume) neap.call_later(1, resume, "x") end) == "x")
  end,
  ["suspend, resumed at once"] = function()
    assert(neap.suspend(function(resume) resume "x" end) == "x")
  end,
  ["suspend, rejected"] = function()
    local ok, err = pcall(neap.suspend, function(_, reject) neap.call_soon(reject, "x") end)
    assert(not ok and err == "x")
  end,
  ["suspend, cancelled"] = function()
    local cancelled = false
    local task = neap.create_task(neap.suspend, function()
      return function() cancelled = true end
    end)
    neap.sleep(1)
    task:cancel()
    pcall(task.await, task)
    assert(cancelled)
  end,
  ["suspend, its start raises"] = function() assert(not pcall(neap.suspend, error)) end,
  ["wrap"] = function()
    local double = neap.wrap(function(x, callback) neap.call_soon(callback, nil, 2 * x) end)
    assert(double(21) == 42)
    local fails = neap.wrap(function(callback) callback "x" end)
    assert(select(2, pcall(fails)) == "x")
  end,
  ["context variables"] = function()
    local var = neap.context_var("v", "default")
    local token = var:set "outer"
    local task = neap.create_task(function()
      local seen = var:get()
      var:set "inner"
      neap.sleep(1)
      return seen, var:get()
    end)
    local seen, own = task:await()
    assert(seen == "outer" and own == "inner" and var:get() == "outer")
    var:reset(token)
    assert(var:get() == "default")
  end,
  ["a copied context"] = function()
    local var = neap.context_var "v"
    var:set(1)
    local context = neap.copy_context()
    neap.create_task({ context = context }, function() var:set(2) end):await()
    assert(var:get() == 1)
  end,
  ["error classes"] = function()
    local Mine = neap.Error:extend "Mine"
    local ok, err = pcall(function() error(Mine "bad") end)
    assert(not ok and neap.is(err, Mine) and tostring(err) == "Mine: bad")
  end,
  ["an error with a traceback"] = function()
    local task = neap.create_task(function() error(neap.Error "x") end)
    local _, err = pcall(task.await, task)
    assert(err.traceback)
  end,
  ["an error whose __tostring raises"] = function()
    local bad = setmetatable({}, { __tostring = function() error "no" end })
    neap.create_task(error, bad)
    neap.sleep(0)
    collectgarbage()
  end,
  ["debug mode"] = function()
    neap.set_debug(true)
    local task = neap.create_task(function() error "x" end)
    pcall(task.await, task)
    neap.set_debug(false)
  end,
  ["arguments that are wrong"] = function()
    for _, fn in ipairs { neap.sleep, neap.create_task, neap.wait_for, neap.call_later } do
      assert(not pcall(fn, {}) and not pcall(fn, "x") and not pcall(fn))
    end
    assert(not pcall(neap.sleep, 0 / 0))
  end,
}
