-- What every stream does, on each of what carries its bytes.
local neap = require "neap"
local net = require "neap.net"
local in_loop = require "spec.support.loop"
local testing = require "neap.testing"

--- Two connected streams, and what closes what they needed.
local function connected(listen, connect)
  local accepted = neap.future()
  local ended = neap.event()
  local server = listen(function(stream)
    accepted:set_result(stream)
    ended:wait()
  end)
  local a = connect(server)
  local b = accepted:await()
  return a, b, function()
    a:close()
    ended:set()
    server:close()
    server:wait_closed()
  end
end

local function unix_path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

local KINDS = {
  memory = function()
    local a, b = testing.memory_stream()
    return a, b, function()
      a:close()
      b:close()
    end
  end,
  tcp = function()
    return connected(function(handler) return net.listen("127.0.0.1", 0, handler) end,
      function(server) return net.connect(server:sockname()) end)
  end,
  unix = function()
    local path = unix_path()
    return connected(function(handler) return net.listen_unix(path, handler) end,
      function() return net.connect_unix(path) end)
  end,
}

--- Lets libuv have several turns. A sleep would not do: whoever waits for a socket holds
--- the virtual clock.
local function pause()
  for _ = 1, 200 do neap.sleep(0) end
end

-- More than the system keeps of what was written and not read.
local MUCH = 16000000

local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function fails(class, fn, ...)
  local err = error_of(fn, ...)
  assert.is_true(neap.is(err, class), tostring(err))
  return err
end

