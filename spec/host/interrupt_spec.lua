-- Ctrl-C (SIGINT) and Ctrl-\ (SIGQUIT).
local process = require "spec.support.process"

--- Starts code as the script; it writes "ready" to stderr when it is to be interrupted.
local function start(code, ...)
  local words = { "neap", "-l", "neap", "-e", "function ready() io.stderr:write 'ready\\n' end" }
  table.move({ ... }, 1, select("#", ...), #words + 1, words)
  words[#words + 1] = "-"
  local child = process.start(words, { stdin = code })
  child:wait_for "ready"
  return child
end

-- Shows that the state was closed: the program left by its own way, not by the alarm.
local closes = "closed = setmetatable({}, { __gc = function() print 'closed' end })\n"

--- What is left of it after a Ctrl-C.
local function interrupted(code, ...)
  local child <close> = start(code, ...)
  child:kill "INT"
  return child:finish()
end

local function silent(status, stdout)
  return { code = status, stdout = stdout or "", stderr = "ready\n" }
end

describe("Ctrl-C", function()
  it("R2 cancels the main task, whose cleanup runs and may wait", function()
    assert.are.same(silent(130, "CancelledError\ncleaned up\n"), interrupted [[
      local guard <close> = setmetatable({}, { __close = function(_, err)
        print(err)
        neap.sleep(0.001)
        print "cleaned up"
      end })
      ready()
      neap.sleep(100)
    ]])
  end)

  it("R2 cancels the tasks that are left, too", function()
    assert.are.same(silent(130, "task cleaned up\n"), interrupted [[
      neap.create_task(function()
        local guard <close> = setmetatable({}, { __close = function()
          neap.sleep(0.001)
          print "task cleaned up"
        end })
        neap.sleep(100)
      end)
      neap.sleep(0)
      ready()
      neap.sleep(100)
    ]])
  end)

  it("R2 reaches the task that the main task awaits", function()
    assert.are.same(silent(130, "inner\n"), interrupted [[
      local task = neap.create_task(function()
        ready()
        local ok, err = pcall(neap.sleep, 100)
        print "inner"
        error(err, 0)
      end)
      task:await()
    ]])
  end)

  it("R2 ends with the error that the cleanup raises", function()
    local result = interrupted [[
      ready()
      pcall(neap.sleep, 100)
      error "something else"
    ]]
    assert.are.equal(1, result.code)
    assert.matches("^ready\nneap: stdin:3: something else\n", result.stderr)
  end)

  it("R3 may be swallowed: the status is then the script's", function()
    assert.are.same(silent(0, "false\tCancelledError\n"), interrupted [[
      ready()
      print(pcall(neap.sleep, 100))
    ]])
  end)

  it("R4 a second time ends the program without cleanup", function()
    local child <close> = start(closes .. [[
      local guard <close> = setmetatable({}, { __close = function() print "main" end })
      ready()
      pcall(neap.sleep, 100)
      io.stderr:write "again\n"
      neap.sleep(100)
    ]])
    child:kill "INT"
    child:wait_for "again"
    child:kill "INT"
    assert.are.same({ code = 130, stdout = "closed\n", stderr = "ready\nagain\n" }, child:finish())
  end)

  it("R4 a second time ends the program while tasks that are left clean up", function()
    local child <close> = start(closes .. [[
      neap.create_task(function()
        pcall(neap.sleep, 100)
        io.stderr:write "again\n"
        neap.sleep(100)
      end)
      neap.sleep(0)
      ready()
      neap.sleep(100)
    ]])
    child:kill "INT"
    child:wait_for "again"
    child:kill "INT"
    assert.are.same({ code = 130, stdout = "closed\n", stderr = "ready\nagain\n" }, child:finish())
  end)

  for title, code in pairs {
    ["a loop"] = "while true do end",
    ["a loop in pcall"] = "pcall(function() while true do end end) while true do end",
    ["pcall in a loop"] = "while true do pcall(error) end",
    ["a loop in pcall in a loop"] = "while true do pcall(function() while true do end end) end",
    ["a loop in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
    ["a loop in coroutines made in a loop"] = [[
      while true do
        pcall(coroutine.wrap(function()
          while true do pcall(coroutine.wrap(function() while true do end end)) end
        end))
      end]],
    ["a loop in another task"]
      = "neap.create_task(function() while true do end end) neap.sleep(100)",
    ["a comparator that loops"] = "table.sort({ 1, 2 }, function() while true do end end)",
    ["a loop of sleep(0)"] = "while true do neap.sleep(0) end",
    ["a loop in a <close> handler"] = [[
      local guard <close> = setmetatable({}, { __close = function() while true do end end })
      while true do end]],
  } do
    it("ends a script that never waits: " .. title, function()
      assert.are.same(silent(130), interrupted("ready() " .. code))
    end)
  end

  it("R4 a second time ends a script that never waits", function()
    local child <close> = start [[
      local guard <close> = setmetatable({}, { __close = function()
        io.stderr:write "again\n"
        while true do end
      end })
      ready()
      while true do end
    ]]
    child:kill "INT"
    child:wait_for "again"
    child:kill "INT"
    assert.are.same({ code = 130, stdout = "", stderr = "ready\nagain\n" }, child:finish())
  end)

  it("ends a script on the virtual clock", function()
    assert.are.same(silent(130),
      interrupted("ready() while true do neap.sleep(1) end", "--virtual-clock"))
  end)

  it("ends a blocking read", function()
    local code = "ready() io.popen('exec sleep 1'):read() neap.sleep(100)"
    assert.are.equal(130, interrupted(code).code)
  end)

  it("a third time ends a C function that does not return", function()
    local child <close> = start [[
      ready()
      local text = ("a"):rep(30)
      while true do text:find(("a?"):rep(30) .. text .. "b") end
    ]]
    for _ = 1, 1000 do -- signals that come at once count as one
      if child:ended() then break end
      child:kill "INT"
    end
    assert.are.equal(130, child:finish().code)
  end)

  it("in interactive mode ends the chunk only", function()
    local child <close> = process.start({ "neap", "-i", "-l", "neap" },
      { stdin = "io.stderr:write 'ready\\n' neap.sleep(100)\nprint 'next'\n" })
    child:wait_for "ready"
    child:kill "INT"
    local result = child:finish()
    assert.are.equal(0, result.code)
    assert.are.equal("ready\ninterrupted\n", result.stderr)
    assert.matches("next", result.stdout, 1, true)
  end)
end)

describe("Ctrl-\\", function()
  it("shows the tree of tasks, each with its traceback, and goes on", function()
    local child <close> = start [[
      local function nap() neap.sleep(100) end
      local task = neap.create_task({ name = "sleeper" }, function() nap() return 1 end)
      neap.sleep(0)
      ready()
      pcall(task.await, task)
      print "went on"
    ]]
    child:kill "QUIT"
    child:wait_for "last events"
    child:kill "INT"
    local result = child:finish()
    assert.are.equal(0, result.code)
    assert.are.equal("went on\n", result.stdout)
    assert.matches("neap: 2 tasks", result.stderr, 1, true)
    assert.matches('"sleeper"', result.stderr, 1, true)
    assert.matches("in upvalue 'nap'", result.stderr, 1, true)
  end)

  it("reaches a script that never waits", function()
    local child <close> = start "ready() while true do end"
    child:kill "QUIT"
    child:wait_for "last events"
    child:kill "INT"
    assert.are.equal(130, child:finish().code)
  end)
end)
