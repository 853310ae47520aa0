-- A task that waits for the one job that is ready is not left for it (ARCHITECTURE.md, "Waiting
-- without leaving"). Nobody may be able to tell: what follows is asyncio's order of events, with
-- one ready task or with many.
local neap = require "neap"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local process = require "spec.support.process"

--- Runs `program(note)` in a task, alone or beside a task that is always ready, and returns
--- what it noted.
local function noted(program, beside)
  local log, others = {}, true
  if beside then
    neap.create_task(function()
      while others do neap.sleep(0) end
    end)
  end
  neap.wait { neap.create_task(program, function(text) log[#log + 1] = text end) }
  others = false
  return table.concat(log, ", ")
end

local programs = {
  ["an awaited task that returns at once"] = {
    "in, out 1 2",
    function(note)
      local a, b = neap.create_task(function() note "in" return 1, 2 end):await()
      note("out " .. a .. " " .. b)
    end,
  },
  ["what an awaited task makes ready goes first"] = {
    "child ends, grandchild, parent",
    function(note)
      local task = neap.create_task(function()
        neap.create_task(note, "grandchild")
        note "child ends"
      end)
      task:await()
      note "parent"
    end,
  },
  ["what a child calls soon is called before its parent goes on"] = {
    "child, soon, parent",
    function(note)
      local task = neap.create_task(function()
        neap.call_soon(note, "soon")
        note "child"
      end)
      task:await()
      note "parent"
    end,
  },
  ["an error reaches the awaiter"] = {
    "raises, boom",
    function(note)
      local task = neap.create_task(function() note "raises" error("boom", 0) end)
      note(select(2, pcall(task.await, task)))
    end,
  },
  ["an awaited task that cancels its awaiter is cancelled in its stead"] = {
    "cancels, child cancelled, parent cancelled",
    function(note)
      local parent = neap.current_task()
      local task = neap.create_task(function()
        note "cancels"
        parent:cancel()
        local ok = pcall(neap.sleep, 1)
        note(ok and "child slept" or "child cancelled")
        error(neap.CancelledError())
      end)
      local ok, err = pcall(task.await, task)
      note(not ok and neap.is(err, neap.CancelledError) and "parent cancelled" or "parent went on")
    end,
  },
  ["a cancellation in the instant in which the wait is over wins"] = {
    "sets and cancels, cancelled",
    function(note)
      local parent, event = neap.current_task(), neap.event()
      neap.create_task(function()
        note "sets and cancels"
        event:set()
        parent:cancel()
      end)
      local ok, err = pcall(event.wait, event)
      note(not ok and neap.is(err, neap.CancelledError) and "cancelled" or "went on")
    end,
  },
  ["a queue of one is handed over turn by turn"] = {
    "put 1, got 1, put 2, got 2, put 3, got 3",
    function(note)
      local queue = neap.queue(1)
      local producer = neap.create_task(function()
        for i = 1, 3 do
          queue:put(i)
          note("put " .. i)
        end
      end)
      for _ = 1, 3 do note("got " .. queue:get()) end
      producer:await()
    end,
  },
  ["sleep(0) with nobody else"] = {
    "1, 2, 3",
    function(note)
      for i = 1, 3 do
        note(i)
        neap.sleep(0)
      end
    end,
  },
  ["a timeout around a task that is in time, and around one that is not"] = {
    "in time, out of time at 1.0",
    function(note)
      note(neap.wait_for(neap.create_task(function() return "in time" end), 1))
      local began = neap.time()
      local task = neap.create_task(neap.sleep, 2)
      local ok, err = pcall(neap.wait_for, task, 1)
      assert(not ok and neap.is(err, neap.TimeoutError))
      note("out of time at " .. neap.time() - began)
    end,
  },
}

-- With another task that is always ready a virtual clock stands still.
local needs_time = {
  ["a timeout around a task that is in time, and around one that is not"] = true,
}

describe("a wait for what is ready", function()
  for name, program in pairs(programs) do
    it("alone: " .. name, in_order(function()
      assert.are.equal(program[1], noted(program[2]))
    end))
    if not needs_time[name] then
      it("beside others: " .. name, in_order(function()
        assert.are.equal(program[1], noted(program[2], true))
      end))
    end
  end

  it("counts steps and passes as a wait that leaves", in_loop(function()
    local before = neap.stats()
    for _ = 1, 100 do neap.create_task(function() end):await() end
    local after = neap.stats()
    assert.are.equal(200, after.steps - before.steps)
    assert.are.equal(200, after.passes - before.passes)
  end))

  it("does not nest: chains of tasks may be long", in_loop(function()
    local function chain(n)
      if n == 0 then return 0 end
      return 1 + neap.create_task(chain, n - 1):await()
    end
    assert.are.equal(20000, neap.create_task(chain, 20000):await())
  end))

  it("shows the awaiter as one that waits", in_loop(function()
    local seen
    local task = neap.create_task({ name = "child" }, function()
      seen = neap.format_tasks()
    end)
    task:await()
    assert.matches("await", seen)
    assert.matches("child", seen)
  end))
end)

--- What the program prints and its exit code.
local function run(code)
  local result = process.run({ "neap", "-l", "neap", "-" }, { stdin = code })
  return { result.code, result.stdout, result.stderr }
end

describe("a program that only awaits tasks that return at once", function()
  it("lets timers have their turn", function()
    assert.are.same({ 0, "timer\n", "" }, run [[
      local rung = false
      neap.call_later(0.01, function() rung = true print "timer" end)
      while not rung do neap.create_task(function() end):await() end
    ]])
  end)

  it("lets signals, and what comes in, have their turn", function()
    assert.are.same({ 0, "caught\nread x\n", "" }, run [[
      local caught, line = false
      local handler = neap.signal.on("SIGUSR1", function() caught = true end)
      local child = neap.process.spawn { "sh", "-c", "kill -USR1 $PPID; echo x", stdout = "pipe" }
      neap.create_task(function() line = child.stdout:read_line() end)
      while not caught do neap.create_task(function() end):await() end
      print "caught"
      while not line do neap.create_task(function() end):await() end
      print("read " .. line)
      child:wait()
      handler:close()
    ]])
  end)

  it("ends with the pass that the end of its main task would have had", function()
    assert.are.same({ 0, "TimeoutError\n", "" }, run [[
      local queue = neap.queue()
      neap.create_task(function()
        queue:put_nowait(0)
        local _, err = pcall(function()
          for _ in neap.as_completed({ neap.future() }, { timeout = 0 }) do end
        end)
        print(err)
      end)
      queue:get()
    ]])
  end)

  it("can be ended by os.exit in one of them", function()
    assert.are.same({ 7, "exits\n", "" }, run [[
      neap.create_task(function() print "exits" os.exit(7) end):await()
      print "not reached"
    ]])
  end)

  it("can be cancelled by Ctrl-C", function()
    local child <close> = process.start({ "neap", "-l", "neap", "-" }, { stdin = [[
      local guard <close> = setmetatable({}, { __close = function(_, err) print(err) end })
      io.stderr:write "ready\n"
      while true do neap.create_task(function() end):await() end
    ]] })
    child:wait_for "ready"
    child:kill "INT"
    assert.are.same({ code = 130, stdout = "CancelledError\n", stderr = "ready\n" }, child:finish())
  end)
end)
