-- neap.signal. The signals are real ones, which the spec sends to itself: SIGUSR1 and the like.
local neap = require "neap"
local signal = require "neap.signal"
local in_loop = require "spec.support.loop"
local process = require "spec.support.process"

local insert = table.insert

local pid
do
  local file <close> = assert(io.open "/proc/self/stat")
  pid = file:read "n"
end

local function send(name)
  assert(os.execute(("unset LD_PRELOAD; kill -s %s %d"):format(name:sub(4), pid)))
end

-- What this process does with a signal: "default", "ignored" or "caught".
local function disposition(number)
  local file <close> = assert(io.open "/proc/self/status")
  local text = file:read "a"
  local function has(mask)
    return tonumber(text:match(mask .. ":%s*(%x+)"), 16) >> (number - 1) & 1 == 1
  end
  return has "SigIgn" and "ignored" or has "SigCgt" and "caught" or "default"
end

local SIGUSR1 = 10

describe("signal.wait", function()
  it("waits for one", in_loop(function()
    local task = neap.create_task(signal.wait, "SIGUSR1")
    neap.sleep(0)
    assert.matches("waits in signal SIGUSR1", neap.format_tasks())
    assert.are.equal("caught", disposition(SIGUSR1))
    send "SIGUSR1"
    assert.are.equal("SIGUSR1", task:await())
    assert.are.equal("default", disposition(SIGUSR1))
  end))

  it("waits for the first of several", in_loop(function()
    local task = neap.create_task(signal.wait, "SIGUSR1", "SIGUSR2", "SIGHUP")
    neap.sleep(0)
    send "SIGUSR2"
    assert.are.equal("SIGUSR2", task:await())
  end))

  it("wakes all who wait", in_loop(function()
    local tasks = {}
    for i = 1, 10 do tasks[i] = neap.create_task(signal.wait, "SIGUSR1") end
    neap.sleep(0)
    send "SIGUSR1"
    for _, task in ipairs(tasks) do assert.are.equal("SIGUSR1", task:await()) end
  end))

  it("can be cancelled, and leaves nothing behind", in_loop(function()
    local before = neap.stats().handles
    local task = neap.create_task(signal.wait, "SIGUSR1", "SIGUSR2")
    neap.sleep(0)
    task:cancel()
    neap.sleep(0)
    neap.sleep(0)
    assert.is_true(task:cancelled())
    assert.are.equal("default", disposition(SIGUSR1))
    neap.sleep(0)
    assert.are.equal(before, neap.stats().handles)
  end))

  it("does not hold a virtual clock", in_loop(function()
    local ok, err = pcall(neap.wait_for, signal.wait, 3600, "SIGUSR1")
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.TimeoutError))
    assert.are.equal(3600, neap.time())
  end))

  it("may be all that the main task waits for", function()
    local child <close> = process.start { "neap", "-e", [[
      local signal = require "neap.signal"
      io.stderr:write "ready\n"
      print(signal.wait "SIGTERM")
    ]] }
    child:wait_for "ready"
    child:kill "TERM"
    assert.are.same({ code = 0, stdout = "SIGTERM\n", stderr = "ready\n" }, child:finish())
  end)
end)