for _, kind in ipairs { "memory", "tcp", "unix" } do
  describe("a stream: " .. kind, function()
    --- body(a, b) with two ends, in a loop.
    local function with(body)
      return in_loop(function(...)
        local a, b, close = KINDS[kind]()
        body(a, b, ...)
        close()
      end)
    end

    it("carries bytes both ways, zero bytes too", with(function(a, b)
      a:write("ab\0c", 1, 2.5)
      b:write("")
      b:write("x")
      assert.are.equal("ab\0c12.5", b:read_exactly(8))
      assert.are.equal("x", a:read())
    end))

    it("read gives what is there, at most max bytes", with(function(a, b)
      a:write "abcdef"
      assert.are.equal("a", b:read(1))
      assert.are.equal("bc", b:read(2))
      assert.are.equal("def", b:read(100))
    end))

    it("read waits for the first bytes only", with(function(a, b)
      local reader = neap.create_task(b.read, b)
      neap.sleep(0)
      assert.is_false(reader:done())
      a:write "x"
      assert.are.equal("x", reader:await())
    end))

    it("read_line takes the end of a line away, \\r too, and not the rest", with(function(a, b)
      a:write("one\ntwo\r\n\n\rthree\r\r\nlast")
      a:shutdown()
      local lines = {}
      for line in b:lines() do lines[#lines + 1] = line end
      assert.are.same({ "one", "two", "", "\rthree\r", "last" }, lines)
      assert.is_nil(b:read_line())
      assert.is_nil(b:read())
    end))

    it("read_until finds a separator that arrives byte by byte", with(function(a, b)
      local reader = neap.create_task(b.read_until, b, "--x")
      for byte in ("-ab---x-rest"):gmatch "." do
        a:write(byte)
        pause()
      end
      assert.are.equal("-ab---x", reader:await())
      assert.are.equal("-rest", b:read_exactly(5))
    end))

    it("read_all reads to the end, however much", with(function(a, b)
      local reader = neap.create_task(b.read_all, b)
      local piece = ("0123456789"):rep(100)
      for _ = 1, 500 do a:write(piece) end
      a:shutdown()
      assert.is_true(piece:rep(500) == reader:await())
      assert.are.equal("", b:read_all())
    end))

    it("IncompleteReadError has what there was", with(function(a, b)
      a:write "abc"
      a:shutdown()
      local err = fails(neap.IncompleteReadError, b.read_exactly, b, 5)
      assert.are.same({ "abc", 5 }, { err.partial, err.expected })
      assert.are.equal("3 bytes of 5", err.message)
    end))

    it("read_until without its separator is an IncompleteReadError", with(function(a, b)
      a:write "abc"
      a:shutdown()
      local err = fails(neap.IncompleteReadError, b.read_until, b, "\n")
      assert.are.equal("abc", err.partial)
      err = fails(neap.IncompleteReadError, b.read_until, b, "\n")
      assert.are.equal("", err.partial)
    end))

    it("LimitOverrunError leaves everything to be read", with(function(a, b)
      a:write("12345\n")
      fails(neap.LimitOverrunError, b.read_line, b, 4)
      fails(neap.LimitOverrunError, b.read_until, b, "\n", 4)
      assert.are.equal("12345", b:read_line(5))
      neap.create_task(function() a:write(("x"):rep(70000)) end)
      fails(neap.LimitOverrunError, b.read_line, b)
      assert.are.equal(70000, #b:read_exactly(70000))
    end))

    it("a cancelled read loses nothing", with(function(a, b)
      a:write "abc"
      local reader = neap.create_task(b.read_exactly, b, 6)
      pause()
      reader:cancel()
      fails(neap.CancelledError, reader.await, reader)
      a:write "def"
      assert.are.equal("abcdef", b:read_exactly(6))
    end))

    it("a second reader is told so", with(function(a, b)
      local reader = neap.create_task(b.read, b)
      neap.sleep(0)
      assert.matches("another task is reading", error_of(b.read_line, b))
      a:write "x"
      assert.are.equal("x", reader:await())
    end))

    it("a writer waits while the other side is slow, and then all arrives", with(function(a, b)
      local writer = neap.create_task(a.write, a, ("x"):rep(MUCH), "y")
      pause()
      assert.is_false(writer:done())
      local data = b:read_exactly(MUCH + 1)
      writer:await()
      assert.are.equal(MUCH + 1, #data)
      assert.are.equal("xy", data:sub(-2))
    end))

    it("writers take turns, in their order", with(function(a, b)
      local letters = { "a", "b", "c" }
      for _, letter in ipairs(letters) do
        neap.create_task(a.write, a, letter:rep(MUCH), "\n")
      end
      for _, letter in ipairs(letters) do
        assert.is_true(b:read_exactly(MUCH + 1) == letter:rep(MUCH) .. "\n")
      end
    end))

    it("a cancelled write closes the stream, whoever else writes", with(function(a, b)
      local writer = neap.create_task(a.write, a, ("x"):rep(MUCH))
      local second = neap.create_task(a.write, a, "y")
      pause()
      writer:cancel()
      fails(neap.CancelledError, writer.await, writer)
      fails(neap.OSError, second.await, second)
      assert.are.equal("ECANCELED", fails(neap.OSError, a.write, a, "z").code)
      pcall(b.read_all, b)
    end))

    it("close ends who reads and who writes with an error", with(function(a, b)
      local reader = neap.create_task(b.read, b)
      local writer = neap.create_task(b.write, b, ("x"):rep(MUCH))
      pause()
      b:close()
      b:close()
      assert.are.equal("EBADF", fails(neap.OSError, reader.await, reader).code)
      fails(neap.OSError, writer.await, writer)
      for _, name in ipairs { "read", "read_all", "read_line", "write", "shutdown" } do
        local argument = name == "write" and "x" or nil
        assert.are.equal("EBADF", fails(neap.OSError, b[name], b, argument).code)
      end
      fails(neap.OSError, b.peername, b)
      a:read_all()
    end))

    it("shutdown says the end, and reading goes on", with(function(a, b)
      a:write "question"
      a:shutdown()
      a:shutdown()
      assert.are.equal("question", b:read_all())
      b:write "answer"
      assert.are.equal("answer", a:read())
      assert.are.equal("EPIPE", fails(neap.OSError, a.write, a, "x").code)
    end))

    it("read(0) is an empty string, at once", with(function(a)
      assert.are.equal("", a:read(0))
    end))

    it("misuse is an argument error", with(function(a)
      assert.matches("#1 to 'read'", error_of(function() a:read(-1) end))
      assert.matches("#1 to 'read_exactly'", error_of(function() a:read_exactly(-1) end))
      assert.matches("the separator is empty", error_of(function() a:read_until "" end))
      assert.matches("#2 to 'write'", error_of(function() a:write("x", {}) end))
      assert.matches("neap.Stream expected", error_of(a.read, 5))
    end))

    it("the tree of tasks says what a reader waits for", with(function(a, b)
      local reader = neap.create_task(b.read, b)
      neap.sleep(0)
      assert.matches("read from", neap.format_tasks())
      a:write "x"
      reader:await()
    end))
  end)
end

describe("a stream in memory", function()
  it("has one reader, also between its wake-up and its turn", in_loop(function()
    local a, b = testing.memory_stream()
    local log = {}
    neap.create_task(function()
      neap.sleep(1)
      b:write "first"
    end)
    local reader = neap.create_task(a.read, a)
    -- Ready in the same pass as the reader, but before it: both wake from b's write.
    local rival = neap.create_task(function()
      while not reader:done() do
        local ok, err = pcall(a.read, a)
        log[#log + 1] = ok and err or tostring(err):match "another task is reading"
        neap.sleep(0.5)
      end
    end)
    assert.are.equal("first", reader:await())
    assert.is_true(#log >= 2)
    for _, entry in ipairs(log) do assert.are.equal("another task is reading", entry) end
    reader = neap.create_task(a.read, a)
    neap.sleep(1)
    b:write "second"
    neap.sleep(0)
    reader:cancel() -- it was woken, and leaves before it runs
    assert.is_false((pcall(reader.await, reader)))
    assert.are.equal("second", a:read())
    rival:await()
  end))

  it("does not keep others from running, however fast it takes what is written",
    in_loop(function()
      local a, b = testing.memory_stream(10000000)
      local ticks = 0
      local ticker = neap.create_task(function()
        while true do
          ticks = ticks + 1
          neap.sleep(0)
        end
      end)
      neap.sleep(0)
      for _ = 1, 1000 do a:write "x" end
      assert.is_true(ticks >= 7, tostring(ticks))
      ticker:cancel()
      a:close()
      assert.are.equal(1000, #b:read_all())
    end))

  it("does not hold a virtual clock, and is not alive by itself", in_loop(function()
    local a, b = testing.memory_stream(3)
    local reader = neap.create_task(b.read_exactly, b, 5)
    local writer = neap.create_task(function()
      neap.sleep(3600)
      a:write "12345"
    end)
    assert.are.equal("12345", reader:await())
    writer:await()
    assert.are.equal(3600.0, neap.time())
    local err = error_of(b.read, b)
    assert.is_true(neap.is(err, neap.DeadlockError))
    assert.matches("read from memory", err.message)
  end))

  it("left open with a reader and a writer, is collected with the state #plain", function()
    neap.run(function()
      local a, b = testing.memory_stream()
      neap.create_task(a.write, a, ("x"):rep(100000))
      neap.create_task(a.read, a)
      pause()
      b:write "x"
    end)
    collectgarbage()
  end)
end)
