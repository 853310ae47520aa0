-- Numbers at the borders of what can be counted, for every argument that is a time or a size; and
-- strings with a NUL, for every argument that becomes one of C's.
local neap = require "neap"
local dns = require "neap.dns"
local fs = require "neap.fs"
local http = require "neap.http"
local in_loop = require "spec.support.loop"
local net = require "neap.net"
local process = require "neap.process"
local signal = require "neap.signal"
local testing = require "neap.testing"

local forever = math.huge

-- ---- times ----

local times = {
  0, -0.0, -1, -1e308, -math.huge, math.huge, 5e-324, -5e-324, 1e-300, 1e-9, 1e-4, 0.001, 1, 999.5,
  1e6, 1e9, 1e12, 1e15, 9007199254740993, 2.0 ^ 62, 2.0 ^ 63, 2.0 ^ 64, 1e308, math.maxinteger,
  math.mininteger,
}

-- Each waits for as long as it is told.
local waits = {
  sleep = function(delay) neap.sleep(delay) end,
  ["wait_for of a future"] = function(delay) neap.wait_for(neap.future(), delay) end,
  ["wait_for of a function"] = function(delay) neap.wait_for(neap.sleep, delay, forever) end,
  ["timeout of a function"] = function(delay) neap.timeout(delay, neap.sleep, forever) end,
  ["timeout of a block"] = function(delay)
    local _ <close> = neap.timeout(delay)
    neap.sleep(forever)
  end,
  timeout_at = function(delay)
    local _ <close> = neap.timeout_at(neap.time() + delay)
    neap.sleep(forever)
  end,
  reschedule = function(delay)
    local scope <close> = neap.timeout(nil)
    scope:reschedule(neap.time() + delay)
    neap.sleep(forever)
  end,
  move_on_after = function(delay) neap.move_on_after(delay, neap.sleep, forever) end,
  call_later = function(delay)
    local future = neap.future()
    local handle = neap.call_later(delay, future.set_result, future)
    local ok, err = pcall(future.await, future)
    handle:cancel()
    if not ok then error(err, 0) end
  end,
  call_at = function(delay)
    local event = neap.event()
    local handle = neap.call_at(neap.time() + delay, event.set, event)
    local ok, err = pcall(event.wait, event)
    handle:cancel()
    if not ok then error(err, 0) end
  end,
  wait = function(delay) neap.wait({ neap.future() }, { timeout = delay }) end,
  as_completed = function(delay)
    for _ in neap.as_completed({ neap.future() }, { timeout = delay }) do end
  end,
}

describe("every time of", function()
  for name, wait in pairs(waits) do
    it(name .. " is waited for, whatever the number", in_loop(function()
      for _, delay in ipairs(times) do
        local start <const>, long <const> = neap.time(), 1e7
        local task <close> = neap.create_task(wait, delay)
        neap.wait({ task }, { timeout = long })
        local took = neap.time() - start
        local error_value = task:done() and task:exception()
        local due = delay <= 0 and 0 or math.min(delay, long)
        assert.are.same({ delay, delay < long, true },
          { delay, task:done(), math.abs(took - due) < 1e-6 })
        assert.is_true(not error_value or neap.is(error_value, neap.TimeoutError))
      end
      local ok, err = pcall(wait, 0 / 0)
      assert.are.same({ false, "string" }, { ok, type(err) })
    end))
  end

  it("clock:advance is a time to move on by", in_loop(function()
    local clock <close> = testing.virtual_clock()
    for _, seconds in ipairs { 0 / 0, math.huge, -1, -math.huge, 1e300 } do
      assert.is_false(pcall(clock.advance, clock, seconds))
    end
    clock:advance(0)
    assert.are.equal(0, clock:time())
  end))
end)

-- ---- sizes ----

local no_sizes = { -1, math.mininteger, 1.5, 0 / 0, math.huge, -math.huge, "x", {} }
local sizes = { math.maxinteger, 2.0 ^ 31, 2.0 ^ 32, 2.0 ^ 53 }

