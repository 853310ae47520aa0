-- neap.process: real children.
local neap = require "neap"
local fs = require "neap.fs"
local process = require "neap.process"
local in_loop = require "spec.support.loop"
local support = require "spec.support.process"
local with_directory = require "spec.support.temporary"

local run, spawn = process.run, process.spawn

-- A shell is no sanitized program; LD_PRELOAD would make it one.
local function sh(script, options)
  options = options or {}
  options[1], options[2], options[3] = "sh", "-c", script
  options.env = options.env or { PATH = os.getenv "PATH" }
  return options
end

-- Tells that it has begun, and does not end by SIGTERM.
local STUBBORN = "trap '' TERM; echo > ready; while :; do sleep 0.01; done"

local function raises(class, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(neap.is(err, class), tostring(err))
  return err
end

-- Whether a process is there at all, a zombie included.
local function is_there(pid)
  return fs.exists("/proc/" .. pid)
end

local function children()
  return (fs.read_file("/proc/self/task/" .. fs.readlink "/proc/self" .. "/children"))
end

describe("process.run", function()
  it("returns what the program wrote and how it ended", in_loop(function()
    assert.are.same({ code = 0, stdout = "a 1 2.5\n", stderr = "" }, run { "echo", "a", 1, 2.5 })
    assert.are.same({ code = 3, stdout = "out\n", stderr = "err\n" },
      run(sh "echo out; echo err >&2; exit 3"))
    assert.are.same({ signal = "SIGKILL", stdout = "", stderr = "" }, run(sh "kill -9 $$"))
    assert.are.same({ signal = "SIGTERM", stdout = "x", stderr = "" },
      run(sh "printf x; kill -s TERM $$"))
    assert.are.same({ signal = "SIG64", stdout = "", stderr = "" }, run(sh "kill -64 $$"))
  end))

  it("involves no shell", in_loop(function()
    assert.are.equal("$HOME; `id` * 'x' \"y\"\n", run({ "echo", "$HOME; `id` * 'x' \"y\"" }).stdout)
    assert.are.equal("\xff \n\n", run({ "echo", "\xff \n" }).stdout)
    assert.are.equal("\xfe\n",
      run({ "printenv", "A", env = { A = "\xfe", PATH = os.getenv "PATH" } }).stdout)
    assert.are.equal("\n", run({ "echo", "" }).stdout)
  end))

  it("gives it what to read", in_loop(function()
    assert.are.equal("a\0b", run({ "cat", stdin = "a\0b" }).stdout)
    assert.are.equal("", run({ "cat", stdin = "" }).stdout)
    assert.are.equal("", run({ "cat" }).stdout)
  end))

  it("passes more than any pipe holds, in all directions at once", in_loop(function()
    local text = ("0123456789abcde\n"):rep(200000)
    local result = run { "awk", [[{ print; print > "/dev/stderr" }]], stdin = text }
    assert.is_true(result.stdout == text)
    assert.is_true(result.stderr == text)
  end))

  it("a program need not read all that it is given", in_loop(function()
    local text = ("x"):rep(1000000)
    assert.are.same({ code = 0, stdout = "", stderr = "" }, run { "true", stdin = text })
    assert.are.same({ code = 0, stdout = "xxx", stderr = "" }, run { "head", "-c3", stdin = text })
    assert.are.same({ code = 4, stdout = "", stderr = "" },
      run(sh("exec <&-; sleep 0.02; exit 4", { stdin = text })))
  end))

  it("sets environment and directory", with_directory(function(dir)
    assert.are.equal("A=1\nB=x=y\n", run({ "/usr/bin/env", env = { A = 1, B = "x=y" } }).stdout)
    assert.are.equal("", run({ "/usr/bin/env", env = {} }).stdout)
    assert.are.equal(fs.realpath(dir) .. "\n", run({ "pwd", cwd = dir }).stdout)
    assert.matches("PATH=", run({ "env" }).stdout)
  end))

  it("finds the program by the PATH that it gets", with_directory(function(dir)
    fs.write_file(dir .. "/tool", "#!/bin/sh\necho mine\n", { mode = tonumber("755", 8) })
    assert.are.equal("mine\n", run({ "tool", env = { PATH = dir } }).stdout)
    assert.are.equal("mine\n", run({ dir .. "/tool", env = {} }).stdout)
    assert.are.equal("mine\n", run({ "./tool", cwd = dir }).stdout)
  end))

  it("raises if it cannot be started", with_directory(function(dir)
    local function failure(options)
      local err = raises(neap.OSError, run, options)
      return err.code .. " " .. err.syscall
    end
    fs.write_file(dir .. "/plain", "text")
    assert.are.equal("ENOENT spawn", failure { "no-such-program" })
    assert.are.equal("ENOENT spawn", failure { dir .. "/none" })
    assert.are.equal("EACCES spawn", failure { dir .. "/plain" })
    assert.are.equal("EACCES spawn", failure { dir })
    assert.are.equal("ENOENT chdir", failure { "true", cwd = dir .. "/none" })
    assert.are.equal("ENOTDIR chdir", failure { "true", cwd = dir .. "/plain" })
    assert.are.equal("E2BIG spawn", failure { "true", ("x"):rep(200000) })
    assert.are.equal("OSError: spawn 'no-such-program': no such file or directory (ENOENT)",
      tostring(raises(neap.OSError, run, { "no-such-program" })))
    assert.are.equal("", children())
  end))

  it("checks the status if asked to", in_loop(function()
    assert.are.equal("x\n", run({ "echo", "x", check = true }).stdout)
    local err = raises(neap.ProcessError, run,
      sh("echo out; echo err >&2; exit 7", { check = true }))
    assert.are.same({ 7, "out\n", "err\n" }, { err.code, err.stdout, err.stderr })
    assert.is_nil(err.signal)
    assert.are.equal("ProcessError: 'sh' exited with status 7", tostring(err))
    err = raises(neap.ProcessError, run, sh("kill -9 $$", { check = true }))
    assert.are.equal("SIGKILL", err.signal)
    assert.is_nil(err.code)
    assert.are.equal("ProcessError: 'sh' was ended by SIGKILL", tostring(err))
  end))

  it("limits what it takes in", in_loop(function()
    local err = raises(neap.LimitOverrunError, run, { "yes", max_output = 100000 })
    assert.are.equal("LimitOverrunError: 'yes' wrote more than 100000 bytes", tostring(err))
    raises(neap.LimitOverrunError, run, sh("yes >&2", { max_output = 1 }))
    assert.are.equal("12345", run({ "printf", "12345", max_output = 5 }).stdout)
    raises(neap.LimitOverrunError, run, { "printf", "123456", max_output = 5 })
    assert.are.equal("", children())
  end))

  it("sends output elsewhere", with_directory(function(dir)
    local file <close> = fs.open(dir .. "/out", "w+")
    local result = run(sh("echo out; echo err >&2", { stdout = file, stderr = "null" }))
    assert.are.same({ code = 0 }, result)
    assert.are.equal("out\n", fs.read_file(dir .. "/out"))
    file:seek "set"
    assert.are.equal("out\n", run({ "cat", stdin = file }).stdout)
    file:close()
    assert.is_false(pcall(run, { "cat", stdin = file }))
    assert.are.equal("EBADF", raises(neap.OSError, run, { "cat", stdin = 999 }).code)
  end))

  it("children get no other descriptors", with_directory(function(dir)
    local leak = assert(io.open(dir .. "/file", "w"))
    local file <close> = fs.open(dir .. "/file")
    local names = {}
    for name in run({ "ls", "/proc/self/fd" }).stdout:gmatch "%d+" do names[#names + 1] = name end
    leak:close()
    assert.are.same({ "0", "1", "2", "3" }, names) -- 3 is the directory that ls reads
    assert.is_userdata(file)
  end))

  it("children have all signals at their defaults", in_loop(function()
    run { "true", stdin = "x" } -- now this process ignores SIGPIPE
    local status = run({ "cat", "/proc/self/status" }).stdout
    assert.matches("SigBlk:%s*0+\n", status)
    assert.are.equal(0, tonumber(status:match "SigIgn:%s*(%x+)", 16) & 0x1fff)
  end))

  it("runs many at once", in_loop(function()
    local semaphore, tasks = neap.semaphore(16), {}
    for i = 1, 100 do
      tasks[i] = neap.create_task(function()
        local _ <close> = semaphore:acquire()
        return run({ "echo", i }).stdout
      end)
    end
    for i = 1, 100 do assert.are.equal(i .. "\n", tasks[i]:await()) end
    assert.are.equal("", children())
  end))
end)

describe("process.run cancelled", function()
  it("ends the child and waits for that", function()
    local task = neap.create_task(run, { "sleep", "100" })
    neap.sleep(0)
    local pid = assert(children():match "%d+")
    assert.matches("waits in process " .. pid, neap.format_tasks())
    task:cancel "enough"
    local err = raises(neap.CancelledError, task.await, task)
    assert.are.equal("enough", err.message)
    assert.is_false(is_there(pid))
  end)

  it("kills one that does not want to end", function()
    local dir = fs.mkdtemp()
    local task = neap.create_task(run, sh(STUBBORN, { grace = 0.02, cwd = dir }))
    while not fs.exists(dir .. "/ready") do neap.sleep(0.001) end
    fs.unlink(dir .. "/ready")
    fs.rmdir(dir)
    local pid = children():match "%d+"
    task:cancel()
    raises(neap.CancelledError, task.await, task)
    assert.is_false(is_there(pid))
  end)

  it("lets it clean up", with_directory(function(dir)
    local task = neap.create_task(run, sh(
      "trap 'echo done > cleaned; exit' TERM; echo > ready; while :; do sleep 0.01; done",
      { grace = 100, cwd = dir }))
    while not fs.exists(dir .. "/ready") do neap.sleep(0) end
    task:cancel()
    raises(neap.CancelledError, task.await, task)
    assert.are.equal("done\n", fs.read_file(dir .. "/cleaned"))
  end))

  it("a second time kills it at once", with_directory(function(dir)
    local task = neap.create_task(run, sh(STUBBORN, { grace = 1000, cwd = dir }))
    while not fs.exists(dir .. "/ready") do neap.sleep(0) end
    task:cancel()
    for _ = 1, 10 do neap.sleep(0) end
    assert.is_false(task:done())
    task:cancel()
    raises(neap.CancelledError, task.await, task)
    assert.are.equal("", children())
  end))

  it("by a timeout", function()
    raises(neap.TimeoutError, run, { "sleep", "100", timeout = 0.01 })
    raises(neap.TimeoutError, run, { "sleep", "100", timeout = 0.01, grace = 0 })
    raises(neap.TimeoutError, neap.wait_for, run, 0.01, { "sleep", "100" })
    assert.are.equal("", children())
    assert.are.equal("x\n", run({ "echo", "x", timeout = 100 }).stdout)
  end)

  it("at every step leaves nothing", function()
    local before = #fs.readdir "/proc/self/fd"
    local step = 0
    repeat
      local task = neap.create_task(run, { "cat", stdin = "x" })
      for _ = 1, step do neap.sleep(0) end
      task:cancel()
      pcall(task.await, task)
      step = step + 1 + step // 4
    until not task:cancelled() or step > 5000
    neap.sleep(0.001)
    assert.are.equal("", children())
    assert.are.equal(before, #fs.readdir "/proc/self/fd")
  end)
end)

describe("process.spawn", function()
  it("gives streams to a child that runs", in_loop(function()
    local child <close> = spawn { "cat" }
    assert.are.equal("integer", math.type(child.pid))
    assert.are.equal(("<Process %d running>"):format(child.pid), tostring(child))
    child.stdin:write "one\ntwo"
    assert.are.equal("one", child.stdout:read_line())
    child.stdin:close()
    assert.are.equal("two", child.stdout:read_all())
    assert.are.equal("", child.stderr:read_all())
    assert.are.same({ 0 }, { child:wait() })
    assert.are.same({ 0 }, { child:wait() })
    assert.are.equal(("<Process %d exited with 0>"):format(child.pid), tostring(child))
  end))

  it("is named in the tree of tasks by those that wait for its pipes", in_loop(function()
    local child <close> = spawn { "cat" }
    local reader = neap.create_task(child.stdout.read, child.stdout)
    local writer = neap.create_task(child.stdin.write, child.stdin, ("x"):rep(1000000))
    neap.sleep(0)
    local tree = neap.format_tasks()
    assert.matches(("read from stdout of process %d"):format(child.pid), tree, 1, true)
    assert.matches(("write to stdin of process %d"):format(child.pid), tree, 1, true)
    reader:cancel()
    writer:cancel()
  end))

  it("sends signals, until it has ended", in_loop(function()
    local child <close> = spawn { "sleep", "100" }
    assert.is_true(child:kill(0 + 15))
    assert.are.same({ nil, "SIGTERM" }, { child:wait() })
    assert.are.equal(("<Process %d ended by SIGTERM>"):format(child.pid), tostring(child))
    assert.is_false(child:kill())
    local other <close> = spawn { "sleep", "100" }
    for _, name in ipairs { "TERM", "", 0, -1, 65, "SIGNOPE" } do
      assert.is_false(pcall(other.kill, other, name))
    end
    assert.is_true(other:kill "SIGSTOP")
    assert.is_true(other:kill "SIGCONT")
    assert.is_true(other:kill())
    assert.are.same({ nil, "SIGTERM" }, { other:wait() })
  end))

  it("wakes all who wait; a cancelled one leaves the child alone", in_loop(function()
    local child <close> = spawn { "cat" }
    local tasks = {}
    for i = 1, 4 do tasks[i] = neap.create_task(child.wait, child) end
    neap.sleep(0)
    assert.matches("waits in process " .. child.pid, neap.format_tasks())
    tasks[2]:cancel()
    child.stdin:close()
    for _, i in ipairs { 1, 3, 4 } do assert.are.equal(0, tasks[i]:await()) end
    assert.is_true(tasks[2]:cancelled())
  end))

  it("at the end of the block it ends", in_loop(function()
    local pid
    do
      local child <close> = spawn { "sleep", "100" }
      pid = child.pid
      assert.is_true(is_there(pid))
    end
    assert.is_false(is_there(pid))
  end))

  it("an error that leaves the block ends it, too", in_loop(function()
    local pid
    local ok, err = pcall(function()
      local child <close> = spawn { "sleep", "100" }
      pid = child.pid
      error "oops"
    end)
    assert.is_false(ok)
    assert.matches("oops", err)
    assert.is_false(is_there(pid))
  end))

  it("its pipes outlive it", in_loop(function()
    local child <close> = spawn { "echo", "text" }
    child:wait()
    assert.are.equal("text\n", child.stdout:read_all())
  end))

  it("a write to one that has gone is an error, not the end", in_loop(function()
    local child <close> = spawn { "true" }
    child:wait()
    local err = raises(neap.OSError, function()
      for _ = 1, 100 do child.stdin:write(("x"):rep(100000)) end
    end)
    assert.are.equal("EPIPE", err.code)
  end))

  it("without pipes there are no streams", in_loop(function()
    local child <close> = spawn { "cat", stdin = "null", stdout = "null", stderr = "inherit" }
    assert.are.same({}, { child.stdin, child.stdout, child.stderr })
    assert.are.equal(0, child:wait())
  end))

  it("runs on when nobody refers to it, and is reaped", in_loop(function()
    local pid = spawn({ "true" }).pid
    collectgarbage()
    collectgarbage()
    while is_there(pid) do neap.sleep(0) end
    assert.are.equal("", children())
  end))

  it("a missing program leaves nothing", in_loop(function()
    raises(neap.OSError, spawn, { "no-such-program" }) -- libuv keeps one from the first stream on
    local before = #fs.readdir "/proc/self/fd"
    for _ = 1, 200 do raises(neap.OSError, spawn, { "no-such-program" }) end
    neap.sleep(0)
    collectgarbage()
    assert.are.equal(before, #fs.readdir "/proc/self/fd")
    assert.are.equal("", children())
  end))
end)

describe("process arguments", function()
  it("of a wrong kind are refused", in_loop(function()
    local file <close> = fs.open "/dev/null"
    for _, options in ipairs {
      {}, { "" }, { true }, { "a\0b" }, { "true", "a\0b" }, { "true", {} }, { "true", nil, "x" },
      { "true", env = 1 }, { "true", env = { [1] = "x" } }, { "true", env = { ["a=b"] = "x" } },
      { "true", env = { [""] = "x" } }, { "true", env = { A = "x\0" } },
      { "true", env = { A = true } }, { "true", cwd = 1.5 and {} }, { "true", cwd = "a\0" },
      { "true", grace = "x" }, { "true", grace = 0 / 0 }, { "true", stdout = "file" },
      { "true", stdout = io.stdout }, { "true", stderr = true }, { "true", shell = true },
    } do
      for name, fn in pairs { run = run, spawn = spawn } do
        local ok, err = pcall(fn, options)
        assert.is_false(ok)
        assert.matches("bad argument #1 to '" .. name, tostring(err), 1, false, options[1])
      end
    end
    for _, options in ipairs { { timeout = "x" }, { timeout = 0 / 0 }, { max_output = "x" } } do
      options[1] = "true"
      assert.is_false(pcall(run, options))
    end
    assert.is_false(pcall(run))
    assert.is_false(pcall(run, "true"))
    assert.is_false(pcall(spawn, { "true", timeout = 1 }))
    assert.is_userdata(file)
  end))

  it("that are refused are named with where the call was", in_loop(function()
    local running <close> = spawn { "sleep", "60" }
    for what, call in pairs {
      run = function() run {} end,
      spawn = function() local _ = spawn { "true", env = 1 } end,
      kill = function() running:kill "SIGNO" end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.matches("^spec/process/process_spec.lua:%d+: bad argument #1 to '" .. what .. "'", err)
    end
  end))

  it("need a loop that runs #plain", function()
    assert.matches("^spec/.*outside a task: call this inside neap.run",
      select(2, pcall(function() run { "true" } end)))
    assert.is_false(pcall(spawn, { "true" }))
  end)
end)

describe("process at the end", function()
  it("of the run: a child that runs is left", function()
    for _, code in ipairs {
      "process.spawn { 'cat' }",
      "neap.create_task(process.run, { 'sleep', '100' }) neap.sleep(0)",
      "local c = process.spawn { 'cat' }; neap.create_task(c.wait, c) neap.sleep(0)",
      "local c = process.spawn { 'cat' }; neap.create_task(c.stdout.read, c.stdout) neap.sleep(0)",
      "process.spawn { 'cat' } os.exit(0, true)",
      "process.spawn { 'true' } neap.sleep(0.05)",
    } do
      local result = support.run { "neap", "-e",
        "neap = require 'neap' process = require 'neap.process' " .. code }
      assert.are.same({ code = 0, stdout = "", stderr = "" }, result, code)
    end
  end)

  it("Ctrl-C ends the child of a run", function()
    local child <close> = support.start { "neap", "-e", [[
      local neap, process = require "neap", require "neap.process"
      process.run { "sh", "-c", "trap 'echo bye >&2; exit' TERM; echo ready >&2; \
        while :; do sleep 0.01; done", stderr = "inherit" }
    ]] }
    child:wait_for "ready"
    child:kill "INT"
    assert.are.same({ code = 130, stdout = "", stderr = "ready\nbye\n" }, child:finish())
  end)

  it("without descriptors it says so, and works again later", function()
    local result = support.run({ "sh", "-c", 'ulimit -n 40; exec "$NEAP_BUILD/neap" -' }, {
      stdin = [[
        local neap, fs, process = require "neap", require "neap.fs", require "neap.process"
        local files = {}
        repeat
          local ok, file = pcall(fs.open, "/dev/null")
          files[#files + 1] = ok and file or nil
        until not ok
        for _ = 1, 8 do
          local ok, err = pcall(process.run, { "true" })
          print(ok or err.code)
          if not ok then table.remove(files):close() end
        end
        for _, file in ipairs(files) do file:close() end
        print(process.run({ "true" }).code)
      ]],
    })
    assert.matches("^EMFILE\n", result.stdout)
    assert.matches("\ntrue\n0\n$", result.stdout)
    assert.are.equal("", result.stderr)
  end)

  it("a file that is closed is no stdin for a child", in_loop(function()
    local file = fs.open "/dev/null"
    file:close()
    local ok, err = pcall(spawn, { "true", stdin = file })
    assert.is_false(ok)
    assert.matches("closed", tostring(err))
  end))

  it("the state closes while a child runs, or has just ended #plain", function()
    local result = support.run { "neap", "-e", [[
      local process = require "neap.process"
      KEPT = { process.spawn { "sleep", "0.05" }, process.spawn { "true" } }
      require "neap".sleep(0.02)]] }
    assert.are.same({ code = 0, stdout = "", stderr = "" }, result)
  end)
end)
