-- Files, names, processes, signals, the standard streams.
local dns = require "neap.dns"
local fs = require "neap.fs"
local neap = require "neap"
local process = require "neap.process"
local signal = require "neap.signal"
local stdio = require "neap.stdio"

local directory = os.getenv "NEAP_SWEEP_DIR" or "/tmp"

--- The path of a file that is not there.
local function fresh(name)
  local path = directory .. "/" .. name
  os.remove(path)
  return path
end

--- Waits for the loop to look at the system, on any clock.
local function poll() fs.exists(directory) end

local function files()
  return {
    ["a whole file"] = function()
      local path = fresh "whole"
      fs.write_file(path, "one")
      fs.append_file(path, "two")
      assert(fs.read_file(path) == "onetwo")
      fs.unlink(path)
      assert(not fs.exists(path))
    end,
    ["an open file"] = function()
      local path = fresh "open"
      local file <close> = fs.open(path, "w+")
      file:write("abc", "def")
      file:sync()
      assert(file:seek("set", 1) == 1 and file:read(2) == "bc" and file:stat().size == 6)
      assert(file:read "a" == "def")
    end,
    ["a read under way is given up"] = function()
      local path = fresh "given up"
      fs.write_file(path, "text")
      local file <close> = fs.open(path)
      local reader = neap.create_task(file.read, file)
      neap.sleep(0)
      reader:cancel()
      pcall(reader.await, reader)
      assert(file:seek("set", 0) == 0 and file:read() == "text")
    end,
    ["a directory"] = function()
      local dir = fs.mkdtemp(directory .. "/dir-")
      fs.write_file(dir .. "/a", "")
      fs.mkdir(dir .. "/b")
      assert(#fs.readdir(dir) == 2)
      fs.rename(dir .. "/a", dir .. "/c")
      fs.rmdir(dir .. "/b")
      fs.unlink(dir .. "/c")
      fs.rmdir(dir)
    end,
    ["links and modes"] = function()
      local path, link, copy = fresh "file", fresh "link", fresh "copy"
      fs.write_file(path, "text")
      fs.symlink("file", link)
      assert(fs.readlink(link) == "file" and fs.lstat(link).type == "link")
      assert(fs.realpath(link) == fs.realpath(path) and fs.stat(link).size == 4)
      fs.copy(link, copy)
      fs.chmod(copy, tonumber("600", 8))
      assert(fs.read_file(copy) == "text")
    end,
    ["a missing file"] = function()
      local ok, err = pcall(fs.read_file, directory .. "/not there")
      assert(not ok and (err.code == "ENOENT" or not neap.is(err, neap.OSError)))
    end,
    ["watching a directory"] = function()
      local dir = fs.mkdtemp(directory .. "/watched-")
      local watch <close> = fs.watch(dir)
      fs.write_file(dir .. "/a", "x")
      local _, name = watch:next()
      assert(name == "a")
    end,
    ["nobody waits for a watch any more"] = function()
      local watch <close> = fs.watch(directory)
      local waiter = neap.create_task(watch.next, watch)
      neap.sleep(0)
      watch:close()
      pcall(waiter.await, waiter)
    end,
  }
end

local function names()
  return {
    ["an address of a name"] = function()
      assert(dns.getaddrinfo("localhost", 80, { family = "inet" })[1].addr == "127.0.0.1")
    end,
    ["a name of an address"] = function()
      assert(dns.getnameinfo("127.0.0.1", 80, { numeric_host = true }) == "127.0.0.1")
    end,
    ["lookups are given up"] = function()
      local tasks = {}
      for i = 1, 4 do tasks[i] = neap.create_task(dns.getaddrinfo, "localhost") end
      neap.sleep(0)
      for i = 2, 4 do tasks[i]:cancel() end
      tasks[1]:await()
    end,
  }
end

local function children()
  return {
    ["a program runs to its end"] = function()
      local result = process.run { "cat", stdin = "text" }
      assert(result.code == 0 and result.stdout == "text")
    end,
    ["a program that fails"] = function()
      local ok, err = pcall(process.run, { "false", check = true })
      assert(not ok and (not neap.is(err, neap.ProcessError) or err.code == 1))
    end,
    ["a program that is not there"] = function()
      local ok, err = pcall(process.run, { "/not/there" })
      assert(not ok and (err.code == "ENOENT" or not neap.is(err, neap.OSError)))
    end,
    ["talking to a program"] = function()
      local child <close> = process.spawn { "cat", stderr = "null", grace = 0 }
      child.stdin:write "6 * 7\n"
      assert(child.stdout:read_line() == "6 * 7")
      child.stdin:close()
      assert(child:wait() == 0)
    end,
    ["a program is killed"] = function()
      local child <close> = process.spawn { "cat", grace = 0 }
      assert(child:kill "SIGKILL")
      local code, name = child:wait()
      assert(code == nil and name == "SIGKILL")
    end,
    ["a block ends before its program"] = function()
      local child <close> = process.spawn { "cat", stdout = "null", stderr = "null", grace = 0 }
      assert(child.pid > 0)
    end,
    ["a run is cancelled"] = function()
      local run = neap.create_task(process.run, { "cat", stdin = "inherit", grace = 0 })
      poll()
      run:cancel()
      pcall(run.await, run)
    end,
    ["a program writes to a file"] = function()
      local path = fresh "output"
      do
        local file <close> = fs.open(path, "w")
        process.run { "echo", "text", stdout = file, cwd = directory, env = { PATH = "/bin" } }
      end
      assert(fs.read_file(path) == "text\n")
    end,
  }
end

local function send_signal(name) process.run { "kill", "-s", name, _G.sweep_pid } end

local scenarios = {
  ["a signal is waited for"] = function()
    local waiter = neap.create_task(signal.wait, "SIGUSR1", "SIGUSR2")
    neap.testing.settle()
    send_signal "USR2"
    assert(waiter:await() == "SIGUSR2")
  end,
  ["a signal is handled"] = function()
    local came = neap.event()
    local _ <close> = signal.on("SIGUSR1", function() came:set() end)
    send_signal "USR1"
    came:wait()
  end,
  ["waiting for a signal is given up"] = function()
    local waiter = neap.create_task(signal.wait, "SIGUSR1")
    neap.sleep(0)
    waiter:cancel()
    pcall(waiter.await, waiter)
  end,
  ["writing to the standard output"] = function()
    stdio.stdout:write "" -- which is /dev/null
    stdio.stdout:write("text", "\n")
  end,
  ["reading the standard input"] = function()
    assert(stdio.stdin:read() == nil)
  end,
}

for _, more in ipairs { files(), names(), children() } do
  for name, scenario in pairs(more) do scenarios[name] = scenario end
end
return scenarios