describe("every size of", function()
  local with_size = {
    semaphore = neap.semaphore,
    bounded_semaphore = neap.bounded_semaphore,
    barrier = neap.barrier,
    queue = neap.queue,
    lifo_queue = neap.lifo_queue,
    priority_queue = neap.priority_queue,
    notify = function(n)
      local condition = neap.condition()
      local _ <close> = condition:acquire()
      condition:notify(n)
    end,
    read = function(n)
      local stream, other = testing.memory_stream()
      other:write "some bytes"
      stream:read(n)
    end,
    read_exactly = function(n)
      local stream, other = testing.memory_stream()
      other:write "some bytes"
      other:close()
      local ok, err = pcall(stream.read_exactly, stream, n)
      if not ok and not neap.is(err, neap.IncompleteReadError) then error(err, 0) end
    end,
    read_until = function(n)
      local stream, other = testing.memory_stream()
      other:write "some bytes."
      stream:read_until(".", n)
    end,
    ["a file's read"] = function(n)
      local file <close> = fs.open "/dev/null"
      file:read(n)
    end,
    ["udp's receive"] = function(n)
      local socket <close> = net.udp("127.0.0.1", 0)
      socket:send("x", socket:sockname())
      socket:receive(n)
    end,
  }
  -- These allocate what they are asked for, or take no size.
  local unbounded = { ["a file's read"] = true, ["udp's receive"] = true }

  for name, fn in pairs(with_size) do
    it(name .. " is a whole number that is not negative", in_loop(function()
      if name ~= "udp's receive" then
        for _, n in ipairs(no_sizes) do
          local ok, err = pcall(fn, n)
          assert.are.same({ tostring(n), false, "string" }, { tostring(n), ok, type(err) })
        end
      end
      for _, n in ipairs(unbounded[name] and {} or sizes) do
        assert.are.same({ n, true }, { n, (pcall(fn, n)) })
      end
      -- Whatever comes of it, it comes back.
      for _, n in ipairs(sizes) do pcall(fn, n) end
    end))
  end

  it("a semaphore does not count beyond the last integer", in_loop(function()
    local semaphore = neap.semaphore(math.maxinteger)
    local ok = pcall(semaphore.release, semaphore)
    assert.is_false(ok)
    assert.is_false(semaphore:locked())
  end))

  it("a write may be nothing, or many pieces", in_loop(function()
    local stream, other = testing.memory_stream()
    stream:write()
    stream:write("", "")
    local pieces = {}
    for i = 1, 3000 do pieces[i] = tostring(i % 10) end
    local task = neap.create_task(other.read_all, other)
    stream:write(table.unpack(pieces))
    stream:shutdown()
    assert.are.equal(table.concat(pieces), task:await())
  end))

  it("a write to the system may be nothing, or many pieces", in_loop(function()
    local pieces = {}
    for i = 1, 3000 do pieces[i] = tostring(i % 10) end -- more than IOV_MAX
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      stream:write()
      stream:write("", "")
      stream:write(table.unpack(pieces))
    end)
    local stream <close> = net.connect(server:sockname())
    assert.are.equal(table.concat(pieces), stream:read_all())
    local path = os.tmpname()
    local file = fs.open(path, "w+")
    file:write()
    file:write(table.unpack(pieces))
    file:close()
    assert.are.equal(table.concat(pieces), fs.read_file(path))
    os.remove(path)
  end))
end)

-- ---- strings ----

local function nothing() end

local function udp(method, ...)
  local socket <close> = net.udp("127.0.0.1", 0)
  socket[method](socket, ...)
end

local URL = "http://127.0.0.1:1/"
local NEW = "/tmp/neap-nul-spec"