describe("signal.on", function()
  it("calls a function each time, outside of tasks", in_loop(function()
    local seen = {}
    local event = neap.event()
    local handler = signal.on("SIGUSR1", function(...)
      insert(seen, { ... })
      assert.is_nil(neap.current_task())
      neap.create_task(function() event:set() end)
    end)
    assert.are.equal("<SignalHandler SIGUSR1>", tostring(handler))
    for _ = 1, 3 do
      event:clear()
      send "SIGUSR1"
      event:wait()
    end
    handler:close()
    handler:close()
    assert.are.equal("<SignalHandler SIGUSR1 closed>", tostring(handler))
    assert.are.same({ { "SIGUSR1" }, { "SIGUSR1" }, { "SIGUSR1" } }, seen)
    assert.are.equal("default", disposition(SIGUSR1))
  end))

  it("stays without a reference to it, and after its run", function()
    local count = 0
    local handler
    in_loop(function()
      handler = setmetatable({ signal.on("SIGUSR1", function() count = count + 1 end) },
        { __mode = "v" })
      collectgarbage()
      collectgarbage()
      assert.is_table(handler)
      assert.is_userdata(handler[1])
      send "SIGUSR1"
      while count == 0 do neap.sleep(0) end
    end)()
    in_loop(function()
      send "SIGUSR1"
      while count == 1 do neap.sleep(0) end
      handler[1]:close()
    end)()
    assert.are.equal(2, count)
    assert.are.equal("default", disposition(SIGUSR1))
  end)

  it("closed before the loop has called it is not called", in_loop(function()
    local called = false
    local handler = signal.on("SIGUSR1", function() called = true end)
    local other = signal.on("SIGUSR1", function() handler:close() end)
    -- The two are called in one pass; libuv tells in the order of their addresses.
    send "SIGUSR1"
    handler:close()
    for _ = 1, 200 do neap.sleep(0) end
    assert.is_false(called)
    other:close()
  end))

  it("an error in the function is reported, and it is called again", in_loop(function(reports)
    local count = 0
    local handler <close> = signal.on("SIGUSR1", function()
      count = count + 1
      error "oops"
    end)
    for i = 1, 2 do
      send "SIGUSR1"
      while count < i do neap.sleep(0) end
    end
    assert.are.equal(2, #reports)
    for i = 1, 2 do
      assert.are.equal("Exception in signal handler", reports[i].message)
      assert.matches("oops$", reports[i].exception)
      reports[i] = nil
    end
    assert.is_userdata(handler)
  end))

  it("cannot wait in the function", in_loop(function(reports)
    local handler <close> = signal.on("SIGUSR1", function() neap.sleep(1) end)
    send "SIGUSR1"
    while #reports == 0 do neap.sleep(0) end
    assert.matches("outside a task: a callback cannot wait", table.remove(reports).exception)
    assert.is_userdata(handler)
  end))

  it("refuses what cannot be handled", in_loop(function()
    for _, name in ipairs { "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL" } do
      local ok, err = pcall(signal.on, name, print)
      assert.is_false(ok)
      assert.matches("bad argument #1 .*cannot be handled", err)
      ok, err = pcall(signal.wait, "SIGUSR1", name)
      assert.is_false(ok)
      assert.matches("bad argument #2 to 'wait' .*cannot be handled", err)
    end
    for _, name in ipairs { "TERM", "sigterm", "", "SIGTERM\0", 0, -1, 65, 1.5, {}, true } do
      assert.is_false(pcall(signal.on, name, print))
      assert.is_false(pcall(signal.wait, name))
    end
    assert.is_false(pcall(signal.on, "SIGUSR1"))
    assert.is_false(pcall(signal.on, "SIGUSR1", 1))
    assert.is_false(pcall(signal.wait))
    assert.are.equal("default", disposition(SIGUSR1))
  end))

  it("needs a loop that runs #plain", function()
    assert.is_false(pcall(signal.on, "SIGUSR1", print))
    assert.is_false(pcall(signal.wait, "SIGUSR1"))
    assert.are.equal("default", disposition(SIGUSR1))
  end)
end)

describe("signal and the program", function()
  -- Ctrl-C is the script's while it handles SIGINT, and the program's again afterwards.
  it("SIGINT is handled, then it cancels the main task again", function()
    local child <close> = process.start { "neap", "-e", [[
      local neap, signal = require "neap", require "neap.signal"
      io.stderr:write "one\n"
      print(signal.wait "SIGINT")
      io.stdout:flush()
      io.stderr:write "two\n"
      print(pcall(neap.sleep, 100))
    ]] }
    child:wait_for "one"
    child:kill "INT"
    child:wait_for "two"
    child:kill "INT"
    assert.are.same({ code = 0, stdout = "SIGINT\nfalse\tCancelledError\n",
      stderr = "one\ntwo\n" }, child:finish())
  end)

  it("SIGQUIT shows the tasks again after it was handled", function()
    local child <close> = process.start { "neap", "-e", [[
      local neap, signal = require "neap", require "neap.signal"
      io.stderr:write "one\n"
      signal.wait "SIGQUIT"
      io.stderr:write "two\n"
      signal.wait "SIGTERM"
    ]] }
    child:wait_for "one"
    child:kill "QUIT"
    child:wait_for "two"
    child:kill "QUIT"
    child:wait_for "waits in signal SIGTERM"
    child:kill "TERM"
    assert.are.equal(0, child:finish().code)
  end)

  it("a state that closes with handlers leaves nothing", function()
    local result = process.run { "neap", "-e", [[
      local neap, signal = require "neap", require "neap.signal"
      signal.on("SIGUSR1", print)
      signal.on("SIGINT", print)
      neap.create_task(signal.wait, "SIGUSR2")
      neap.sleep(0)
    ]] }
    assert.are.same({ code = 0, stdout = "", stderr = "" }, result)
  end)
end)
