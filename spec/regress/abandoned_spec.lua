-- A task that ignores a hundred cancellations is abandoned, and its coroutine closed. On Lua
-- 5.4.4 that hung where it was suspended in a protected call with a handler, and a <close>
-- handler of an outer function raised.
local neap = require "neap"
local testing = require "neap.testing"

--- Abandons body(log, closing); closing(name) is a value whose __close raises. Returns what
--- came before the abandonment once, and all that came with it.
local function abandon(body)
  local _ <close> = testing.virtual_clock()
  local log = {}
  local function closing(name)
    return setmetatable({}, { __close = function()
      log[#log + 1] = name
      error(name .. " raises", 0)
    end })
  end
  neap.set_exception_handler(function(report)
    if report.message:find "abandoned" then log = {} end
  end)
  neap.run(function()
    neap.create_task(body, closing, function(...) table.insert(log, (...)) end)
    neap.sleep(1)
  end)
  neap.set_exception_handler(nil)
  assert.are.equal(0, neap.stats().tasks.pending)
  return log
end

local function stubborn() while true do pcall(neap.sleep, 1) end end

describe("a task that is abandoned", function()
  it("in lock:with runs its <close> handlers #plain", function()
    assert.are.same({ "inner", "outer" }, abandon(function(closing)
      local _ <close> = closing "outer"
      neap.lock():with(function()
        local _ <close> = closing "inner"
        stubborn()
      end)
    end))
  end)

  it("while it waits directly in lock:with #plain", function()
    assert.are.same({ "outer" }, abandon(function(closing)
      local me = neap.current_task()
      local _ <close> = closing "outer"
      neap.lock():with(function()
        neap.gather { me, return_exceptions = true }
      end)
    end))
  end)

  it("in nested protected calls goes on in none of them #plain", function()
    local log = abandon(function(closing, note)
      local _ <close> = closing "outermost"
      xpcall(function()
        local _ <close> = closing "outer"
        pcall(function()
          local _ <close> = closing "middle"
          xpcall(function()
            local _ <close> = closing "inner"
            while true do
              pcall(function()
                local _ <close> = closing "innermost"
                neap.sleep(1)
              end)
            end
          end, debug.traceback)
          note "after the inner xpcall"
        end)
        note "after the pcall"
      end, function(err)
        note("handled: " .. tostring(err))
        return err
      end)
      note "after the outer xpcall"
    end)
    assert.are.same({ "innermost", "inner", "middle", "handled: the task was abandoned", "outer",
      "handled: outer raises", "outermost" }, log)
  end)

  it("cannot wait in its handlers #plain", function()
    local err
    abandon(function()
      xpcall(function()
        local _ <close> = setmetatable({}, { __close = function()
          err = select(2, pcall(neap.sleep, 1))
        end })
        stubborn()
      end, debug.traceback)
    end)
    assert.is_truthy(err:find("outside a task", 1, true), err)
  end)
end)