local takes_string = {
  ["dns.getaddrinfo"] = dns.getaddrinfo,
  ["dns.getaddrinfo's service"] = function(s) dns.getaddrinfo("127.0.0.1", s) end,
  ["dns.getnameinfo"] = function(s) dns.getnameinfo(s, 1) end,
  ["fs.append_file"] = function(s) fs.append_file(s, "") end,
  ["fs.chmod"] = function(s) fs.chmod(s, 420) end,
  ["fs.copy from"] = function(s) fs.copy(s, NEW) end,
  ["fs.copy to"] = function(s) fs.copy("/etc/passwd", s) end,
  ["fs.exists"] = fs.exists,
  ["fs.lstat"] = fs.lstat,
  ["fs.mkdir"] = fs.mkdir,
  ["fs.mkdtemp"] = fs.mkdtemp,
  ["fs.open"] = fs.open,
  ["fs.read_file"] = fs.read_file,
  ["fs.readdir"] = fs.readdir,
  ["fs.readlink"] = fs.readlink,
  ["fs.realpath"] = fs.realpath,
  ["fs.rename from"] = function(s) fs.rename(s, NEW) end,
  ["fs.rename to"] = function(s) fs.rename(NEW, s) end,
  ["fs.rmdir"] = fs.rmdir,
  ["fs.stat"] = fs.stat,
  ["fs.symlink of"] = function(s) fs.symlink(s, NEW) end,
  ["fs.symlink at"] = function(s) fs.symlink(NEW, s) end,
  ["fs.unlink"] = fs.unlink,
  ["fs.watch"] = fs.watch,
  ["fs.write_file"] = function(s) fs.write_file(s, "") end,
  ["http's URL"] = http.get,
  ["http's path"] = function(s) http.get(URL .. s) end,
  ["http's header"] = function(s) http.get(URL, { headers = { [s] = "x" } }) end,
  ["http's header's value"] = function(s) http.get(URL, { headers = { x = s } }) end,
  ["net.connect"] = function(s) net.connect(s, 1) end,
  ["net.connect_unix"] = net.connect_unix,
  ["net.listen"] = function(s) net.listen(s, 0, nothing) end,
  ["net.listen_unix"] = function(s) net.listen_unix(s, nothing) end,
  ["net.udp"] = function(s) net.udp(s, 0) end,
  ["process's program"] = function(s) process.run { s } end,
  ["process's argument"] = function(s) process.run { "true", s } end,
  ["process's cwd"] = function(s) process.run { "true", cwd = s } end,
  ["process's variable"] = function(s) process.run { "/bin/true", env = { [s] = "x" } } end,
  ["process's value"] = function(s) process.run { "/bin/true", env = { x = s } } end,
  ["signal.on"] = function(s) signal.on(s, nothing) end,
  ["signal.wait"] = signal.wait,
  ["udp:connect"] = function(s) udp("connect", s, 9) end,
  ["udp:send"] = function(s) udp("send", "x", s, 9) end,
}

describe("a NUL", function()
  for name, fn in pairs(takes_string) do
    it("in " .. name .. " is refused, wherever it is", in_loop(function()
      for _, s in ipairs { "\0", "\0/etc/passwd", "/etc/passwd\0", "/etc/pass\0wd",
        "127.0.0.1\0.example", "localhost\0", "SIGTERM\0", "A\0B" } do
        local ok, err = pcall(fn, s)
        assert.are.same({ false, "string" }, { ok, type(err) }, ("%q: %s"):format(s, err))
      end
      assert.is_false(fs.exists(NEW))
    end))
  end

  it("in data is a byte like any other", in_loop(function()
    local path = os.tmpname()
    fs.write_file(path, "a\0b")
    fs.append_file(path, "\0")
    assert.are.equal("a\0b\0", fs.read_file(path))
    os.remove(path)
    assert.are.equal("a\0b", process.run({ "cat", stdin = "a\0b" }).stdout)
    local socket <close> = net.udp("127.0.0.1", 0)
    socket:send("\0x\0", socket:sockname())
    assert.are.equal("\0x\0", (socket:receive()))
  end))
end)
