-- What Lua itself makes difficult: error objects that fight back, results without number,
-- finalizers, hooks, loops that are left, and the order of tables.
local in_loop = require "spec.support.loop"
local neap = require "neap"
local process = require "spec.support.process"

local function run(code, ...)
  return process.run({ "neap", "-l", "neap", ..., "-" }, { stdin = code })
end

describe("an error object that fights back", function()
  -- Each is reported from every place that reports errors.
  local REPORTS = [[
    local function odd() return %s end
    local function fails() error(odd(), 0) end
    neap.create_task(fails)
    neap.call_soon(fails)
    neap.call_later(0, fails)
    neap.create_task(neap.sleep, 0):add_done_callback(fails)
    neap.create_task(function()
      local _ <close> = setmetatable({}, { __close = fails })
      neap.sleep(0)
    end)
    neap.create_task(neap.suspend, function() return fails end)
    neap.sleep(0)
    for _, task in ipairs(neap.all_tasks()) do
      if task ~= neap.current_task() then task:cancel() end
    end
    neap.create_task(neap.task_group, function(group)
      group:create_task(fails)
      group:create_task(fails)
    end)
    neap.sleep(0.001)
    neap.set_exception_handler(fails)
    neap.call_soon(fails)
    neap.sleep(0)
    neap.set_exception_handler(nil)
    setmetatable({}, { __gc = fails })
    collectgarbage()
    collectgarbage()
    print(#neap.format_tasks() > 0)
    neap.create_task(neap.sleep, 1):cancel()
    fails()
  ]]

  for title, code in pairs {
    ["is nil"] = "nil",
    ["is false"] = "false",
    ["is NaN"] = "0 / 0",
    ["is a thread"] = "coroutine.create(print)",
    ["is a file"] = "io.stdout",
    ["has a NUL"] = "'a\\0b'",
    ["has a __tostring that raises"] = "setmetatable({}, { __tostring = function() error {} end })",
    ["has a __tostring that waits"]
      = "setmetatable({}, { __tostring = function() neap.sleep(1) end })",
    ["has a __tostring that yields"]
      = "setmetatable({}, { __tostring = function() coroutine.yield() end })",
    ["has a __tostring that returns a number"]
      = "setmetatable({}, { __tostring = function() return 7 end })",
    ["has a __tostring that recurses"]
      = "setmetatable({}, { __tostring = function(self) return tostring(self) end })",
    ["has a __tostring of a megabyte"]
      = "setmetatable({}, { __tostring = function() return ('x'):rep(1e6) end })",
    ["has a __name of bytes"] = "setmetatable({}, { __name = 'a\\0b' })",
    ["has an __index that raises"]
      = "setmetatable({}, { __index = function() error 'index' end })",
    ["is its own cause"] = "(function() local e = neap.Error 'x' e.cause = e return e end)()",
  } do
    it(title .. " is reported by whoever reports it", function()
      local result = run(REPORTS:format(code))
      assert.are.same({ 1, "true\n" }, { result.code, result.stdout })
      assert.is_nil(result.stderr:find("PANIC", 1, true))
    end)
  end

  it("ends the program in its __tostring is a script that ends", function()
    local result = run [[
      neap.call_soon(error, setmetatable({}, { __tostring = function() os.exit(5, true) end }))
      neap.sleep(1)
    ]]
    assert.are.equal(5, result.code)
  end)
end)

describe("results without number", function()
  local function count(...) return select("#", ...) end

  it("are passed on, or refused where they cannot be", in_loop(function()
    for _, n in ipairs { 0, 1, 250, 100000, 250000 } do
      local function many() return table.unpack({}, 1, n) end
      local function set(future) future:set_result(many()) end
      local ways = {
        task = function() return count(neap.create_task(many):await()) end,
        arguments = function() return neap.create_task(count, many()):await() end,
        sleep = function() return count(neap.sleep(0, many())) end,
        timeout = function() return count(neap.timeout(1, many)) end,
        coroutine = function() return count(coroutine.wrap(function()
          return neap.sleep(0, many())
        end)()) end,
        future = function()
          local future = neap.future()
          neap.call_soon(set, future)
          return count(neap.wait_for(future, 1))
        end,
      }
      for name, way in pairs(ways) do
        if name ~= "future" or n <= 100000 then
          local ok, got = pcall(way)
          assert.is_true(got == n or not ok and got:find("too many results", 1, true) ~= nil,
            ("%s of %d: %s"):format(name, n, got))
          assert.is_true(ok or n > 100000)
        end
      end
    end
  end))
end)

describe("in a finalizer", function()
  -- Each is tried while the loop runs, when it has ended, and when the state closes.
  it("every function raises or works, whatever the phase", function()
    local result = process.run { "lua5.4", "-e", [[
      local neap = require "neap"
      local net, fs, dns = require "neap.net", require "neap.fs", require "neap.dns"
      local process, signal = require "neap.process", require "neap.signal"
      local http = require "neap.http"
      local function nothing() end
      local task, future, lock, queue = nil, nil, neap.lock(), neap.queue(1)
      local calls = {
        neap.sleep, neap.create_task, neap.call_soon, neap.call_later, neap.gather, neap.wait_for,
        neap.run, neap.future, neap.all_tasks, neap.format_tasks, neap.stats, neap.suspend,
        net.connect, net.listen, net.udp, fs.stat, fs.open, fs.watch, dns.getaddrinfo, process.run,
        process.spawn, signal.wait, signal.on, http.get, neap.testing.virtual_clock,
        function() task:await() end, function() task:cancel() end, function() task:traceback() end,
        function() future:set_result() end, function() lock:acquire() end,
        function() queue:get() end,
        function() neap.run(nothing) end, function() neap.create_task(nothing) end,
        function() neap.call_soon(nothing) end, function() net.listen("127.0.0.1", 0, print) end,
        function() process.spawn { "true" } end, function() fs.open "/etc/passwd" end,
      }
      local phases = {}
      local function trap(phase)
        return setmetatable({}, { __gc = function()
          for _, call in ipairs(calls) do pcall(call) end
          for _, call in ipairs(calls) do pcall(call, 0) end
          phases[#phases + 1] = phase
          if phase == "close" then print(table.concat(phases, " ")) end
        end })
      end
      last = trap "close"
      neap.run(function()
        task, future = neap.create_task(neap.sleep, 0.001), neap.future()
        trap "run"
        collectgarbage()
        collectgarbage()
        neap.sleep(0.002)
      end)
      trap "between"
      collectgarbage()
      collectgarbage()
    ]] }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.code)
    assert.matches("run between close", result.stdout)
  end)

  it("objects of before and after the module's loading find it whole", function()
    local script = [[
      local order = {}
      local function object(name)
        return setmetatable({ name = name }, { __gc = function(self)
          local neap = package.loaded.neap
          order[#order + 1] = self.name .. (neap and tostring(pcall(neap.stats)) or "")
          if #order == 3 then print(table.concat(order, " ")) end
        end })
      end
      a = object "before"
      local neap = require "neap"
      b = object "after"
      c = neap.run(function()
        kept = { neap.create_task(neap.sleep, 0), neap.future(), neap.queue() }
        return object "inside"
      end)
    ]]
    for _, host in ipairs { "neap", "lua5.4" } do
      local code = host == "neap" and script:gsub("neap%.run(%b())", "(%1)()") or script
      local result = process.run { host, "-e", code }
      assert.are.same({ 0, "" }, { result.code, result.stderr })
      assert.matches("inside.* after.* before", result.stdout)
    end
  end)
end)

describe("a hook", function()
  it("may not wait, and says so", in_loop(function()
    local err
    local function hook()
      debug.sethook()
      local _
      _, err = pcall(neap.sleep, 0)
    end
    debug.sethook(hook, "", 1)
    local x = 0
    for i = 1, 10 do x = x + i end
    debug.sethook()
    assert.are.equal("string", type(err))
    assert.are.equal("slept", neap.sleep(0, "slept"))
  end))

  it("may not run another loop", in_loop(function()
    local err
    debug.sethook(function()
      debug.sethook()
      local _
      _, err = pcall(neap.run, neap.sleep, 0)
    end, "", 1)
    local x = 0
    for i = 1, 10 do x = x + i end
    debug.sethook()
    assert.matches("while the loop runs", err, 1, true)
  end))
end)

describe("a loop over lines", function()
  it("that is left in spite of Lua 5.4.4 leaves no descriptor", in_loop(function()
    local fs = require "neap.fs"
    local net = require "neap.net"
    local function descriptors()
      collectgarbage()
      collectgarbage()
      for _ = 1, 5 do neap.sleep(0) end
      return #fs.readdir "/proc/self/fd"
    end
    local server <close> = net.listen("127.0.0.1", 0, function(stream) stream:write "a\nb\n" end)
    local before = descriptors()
    local function first_line(host, port)
      local keep
      -- A loop variable that a closure has: Lua 5.4.4 does not close the iterator at a break.
      for line in net.connect(host, port):lines() do -- luacheck: ignore 512
        keep = function() return line end
        break
      end
      return keep()
    end
    assert.are.equal("a", first_line(server:sockname()))
    repeat until descriptors() == before
  end))
end)

describe("the order of events", function()
  it("does not depend on where objects are in memory", function()
    local script = [[
      local log, objects = {}, {}
      local function note(name) log[#log + 1] = name end
      for i = 1, 50 do
        local lock, event = neap.lock(), neap.event()
        objects[i] = neap.create_task(function()
          local _ <close> = lock:acquire()
          event:wait()
          note(i)
          neap.sleep((i * 7) % 5)
          note(-i)
        end)
        neap.call_soon(event.set, event)
        objects[i]:add_done_callback(function() note("done" .. i) end)
      end
      for task in neap.as_completed(objects) do note(task:get_name()) end
      neap.task_group(function(group)
        for i = 1, 20 do group:create_task(function() neap.sleep(i % 3) note(i) end) end
      end)
      for i = 1, 20 do neap.create_task(function() pcall(neap.sleep, 100) note("end" .. i) end) end
      neap.sleep(0)
      setmetatable(log, { __gc = function() print(table.concat(log, " ")) end })
    ]]
    local first = run(script, "--virtual-clock").stdout
    assert.is_true(#first > 500)
    for _ = 1, 4 do assert.are.equal(first, run(script, "--virtual-clock").stdout) end
  end)
end)
