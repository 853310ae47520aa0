-- How to test code that waits: plain busted, on a clock that jumps.
--
--   cd scripts/spec && neap test .
--   cd scripts/spec && lua5.4 $(command -v busted) --helper=neap.busted .
local neap = require "neap"
local service = require "service"
local testing = require "neap.testing"

describe("a client", function()
  testing.virtual_clock() -- for this block: what takes minutes ends at once

  local started, seen

  before_each(function()
    started = neap.time()
    seen = testing.sequence()
  end)

  --- A service that answers after so many seconds, each time the next number; math.huge: never.
  local function answering(...)
    local delays = { ... }
    return function(request)
      seen(("%g %s"):format(neap.time() - started, request))
      neap.sleep(table.remove(delays, 1))
      return "answer to " .. request
    end
  end

  it("returns the answer", function()
    local client = service.new(answering(1.5))
    assert.are.equal("answer to a", client:request "a")
    assert.are.same({ "0 a" }, seen)
    assert.are.equal(1.5, neap.time() - started)
  end)

  it("gives up an attempt that takes too long, and tries again after a pause", function()
    local client = service.new(answering(math.huge, 60, 1))
    assert.are.equal("answer to a", client:request "a")
    -- two seconds for each attempt that failed; pauses of one and two seconds
    assert.are.same({ "0 a", "3 a", "7 a" }, seen)
  end)

  it("says so when all attempts have failed, and why", function()
    local client = service.new(function() error "connection refused" end, { attempts = 3 })
    local ok, err = pcall(client.request, client, "a")
    assert.is_false(ok)
    assert.is_true(neap.is(err, service.Unavailable))
    assert.are.equal("Unavailable: a: 3 attempts failed", tostring(err))
    assert.matches("connection refused", err.cause)
    assert.are.equal(3, neap.time() - started)
  end)

  it("has no more requests under way than it may", function()
    local client = service.new(answering(1, 1, 1, 1, 1), { limit = 2 })
    neap.task_group(function(group)
      for i = 1, 5 do group:create_task(client.request, client, i) end
    end)
    assert.are.same({ "0 1", "0 2", "1 3", "1 4", "2 5" }, seen)
  end)

  it("does not try again when its caller is cancelled", function()
    local client = service.new(answering(math.huge))
    local task = neap.create_task(client.request, client, "a")
    testing.settle() -- the request is under way
    task:cancel()
    assert.has_error(function() task:await() end)
    assert.is_true(task:cancelled())
    assert.are.same({ "0 a" }, seen)
  end)
end)
