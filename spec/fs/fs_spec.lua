-- neap.fs: files by their paths, and directories.
local neap = require "neap"
local fs = require "neap.fs"
local in_loop = require "spec.support.loop"
local process = require "spec.support.process"
local with_directory = require "spec.support.temporary"

-- What fn(...) raises: the OSError's code and syscall.
local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(neap.is(err, neap.OSError), tostring(err))
  assert.matches("^OSError: " .. err.syscall .. " '.*%(" .. err.code .. "%)$", tostring(err))
  assert.is_true(err.errno > 0)
  return err.code .. " " .. err.syscall
end

local function octal(digits) return tonumber(digits, 8) end

-- The open descriptors of this process, but for the one that lists them.
local function descriptors()
  return #fs.readdir "/proc/self/fd"
end

describe("fs whole files", function()
  it("are written, read and appended to", with_directory(function(dir)
    local path = dir .. "/file"
    assert.are.equal(0, select("#", fs.write_file(path, "one")))
    assert.are.equal("one", fs.read_file(path))
    fs.append_file(path, "\0two")
    assert.are.equal("one\0two", fs.read_file(path))
    fs.write_file(path, "")
    assert.are.equal("", fs.read_file(path))
    fs.append_file(dir .. "/new", "x")
    assert.are.equal("x", fs.read_file(dir .. "/new"))
  end))

  it("may be larger than any buffer", with_directory(function(dir)
    local data = ("0123456789abcde\n"):rep(300000)
    fs.write_file(dir .. "/big", data)
    assert.is_true(fs.read_file(dir .. "/big") == data)
  end))

  it("may be of a size that the system does not know", in_loop(function()
    assert.matches("^Name:", fs.read_file "/proc/self/status")
    local maps = fs.read_file "/proc/self/smaps" -- more than a page
    assert.is_true(#maps > 4096)
    assert.matches("VmFlags:[^\n]*\n$", maps)
  end))

  it("get permissions when they are made", with_directory(function(dir)
    fs.write_file(dir .. "/a", "", { mode = octal "600" })
    fs.append_file(dir .. "/b", "", { mode = octal "400" })
    assert.are.equal(octal "600", fs.stat(dir .. "/a").mode)
    assert.are.equal(octal "400", fs.stat(dir .. "/b").mode)
  end))

  it("raise what the system answers", with_directory(function(dir)
    assert.are.equal("ENOENT open", failure(fs.read_file, dir .. "/none"))
    assert.are.equal("EISDIR read", failure(fs.read_file, dir))
    assert.are.equal("EISDIR open", failure(fs.write_file, dir, "x"))
    assert.are.equal("ENOTDIR open", failure(fs.read_file, "/dev/null/x"))
    assert.are.equal("ENOSPC write", failure(fs.write_file, "/dev/full", "x"))
    assert.are.equal("ENOSPC write", failure(fs.append_file, "/dev/full", "x"))
    assert.are.equal("ENAMETOOLONG open", failure(fs.read_file, ("x"):rep(5000)))
    fs.symlink("loop", dir .. "/loop")
    assert.are.equal("ELOOP open", failure(fs.read_file, dir .. "/loop"))
  end))

  it("leave no descriptor behind, whatever happens", with_directory(function(dir)
    fs.write_file(dir .. "/file", "x")
    local before = descriptors()
    for _ = 1, 20 do
      fs.read_file(dir .. "/file")
      failure(fs.read_file, dir)
      failure(fs.write_file, "/dev/full", "x")
      failure(fs.write_file, dir .. "/no/file", "x", { atomic = true })
      fs.write_file(dir .. "/file", "y", { atomic = true })
    end
    assert.are.equal(before, descriptors())
  end))

  it("are replaced as a whole", with_directory(function(dir)
    local path = dir .. "/file"
    fs.write_file(path, "first", { atomic = true })
    fs.chmod(path, octal "640")
    local old = fs.stat(path)
    fs.write_file(path, "second", { atomic = true })
    local new = fs.stat(path)
    assert.are.equal("second", fs.read_file(path))
    assert.are_not.equal(old.ino, new.ino)
    assert.are.equal(octal "640", new.mode)
    assert.are.same({ "file" }, fs.readdir(dir))
  end))

  it("stay as they are if they cannot be replaced", with_directory(function(dir)
    fs.mkdir(dir .. "/target")
    fs.write_file(dir .. "/target/file", "x")
    assert.are.equal("EISDIR rename",
      failure(fs.write_file, dir .. "/target", "y", { atomic = true }))
    assert.are.same({ "target" }, fs.readdir(dir))
  end))
end)

describe("fs stat", function()
  it("tells what there is", with_directory(function(dir)
    fs.write_file(dir .. "/file", "12345", { mode = octal "604" })
    fs.symlink("file", dir .. "/link")
    local stat = fs.stat(dir .. "/link")
    assert.are.equal("file", stat.type)
    assert.are.equal(5, stat.size)
    assert.are.equal(octal "604", stat.mode)
    assert.are.equal(1, stat.nlink)
    assert.is_true(math.abs(stat.mtime - os.time()) < 3600)
    for _, field in ipairs { "uid", "gid", "ino", "dev", "blocks" } do
      assert.are.equal("integer", math.type(stat[field]), field)
    end
    for _, field in ipairs { "atime", "ctime", "birthtime" } do
      assert.are.equal("float", math.type(stat[field]), field)
    end
    assert.are.equal("link", fs.lstat(dir .. "/link").type)
    assert.are.equal("directory", fs.stat(dir).type)
    assert.are.equal("char", fs.stat("/dev/null").type)
    assert.are.equal("ENOENT stat", failure(fs.stat, dir .. "/none"))
    assert.are.equal("ENOENT lstat", failure(fs.lstat, dir .. "/none"))
  end))

  it("exists: nothing there is an answer", with_directory(function(dir)
    assert.is_true(fs.exists(dir))
    assert.is_false(fs.exists(dir .. "/none"))
    assert.is_false(fs.exists("/dev/null/none"))
    fs.symlink("none", dir .. "/dangling")
    assert.is_false(fs.exists(dir .. "/dangling"))
    assert.are.equal("ENAMETOOLONG stat", failure(fs.exists, ("x"):rep(5000)))
  end))
end)

describe("fs directories", function()
  it("are made, read and removed", with_directory(function(dir)
    fs.mkdir(dir .. "/b", octal "700")
    fs.mkdir(dir .. "/a", { mode = octal "750" })
    fs.write_file(dir .. "/.hidden", "")
    assert.are.same({ ".hidden", "a", "b" }, fs.readdir(dir))
    assert.are.same({}, fs.readdir(dir .. "/a"))
    assert.are.equal(octal "700", fs.stat(dir .. "/b").mode)
    assert.are.equal(octal "750", fs.stat(dir .. "/a").mode)
    assert.are.equal("EEXIST mkdir", failure(fs.mkdir, dir .. "/a"))
    assert.are.equal("ENOTEMPTY rmdir", failure(fs.rmdir, dir))
    assert.are.equal("ENOTDIR rmdir", failure(fs.rmdir, dir .. "/.hidden"))
    assert.are.equal("ENOTDIR scandir", failure(fs.readdir, dir .. "/.hidden"))
    assert.are.equal("ENOENT scandir", failure(fs.readdir, dir .. "/none"))
    fs.rmdir(dir .. "/a")
    fs.rmdir(dir .. "/b")
    assert.are.same({ ".hidden" }, fs.readdir(dir))
  end))

  it("are made with those above them", with_directory(function(dir)
    local path = dir .. "/a//b/c/"
    assert.are.equal("ENOENT mkdir", failure(fs.mkdir, path))
    fs.mkdir(path, { parents = true })
    fs.mkdir(path, { parents = true })
    assert.are.equal("directory", fs.stat(dir .. "/a/b/c").type)
    fs.write_file(dir .. "/file", "")
    assert.are.equal("EEXIST mkdir", failure(fs.mkdir, dir .. "/file", { parents = true }))
    assert.are.equal("ENOTDIR mkdir", failure(fs.mkdir, dir .. "/file/x", { parents = true }))
    assert.are.equal("ENOENT mkdir", failure(fs.mkdir, "", { parents = true }))
  end))

  it("get new names", with_directory(function(dir)
    local one, two = fs.mkdtemp(dir .. "/x"), fs.mkdtemp(dir .. "/x-XXXXXX")
    assert.matches("^" .. dir:gsub("%p", "%%%0") .. "/x%w%w%w%w%w%w$", one)
    assert.matches("^" .. dir:gsub("%p", "%%%0") .. "/x%-%w%w%w%w%w%w$", two)
    assert.are.equal(octal "700", fs.stat(one).mode)
    assert.are.equal("ENOENT mkdtemp", failure(fs.mkdtemp, dir .. "/none/x"))
  end))
end)

describe("fs names", function()
  it("are changed, copied and removed", with_directory(function(dir)
    local a, b = dir .. "/a", dir .. "/b"
    fs.write_file(a, "text", { mode = octal "640" })
    fs.rename(a, b)
    assert.are.equal("ENOENT rename", failure(fs.rename, a, b))
    fs.copy(b, a)
    assert.are.equal("text", fs.read_file(a))
    assert.are.equal(octal "640", fs.stat(a).mode)
    assert.are.equal("EEXIST copyfile", failure(fs.copy, b, a, { exclusive = true }))
    assert.are.equal("ENOENT copyfile", failure(fs.copy, dir .. "/none", a))
    fs.unlink(b)
    assert.are.equal("ENOENT unlink", failure(fs.unlink, b))
    assert.are.same({ "a" }, fs.readdir(dir))
  end))

  it("may be links", with_directory(function(dir)
    fs.symlink("../elsewhere", dir .. "/link")
    assert.are.equal("../elsewhere", fs.readlink(dir .. "/link"))
    assert.are.equal("EEXIST symlink", failure(fs.symlink, "x", dir .. "/link"))
    assert.are.equal("EINVAL readlink", failure(fs.readlink, dir))
    assert.are.equal("ENOENT realpath", failure(fs.realpath, dir .. "/link"))
    fs.mkdir(dir .. "/x")
    fs.symlink("x", dir .. "/y")
    assert.are.equal(fs.realpath(dir) .. "/x", fs.realpath(dir .. "/y/../y/."))
  end))

  it("chmod", with_directory(function(dir)
    fs.write_file(dir .. "/a", "")
    fs.chmod(dir .. "/a", octal "4711")
    assert.are.equal(octal "4711", fs.stat(dir .. "/a").mode)
    assert.are.equal("ENOENT chmod", failure(fs.chmod, dir .. "/none", 0))
  end))

  it("are any bytes", with_directory(function(dir)
    local name = "\xff\xfe \n\"ä"
    fs.write_file(dir .. "/" .. name, "x")
    assert.are.same({ name }, fs.readdir(dir))
    assert.are.equal("x", fs.read_file(dir .. "/" .. name))
    fs.symlink(name, dir .. "/link")
    assert.are.equal(name, fs.readlink(dir .. "/link"))
    assert.are.equal(fs.realpath(dir) .. "/" .. name, fs.realpath(dir .. "/link"))
    assert.are.equal("ENOENT open", failure(fs.read_file, dir .. "/\xc3"))
  end))
end)

describe("fs arguments", function()
  it("a NUL in a path is none", in_loop(function()
    for name, arguments in pairs {
      read_file = 1, write_file = 1, append_file = 1, open = 1, stat = 1, lstat = 1, readdir = 1,
      mkdir = 1, mkdtemp = 1, rmdir = 1, unlink = 1, rename = 2, copy = 2, symlink = 2,
      readlink = 1, chmod = 1, realpath = 1, exists = 1, watch = 1,
    } do
      for _, path in ipairs { "\0", "a\0", "\0a", "/etc/passwd\0.txt" } do
        for i = 1, arguments do
          local list = { "/tmp/none", "/tmp/none" }
          list[i] = path
          if name == "chmod" then list[2] = 0 end
          if name == "open" then list[2] = nil end
          local ok, err = pcall(fs[name], table.unpack(list))
          assert.is_false(ok, name)
          assert.matches("bad argument #" .. i .. " .*without NUL", err, 1, false, name)
        end
      end
    end
  end))

  it("of a wrong kind are refused", in_loop(function()
    for _, call in ipairs {
      { fs.read_file }, { fs.read_file, {} }, { fs.write_file, "x" }, { fs.write_file, "x", {} },
      { fs.write_file, "x", "y", 1 }, { fs.write_file, "x", "y", { mode = "x" } },
      { fs.write_file, "x", "y", { mode = -1 } }, { fs.mkdir, "x", "y" }, { fs.mkdir, "x", 1e6 },
      { fs.chmod, "x" }, { fs.chmod, "x", -1 }, { fs.chmod, "x", 1 << 12 }, { fs.copy, "x" },
      { fs.copy, "x", "y", true }, { fs.rename, "x" }, { fs.watch },
    } do
      local ok, err = pcall(table.unpack(call))
      assert.is_false(ok)
      assert.matches("bad argument", err)
    end
  end))

  it("a path that is not there is called that", in_loop(function()
    for name, arguments in pairs {
      read_file = {}, stat = {}, open = {}, rename = { "a" }, symlink = { "a" }, unlink = {},
    } do
      local ok, err = pcall(function() fs[name](table.unpack(arguments)) end)
      assert.is_false(ok)
      assert.matches("^spec/fs/.*: bad argument #" .. #arguments + 1
        .. " to '.*' %(string expected, got n", err, 1, false, name)
    end
  end))

  it("need a task #plain", function()
    assert.has_error(function() fs.stat "/" end, "outside a task: call this inside neap.run")
    assert.has_error(function() fs.watch "/" end)
  end)
end)

describe("fs cancellation", function()
  it("lets the task go at once, and the file is closed", with_directory(function(dir)
    local path = dir .. "/fifo"
    assert(os.execute("unset LD_PRELOAD; mkfifo " .. path))
    local before = descriptors()
    local task = neap.create_task(fs.open, path, "r") -- stays in the pool until there is a writer
    neap.sleep(0)
    assert.matches("fs.open '" .. path:gsub("%p", "%%%0"), neap.format_tasks())
    os.execute "unset LD_PRELOAD; sleep 0.01" -- a thread has taken it by now
    task:cancel()
    neap.sleep(0)
    assert.is_true(task:cancelled())
    fs.open(path, "r+"):close()
    while descriptors() > before do neap.sleep(0) end
  end))

  it("in the same instant as the end gives nobody the file", with_directory(function(dir)
    fs.write_file(dir .. "/file", "")
    local before = descriptors()
    for passes = 0, 12 do
      local task = neap.create_task(fs.open, dir .. "/file")
      neap.sleep(0)
      os.execute "unset LD_PRELOAD; sleep 0.002" -- it is open; libuv has not told yet
      for _ = 1, passes do neap.sleep(0) end
      task:cancel()
      pcall(task.await, task)
      if task:cancelled() then
        while descriptors() > before do neap.sleep(0) end
      else
        task:result():close()
      end
    end
    assert.are.equal(before, descriptors())
  end))

  it("keeps what has not begun from beginning", with_directory(function(dir)
    local path = dir .. "/fifo"
    assert(os.execute("unset LD_PRELOAD; mkfifo " .. path))
    local busy = {}
    for i = 1, tonumber(os.getenv "UV_THREADPOOL_SIZE" or 4) do
      busy[i] = neap.create_task({ eager_start = true }, fs.open, path, "r")
    end
    local late = neap.create_task(fs.write_file, dir .. "/late", "x")
    neap.sleep(0)
    late:cancel()
    neap.sleep(0)
    assert.is_true(late:cancelled())
    local _ <close> = assert(io.open(path, "w"))
    for _, task in ipairs(busy) do task:await():close() end
    assert.is_false(fs.exists(dir .. "/late"))
  end))

  it("at every step of a sequence leaves it consistent", with_directory(function(dir)
    local before = descriptors()
    local step = 0
    repeat
      local task = neap.create_task(function()
        local file <close> = fs.open(dir .. "/file", "w+")
        file:write("some", "thing")
        file:seek "set"
        file:read()
        file:sync()
      end)
      for _ = 1, step do neap.sleep(0) end
      task:cancel()
      pcall(task.await, task)
      step = step + 1
    until not task:cancelled() or step == 2000
    while descriptors() > before do neap.sleep(0) end
  end))
end)

describe("fs at the end", function()
  it("a run ends with requests in flight, and the state closes", function()
    for _, code in ipairs {
      "for i = 1, 20 do neap.create_task(fs.read_file, '/etc/passwd') end neap.sleep(0)",
      "for i = 1, 20 do neap.create_task(fs.open, '/etc/passwd') end neap.sleep(0)",
      "for i = 1, 20 do neap.create_task(fs.write_file, '/dev/null', ('x'):rep(1e6)) end "
        .. "neap.sleep(0)",
      "for i = 1, 20 do neap.create_task(fs.readdir, '/etc') end neap.sleep(0)",
      "f = fs.open '/etc/passwd'; for i = 1, 5 do neap.create_task(f.read, f) end neap.sleep(0)",
      "f = fs.open '/etc/passwd'; neap.create_task(f.close, f) neap.sleep(0)",
      "w = fs.watch '/tmp'; neap.create_task(w.next, w) neap.sleep(0)",
      "neap.create_task(fs.read_file, '/etc/passwd') neap.sleep(0) os.exit(0, true)",
      "neap.create_task(fs.read_file, '/etc/passwd') neap.sleep(0) error 'x'",
    } do
      local result = process.run {
        "neap", "-e", "neap = require 'neap' fs = require 'neap.fs' " .. code }
      assert.are.equal("", result.stdout)
      assert.is_nil(result.signal)
      assert.are.equal(code:find "error" and 1 or 0, result.code, code .. "\n" .. result.stderr)
    end
  end)

  it("an interrupted run leaves its requests behind", function()
    local child <close> = process.start { "neap", "-e", [[
      local neap, fs = require "neap", require "neap.fs"
      neap.create_task(function()
        while true do fs.read_file "/etc/passwd" end
      end)
      io.stderr:write "ready\n"
      neap.sleep(100)
    ]] }
    child:wait_for "ready"
    child:kill "INT"
    assert.are.same({ code = 130, stdout = "", stderr = "ready\n" }, child:finish())
  end)

  it("without threads it says so", function()
    local result = process.run({ "setpriv", "--reuid=54321", "--clear-groups", "sh", "-c",
      'ulimit -S -p 0; exec "$NEAP_BUILD/neap" -' }, { stdin = [[
        local neap, fs, dns = require "neap", require "neap.fs", require "neap.dns"
        print(pcall(fs.stat, "/"))
        print(pcall(dns.getaddrinfo, "127.0.0.1"))
        neap.sleep(0)
      ]], env = { ASAN_OPTIONS = "detect_leaks=0" } }) -- which needs a thread, too
    if result.code == 126 or result.code == 127 then
      return pending "needs to be root, and a build that all may read"
    end
    local refused = "false\tOSError: pthread_create: resource temporarily unavailable (EAGAIN)\n"
    assert.are.same({ code = 0, stdout = refused .. refused, stderr = "" }, result)
  end)

  it("without descriptors everything says so, and works again later", function()
    local result = process.run({ "sh", "-c", 'ulimit -n 40; exec "$NEAP_BUILD/neap" -' }, {
      stdin = [[
        local neap, fs = require "neap", require "neap.fs"
        local files = {}
        local ok, err
        repeat
          ok, err = pcall(fs.open, "/dev/null")
          files[#files + 1] = ok and err or nil
        until not ok
        print(err)
        print(pcall(fs.read_file, "/etc/passwd"))
        print(pcall(fs.readdir, "/etc"))
        print(pcall(fs.watch, "/etc"))
        for _, file in ipairs(files) do file:close() end
        print(#fs.read_file "/etc/passwd" > 0)
      ]],
    })
    assert.are.equal("OSError: open '/dev/null': too many open files (EMFILE)\n"
      .. "false\tOSError: open '/etc/passwd': too many open files (EMFILE)\n"
      .. "false\tOSError: scandir '/etc': too many open files (EMFILE)\n"
      .. "false\tOSError: watch '/etc': too many open files (EMFILE)\n"
      .. "true\n", result.stdout)
    assert.are.equal("", result.stderr)
  end)

  it("refuses what are no permissions", in_loop(function()
    for _, mode in ipairs { -1, 4096, 1.5, "x", false, {} } do
      for _, call in ipairs {
        { fs.write_file, "/tmp", "", { mode = mode } },
        { fs.append_file, "/tmp", "", { mode = mode } },
        { fs.mkdir, "/tmp", { mode = mode } },
      } do
        local ok, err = pcall(table.unpack(call, 1, 4))
        assert.is_false(ok)
        assert.matches("bad argument #[23] to '.*' %(mode: not permissions%)", err)
      end
    end
    for _, call in ipairs { { fs.mkdir, "/tmp", -2 }, { fs.mkdir, "/tmp", 4096 },
      { fs.chmod, "/tmp", -1 }, { fs.chmod, "/tmp", 4096 }, { fs.open, "/tmp", "r", -1 },
      { fs.open, "/tmp", "r", 4096 } } do
      local ok, err = pcall(table.unpack(call, 1, 4))
      assert.is_false(ok)
      assert.matches("not permissions", err)
    end
  end))

  it("mkdtemp takes short prefixes, also where $TMPDIR is no place", with_directory(function(dir)
    local path = fs.mkdtemp(dir .. "/XXXXXX")
    assert.matches("^" .. dir:gsub("%p", "%%%0") .. "/......$", path)
    local result = process.run({ "sh", "-c", [[cd "$1" && "$0" -e "$2"]],
      os.getenv "NEAP_BUILD" .. "/neap", dir,
      [[local fs = require "neap.fs" print(fs.mkdtemp "a", (fs.mkdtemp():gsub("......$", "")))]] },
      { env = { TMPDIR = ("/x"):rep(3000) } })
    assert.matches("^a......\t/tmp/neap%-\n$", result.stdout, 1)
  end))

  it("refuses paths with zeros, and options that are no table", in_loop(function()
    for _, call in ipairs { { fs.mkdtemp, "a\0" }, { fs.copy, "a", "b", 1 },
      { fs.write_file, "a", "", 1 }, { fs.watch, "a\0" } } do
      local ok, err = pcall(table.unpack(call, 1, 4))
      assert.is_false(ok)
      assert.matches("bad argument #", err)
    end
  end))
end)
