-- neap.fs.open: files that stay open.
local neap = require "neap"
local fs = require "neap.fs"
local started = require "spec.support.started"
local testing = require "neap.testing"
local with_directory = require "spec.support.temporary"

local insert = table.insert

describe("fs.open", function()
  it("reads piece by piece", with_directory(function(dir)
    fs.write_file(dir .. "/file", "0123456789")
    local file <close> = fs.open(dir .. "/file")
    assert.are.equal("0123", file:read(4))
    assert.are.equal("456789", file:read())
    assert.is_nil(file:read())
    assert.is_nil(file:read(1))
    assert.are.equal("", file:read "a")
    assert.are.equal(7, file:seek("set", 7))
    assert.are.equal("789", file:read "a")
    assert.are.equal(10, file:seek())
    assert.are.equal(8, file:seek("cur", -2))
    assert.are.equal(9, file:seek("end", -1))
    assert.are.equal("9", file:read(math.maxinteger))
  end))

  it("writes in all of Lua's modes", with_directory(function(dir)
    local path = dir .. "/file"
    local function open(mode, ...)
      local file <close> = fs.open(path, mode)
      file:write(...)
    end
    open("w", "one", 2, "\0")
    assert.are.equal("one2\0", fs.read_file(path))
    open("r+", "T")
    assert.are.equal("Tne2\0", fs.read_file(path))
    open("a", "end")
    assert.are.equal("Tne2\0end", fs.read_file(path))
    open("w+b", "")
    assert.are.equal("", fs.read_file(path))
    open("a+", "x")
    open("w", "y", ("z"):rep(1000000))
    assert.are.equal(1000001, fs.stat(path).size)
    open("w")
    assert.are.equal(0, fs.stat(path).size)
    for _, mode in ipairs { "wx", "ax", "w+x" } do
      local ok, err = pcall(fs.open, path, mode)
      assert.is_false(ok)
      assert.are.equal("EEXIST", err.code)
    end
    fs.unlink(path)
    fs.open(path, "wx", tonumber("600", 8)):close()
    assert.are.equal(tonumber("600", 8), fs.stat(path).mode)
  end))

  it("refuses other modes, and permissions that are none", with_directory(function(dir)
    for _, mode in ipairs { "", "x", "rw", "+r", "r+q", " r", "wr" } do
      local ok, err = pcall(fs.open, dir, mode)
      assert.is_false(ok)
      assert.matches("bad argument #2", err)
    end
    assert.is_false(pcall(fs.open, dir, "r", -1))
    assert.is_false(pcall(fs.open, dir, {}))
  end))

  it("raises what the system answers", with_directory(function(dir)
    local file <close> = fs.open("/dev/full", "w")
    local ok, err = pcall(file.write, file, "x")
    assert.is_false(ok)
    assert.are.equal("ENOSPC write 28",
      ("%s %s %d"):format(err.code, err.syscall, err.errno))
    local reader <close> = fs.open "/dev/null"
    ok, err = pcall(reader.write, reader, "x")
    assert.is_false(ok)
    assert.are.equal("EBADF", err.code)
    local directory <close> = fs.open(dir)
    ok, err = pcall(directory.seek, directory, "set", -1)
    assert.is_false(ok)
    assert.are.equal("EINVAL lseek", err.code .. " " .. err.syscall)
    ok, err = pcall(directory.read, directory)
    assert.is_false(ok)
    assert.are.equal("EISDIR", err.code)
  end))

  it("tells its state and its size", with_directory(function(dir)
    local file = fs.open(dir .. "/file", "w")
    assert.are.equal("<File '" .. dir .. "/file'>", tostring(file))
    file:write "12345"
    file:sync()
    assert.are.equal(5, file:stat().size)
    file:close()
    assert.are.equal("<File '" .. dir .. "/file' closed>", tostring(file))
    file:close()
    for _, name in ipairs { "read", "write", "seek", "stat", "sync" } do
      local ok, err = pcall(file[name], file)
      assert.is_false(ok)
      assert.matches("attempt to use a closed file", err)
    end
  end))

  it("checks what it is called on", with_directory(function(dir)
    local file <close> = fs.open(dir)
    for name, method in pairs { read = file.read, write = file.write, close = file.close } do
      assert.is_false(pcall(method), name)
      assert.is_false(pcall(method, 1), name)
      assert.is_false(pcall(method, io.stdout), name)
      assert.is_false(pcall(method, neap.event()), name)
    end
    assert.is_false(pcall(file.read, file, 0))
    assert.is_false(pcall(file.read, file, -1))
    assert.is_false(pcall(file.read, file, "l"))
    assert.is_false(pcall(file.write, file, {}))
    assert.is_false(pcall(file.seek, file, "up"))
  end))
end)

