-- What random task programs, compared with asyncio's, have found (spec/differential).
local neap = require "neap"
local testing = require "neap.testing"

local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

describe("found by comparison with asyncio:", function()
  it("cancelling tasks that gather each other in a ring comes to an end #plain", function()
    local _ <close> = testing.virtual_clock()
    local reports = {}
    neap.set_exception_handler(function(report) reports[#reports + 1] = report.message end)
    neap.run(function()
      local ring
      ring = neap.create_task(function()
        neap.gather { ring, return_exceptions = true }
      end)
      neap.sleep(0)
      assert.is_true(ring:cancel())
      assert.is_false(ring:done())
    end)
    neap.set_exception_handler(nil)
    assert.are.same({ "a task ignored its cancellation and was abandoned" }, reports)
  end)

  it("a request to a gather whose children have ended is not lost", in_order(function(reports)
    local log = {}
    local function failing() error("failed", 0) end
    local waiter = neap.create_task(function() neap.gather(failing, failing) end)
    neap.sleep(0)
    neap.call_soon(function() log[1] = waiter:cancel "enough" end) -- the children run before it
    local _, err = pcall(waiter.await, waiter)
    assert.are.same({ true }, log)
    assert.are.equal("CancelledError: enough", tostring(err))
    collectgarbage()
    assert.are.equal("failed", table.remove(reports).exception) -- it is told, at least
  end))

  it("a second request does not replace the message of a cancelled gather", in_loop(function()
    local future = neap.future()
    local waiter = neap.create_task(function() neap.gather(future) end)
    neap.sleep(0)
    waiter:cancel "first"
    waiter:cancel()
    local _, err = pcall(waiter.await, waiter)
    assert.are.equal("CancelledError: first", tostring(err))
  end))

  it("as_completed gives nothing that ends in the pass of its timeout", in_loop(function()
    local quick, never = neap.create_task(function() end), neap.future()
    local given = 0
    local ok, err = pcall(function()
      for _ in neap.as_completed({ quick, never }, { timeout = 0 }) do given = given + 1 end
    end)
    assert.are.same({ false, "TimeoutError", 0 }, { ok, tostring(err), given })
  end))

  it("wait_for(oneself, 0) is refused before anything is cancelled", in_loop(function()
    local me = neap.current_task()
    local ok, err = pcall(neap.wait_for, me, 0)
    assert.is_false(ok)
    assert.matches("cannot await itself", err)
    assert.are.equal(0, me:cancelling())
    neap.sleep(0)
  end))

  it("a timeout knows that an earlier request was delivered by way of a task", in_loop(function()
    local me = neap.current_task()
    local other = neap.create_task(neap.sleep, 100)
    neap.sleep(0)
    me:cancel()
    local ok, err = pcall(neap.timeout, 3, function()
      local _ <close> = setmetatable({}, { __close = function() neap.sleep(5) end })
      other:await()
    end)
    assert.are.same({ false, "TimeoutError", 3 }, { ok, tostring(err), neap.time() })
    assert.are.equal(1, me:uncancel() + 1)
  end))
end)

describe("the last passes of a run", function()
  local function log_of(main)
    local _ <close> = testing.virtual_clock()
    local log = {}
    neap.run(main, log)
    assert.are.equal(0, neap.stats().tasks.pending)
    return log
  end

  it("call the callbacks that are due when the main task ends #plain", function()
    assert.are.same({ "done", "due" }, log_of(function(log)
      neap.call_later(0, function() log[#log + 1] = "due" end)
      neap.call_later(1, function() log[#log + 1] = "later" end)
      neap.current_task():add_done_callback(function() log[#log + 1] = "done" end)
    end))
  end)

  it("call the callbacks of tasks that the end of the run cancels #plain", function()
    assert.are.same({ "cancelled" }, log_of(function(log)
      local left = neap.create_task(neap.sleep, 100)
      left:add_done_callback(function(task)
        log[#log + 1] = task:cancelled() and "cancelled"
      end)
      neap.sleep(0)
    end))
  end)

  it("cancel tasks that those callbacks make #plain", function()
    assert.are.same({ "made", "cancelled" }, log_of(function(log)
      local left = neap.create_task(neap.sleep, 100)
      left:add_done_callback(function()
        neap.create_task(function()
          log[#log + 1] = "made"
          local ok, err = pcall(neap.sleep, 100)
          log[#log + 1] = not ok and neap.is(err, neap.CancelledError) and "cancelled"
        end)
      end)
      neap.sleep(0)
    end))
  end)
end)
