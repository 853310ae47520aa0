-- Debug mode: slow steps, swallowed cancellations, where tasks were created; and who cancelled.
local neap = require "neap"
local in_loop = require "spec.support.loop"

--- As in_loop, in debug mode, with a limit for slow steps of `limit` seconds.
local function debugging(limit, body)
  return in_loop(function(reports)
    local before = neap.slow_step
    local restore <close> = setmetatable({}, { __close = function()
      neap.set_debug(false)
      neap.slow_step = before
    end })
    neap.set_debug(true)
    neap.slow_step = limit
    neap.sleep(0) -- the step under way began without debug mode
    body(reports)
    return restore
  end)
end

local NEVER_SLOW = 1e9

--- Keeps the loop busy for `seconds` of processor time.
local function spin(seconds)
  local start = os.clock()
  while os.clock() - start < seconds do end
end

local function messages(reports)
  local list = {}
  for i, report in ipairs(reports) do
    list[i] = report.message
    reports[i] = nil
  end
  return list
end

describe("a slow step", function()
  it("is reported with the traceback of the slow code", debugging(0.01, function(reports)
    local function slow_code() spin(0.05) end
    local task = neap.create_task({ name = "slow" }, function() slow_code() neap.sleep(1) end)
    task:await()
    assert.are.equal("slow step", reports[1].message)
    assert.are.equal(task, reports[1].task)
    assert.matches("^slow held the loop for 0%.%d+ s\n", reports[1].exception)
    assert.matches("in upvalue 'slow_code'", reports[1].exception, 1, true)
    messages(reports)
  end))

  it("is found inside a coroutine of the task's own", debugging(0.01, function(reports)
    neap.create_task(function() coroutine.wrap(function() spin(0.05) end)() end):await()
    assert.matches("in upvalue 'spin'", reports[1].exception, 1, true)
    messages(reports)
  end))

  it("is none if it is fast, or debug mode is off", debugging(NEVER_SLOW, function(reports)
    neap.create_task(spin, 0.02):await()
    neap.set_debug(false)
    neap.slow_step = 0.01
    neap.create_task(spin, 0.02):await()
    assert.are.same({}, reports)
  end))

  it("leaves a debug hook of the user's alone", debugging(0.01, function(reports)
    local calls = 0
    neap.create_task(function()
      debug.sethook(function() calls = calls + 1 end, "", 1000)
      spin(0.05)
      debug.sethook()
    end):await()
    assert.is_true(calls > 0)
    messages(reports)
  end))
end)

describe("a swallowed cancellation", function()
  it("is reported with the pcall that caught it", debugging(NEVER_SLOW, function(reports)
    local line
    local task = neap.create_task({ name = "deaf" }, function()
      line = debug.getinfo(1, "l").currentline + 1
      pcall(neap.sleep, 10)
      return "went on"
    end)
    neap.sleep(1)
    task:cancel()
    assert.are.equal("went on", task:await())
    assert.are.equal(1, #reports)
    assert.are.equal("swallowed cancellation", reports[1].message)
    assert.matches("deaf caught", reports[1].exception, 1, true)
    assert.matches("debug_spec%.lua:" .. line .. " ", reports[1].exception)
    messages(reports)
  end))

  it("is none if it is raised again, or taken back", debugging(NEVER_SLOW, function(reports)
    local raises = neap.create_task(function()
      local _, err = pcall(neap.sleep, 10)
      error(err)
    end)
    local takes_back = neap.create_task(function()
      pcall(neap.sleep, 10)
      neap.current_task():uncancel()
    end)
    local timed = neap.create_task(function() return neap.move_on_after(2, neap.sleep, 10) end)
    neap.sleep(1)
    raises:cancel()
    takes_back:cancel()
    assert.is_false((pcall(raises.await, raises)))
    takes_back:await()
    assert.is_false(timed:await())
    assert.are.same({}, reports)
  end))
end)

describe("err.source of a CancelledError", function()
  local function cancelled_by(canceller)
    local task = neap.create_task(neap.sleep, 100)
    neap.sleep(0)
    canceller(task)
    local _, err = pcall(task.await, task)
    return err.source
  end

  it("is the task that cancelled, and where", in_loop(function()
    neap.current_task():set_name "boss"
    local line = debug.getinfo(1, "l").currentline + 1
    local source = cancelled_by(function(task) task:cancel() end)
    assert.matches("^boss at .*debug_spec%.lua:" .. line .. "$", source)
  end))

  for title, name in pairs { ["without a name"] = false, ["with a long one"] = ("x"):rep(500) } do
    it("may be a task " .. title, in_loop(function()
      local task = neap.current_task()
      if name then task:set_name(name) end
      local expected, line = task:get_name(), debug.getinfo(1, "l").currentline + 1
      local source = cancelled_by(function(other) other:cancel() end)
      local here = debug.getinfo(1, "S").short_src
      assert.are.equal(("%s at %s:%d"):format(expected, here, line), source)
    end))
  end

  it("is passed on to what the task awaits", in_loop(function()
    neap.current_task():set_name "boss"
    local seen
    local inner = neap.create_task(function()
      local _, err = pcall(neap.sleep, 100)
      seen = err.source
      error(err)
    end)
    local outer = neap.create_task(inner.await, inner)
    neap.sleep(1)
    outer:cancel()
    pcall(outer.await, outer)
    assert.matches("^boss at ", seen)
  end))

  it("is a callback, a timeout or the end of the run", in_loop(function()
    assert.matches("^a callback", cancelled_by(function(task)
      neap.call_soon(task.cancel, task)
    end))
    local _, err = pcall(neap.wait_for, neap.sleep, 1, 100)
    assert.are.equal("a timeout", err.cause.source)
  end))

  it("is the one who closed a task group early", in_loop(function()
    local source
    neap.current_task():set_name "boss"
    neap.task_group(function(group)
      group:create_task(function()
        local _, err = pcall(neap.sleep, 100)
        source = err.source
        error(err)
      end)
      neap.sleep(1)
      group:cancel()
    end)
    assert.matches("^boss at .*debug_spec%.lua:%d+$", source)
  end))
end)

describe("the creation of a task", function()
  it("stands in the report of its error", function()
    local process = require "spec.support.process"
    local run = process.run({ "neap", "--debug", "-" }, { stdin = [[
      local neap = require "neap"
      neap.create_task(function() error "boom" end)
      neap.sleep(0)
    ]] })
    assert.matches("boom", run.stderr, 1, true)
    assert.matches("the task was created here:.*:2: in main chunk", run.stderr)
  end)
end)