describe("an open file", function()
  -- A fifo keeps an operation in the pool for as long as the test wants.
  local function fifo(dir)
    local path = dir .. "/fifo"
    assert(os.execute("unset LD_PRELOAD; mkfifo " .. path))
    local file = fs.open(path, "r+") -- Linux: does not wait for the other end
    return file, fs.open(path, "r+") -- a reader, too: the bytes have somewhere to go
  end

  it("does one thing at a time, in the order of the calls", with_directory(function(dir)
    testing.shuffle(0)
    local file <close> = fs.open(dir .. "/file", "w+")
    local tasks = {}
    for i = 1, 50 do
      tasks[i] = neap.create_task(file.write, file, i .. " ")
    end
    for _, task in ipairs(tasks) do task:await() end
    file:seek "set"
    local numbers = {}
    for number in file:read("a"):gmatch "%d+" do insert(numbers, tonumber(number)) end
    for i = 1, 50 do assert.are.equal(i, numbers[i]) end
  end))

  it("shows who waits for what", with_directory(function(dir)
    local file, writer <close> = fifo(dir)
    local one, two = started(file.read, file), started(file.read, file)
    local tree = neap.format_tasks()
    assert.matches("waits in file:read '[^']*/fifo'", tree)
    assert.matches("waits in a turn at a file", tree)
    two:cancel()
    writer:write "x"
    assert.are.equal("x", one:await())
    assert.is_true(two:cancelled())
    file:close()
  end))

  it("passes a turn on when its task is cancelled", with_directory(function(dir)
    testing.shuffle(0)
    local file, writer <close> = fifo(dir)
    local tasks = {}
    tasks[1] = neap.create_task(function()
      local text = file:read(1)
      tasks[2]:cancel() -- it has its turn, but has not run yet
      return text
    end)
    for i = 2, 3 do tasks[i] = neap.create_task(file.read, file, 1) end
    neap.sleep(0)
    writer:write "ab"
    assert.are.equal("a", tasks[1]:await())
    assert.are.equal("b", tasks[3]:await())
    assert.is_true(tasks[2]:cancelled())
    file:close()
  end))

  it("closed meanwhile is closed when the operation has ended", with_directory(function(dir)
    local file, writer <close> = fifo(dir)
    local reader, second = started(file.read, file), started(file.read, file)
    file:close()
    local ok, err = pcall(file.read, file)
    assert.is_false(ok)
    assert.matches("closed file", err)
    writer:write "x"
    assert.are.equal("x", reader:await())
    ok, err = pcall(second.await, second)
    assert.is_false(ok)
    assert.matches("closed file", err)
    assert.matches("closed>$", tostring(file))
  end))

  it("leaves a cancelled read to end by itself", with_directory(function(dir)
    local file, writer <close> = fifo(dir)
    local task = neap.create_task(function()
      local _ <close> = file
      file:read()
    end)
    neap.sleep(0)
    task:cancel()
    neap.sleep(0)
    neap.sleep(0)
    assert.is_true(task:cancelled())
    writer:write "x"
    while not tostring(file):find "closed>$" do neap.sleep(0) end
  end))

  it("a pipe without a reader is an error, not the end", with_directory(function(dir)
    local path = dir .. "/fifo"
    assert(os.execute("unset LD_PRELOAD; mkfifo " .. path))
    local reader = fs.open(path, "r+")
    local writer <close> = fs.open(path, "w")
    reader:close()
    local ok, err = pcall(writer.write, writer, "x")
    assert.is_false(ok)
    assert.are.equal("EPIPE write", err.code .. " " .. err.syscall)
  end))

  it("is closed by the collector", with_directory(function(dir)
    local count = #fs.readdir "/proc/self/fd"
    local file = fs.open(dir)
    assert.are.equal(count + 1, #fs.readdir "/proc/self/fd")
    assert.is_userdata(file)
    file = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.are.equal(count, #fs.readdir "/proc/self/fd")
  end))

  it("can be closed outside of tasks, but nothing else", function()
    local file
    with_directory(function(dir) file = fs.open(dir) end)()
    assert.is_false(pcall(file.read, file))
    file:close()
    assert.matches("closed>$", tostring(file))
  end)

  it("its operations take turns, whoever asks", with_directory(function(dir)
    testing.shuffle(0)
    fs.write_file(dir .. "/file", "0123456789")
    local file <close> = fs.open(dir .. "/file", "r+")
    local log, tasks = {}, {}
    for i, operation in ipairs {
      function() return file:read(2) end, function() return file:seek("set", 6) end,
      function() return file:sync() or "synced" end, function() return file:stat().size end,
      function() return file:read(2) end,
    } do
      tasks[i] = neap.create_task(function() insert(log, operation()) end)
    end
    neap.gather(table.unpack(tasks))
    assert.are.same({ "01", 6, "synced", 10, "67" }, log)
  end))

  it("a turn that is given up goes to the next, or waits for who came between", with_directory(
    function(dir)
      testing.shuffle(0)
      fs.write_file(dir .. "/file", "0123456789")
      local file <close> = fs.open(dir .. "/file")
      local waiting, last, between
      local reader = neap.create_task(function()
        local text = file:read(2)
        -- The waiting one has been woken. Somebody is faster, and it is cancelled.
        between = neap.create_task({ eager_start = true }, file.read, file, 2)
        waiting:cancel()
        return text
      end)
      waiting = neap.create_task(file.read, file, 2)
      last = neap.create_task(file.read, file, 2)
      assert.are.same({ "01", "23", "45" }, { reader:await(), between:await(), last:await() })
      assert.is_true(waiting:cancelled())
    end))

  it("is closed where nothing can wait, too", with_directory(function(dir)
    fs.write_file(dir .. "/file", "text")
    local file = fs.open(dir .. "/file")
    local future = neap.future()
    neap.call_soon(function()
      file:close()
      future:set_result(tostring(file))
    end)
    assert.matches("closed>$", future:await())
    assert.is_false(pcall(file.read, file))
  end))
end)
