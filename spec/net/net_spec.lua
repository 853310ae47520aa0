-- Connections and servers.
local neap = require "neap"
local net = require "neap.net"
local children = require "neap.process"
local in_loop = require "spec.support.loop"
local process = require "spec.support.process"

local BUILD = os.getenv "NEAP_BUILD"

--- Lets libuv have several turns.
local function pause()
  for _ = 1, 200 do neap.sleep(0) end
end

local function fails_with(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(neap.is(err, neap.OSError), tostring(err))
  assert.are.equal(code, err.code)
  return err
end

local function message_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return tostring(err)
end

--- Closes a stream whose peer has written what was not read, so that the system resets it.
local function stop_with_reset(stream)
  pause()
  stream:close()
end

local function echo(stream)
  for line in stream:lines() do stream:write(line, "\n") end
end

describe("net.listen", function()
  it("serves each connection in a task, and closes it when the handler returns", in_loop(function()
    local server = net.listen("127.0.0.1", 0, echo)
    local a, b = net.connect(server:sockname()), net.connect(server:sockname())
    b:write "b\n"
    a:write "a\n"
    assert.are.same({ "a", "b" }, { a:read_line(), b:read_line() })
    a:shutdown()
    assert.is_nil(a:read())
    server:close()
    local closed = neap.create_task(server.wait_closed, server)
    b:write "still\n"
    assert.are.equal("still", b:read_line())
    assert.is_false(closed:done())
    b:close()
    closed:await()
    fails_with("ECONNREFUSED", net.connect, "127.0.0.1", 1)
  end))

  it("an error in a handler is reported and ends that connection alone", in_loop(function(reports)
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      if stream:read_line() == "fail" then error "oops" end
      stream:write "fine"
    end)
    local a, b = net.connect(server:sockname()), net.connect(server:sockname())
    a:write "fail\n"
    assert.is_nil(a:read())
    b:write "go on\n"
    assert.are.equal("fine", b:read_all())
    assert.are.equal(1, #reports)
    assert.are.equal("Exception in the handler of a connection", reports[1].message)
    assert.matches("oops", reports[1].exception)
    reports[1] = nil
  end))

  it("a client that has gone in the middle is not reported; another's error is",
    in_loop(function(reports)
      local seen = {}
      local other <close> = net.listen("127.0.0.1", 0, function(stream) stream:read(1) end)
      local server <close> = net.listen("127.0.0.1", 0, function(stream)
        local _ <close> = setmetatable({}, {
          __close = function(_, err) seen[#seen + 1] = err.code end,
        })
        if stream:read_exactly(1) == "r" then
          stream:write "unread"
          stream:read_all()
        end
        local through = net.connect(other:sockname())
        through:write(("x"):rep(100000))
        through:read()
      end)
      local gone = net.connect(server:sockname())
      gone:write "r"
      stop_with_reset(gone)
      local stays <close> = net.connect(server:sockname())
      stays:write "o"
      assert.is_nil(stays:read())
      server:close()
      server:wait_closed()
      table.sort(seen)
      assert.are.same({ "ECONNRESET", "ECONNRESET" }, seen)
      assert.are.equal(1, #reports)
      assert.matches("handler of a connection", reports[1].message)
      reports[1] = nil
    end))

  it("takes no more than max_connections at a time", in_loop(function()
    local most, now = 0, 0
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      now = now + 1
      most = math.max(most, now)
      stream:read()
      pause()
      now = now - 1
    end, { max_connections = 2 })
    local function client()
      local stream <close> = net.connect(server:sockname())
      stream:write "x"
      return stream:read_all()
    end
    neap.gather(client, client, client, client, client)
    assert.are.equal(2, most)
  end))

  it("at a block's end cancels its connections and waits for their cleanup", in_loop(function()
    local log = {}
    do
      local server <close> = net.listen("127.0.0.1", 0, function(stream)
        log[#log + 1] = tostring(select(2, pcall(stream.read, stream)))
        neap.sleep(1)
        log[#log + 1] = "cleaned up"
      end)
      net.connect(server:sockname())
      pause()
    end
    assert.are.same({ "CancelledError", "cleaned up" }, log)
  end))

  it("at a block's end forgets a connection whose handler has not begun", in_loop(function()
    local begun, stream, closed = 0, nil, neap.event()
    neap.create_task(function()
      do
        local server <close> = net.listen("127.0.0.1", 0, function() begun = begun + 1 end)
        local connecting = neap.create_task(net.connect, server:sockname())
        -- Pass by pass, until it has been accepted and its task waits for its first step.
        for _ = 1, 100000 do
          if tostring(server):find "connections: 1" then break end
          neap.sleep(0)
        end
        stream = connecting
      end
      closed:set()
    end)
    closed:wait()
    assert.are.equal(0, begun)
    stream = stream:await()
    assert.is_nil(stream:read())
    stream:close()
  end))

  it("serve_forever ends when it is closed, and closes when it is cancelled", in_loop(function()
    local server = net.listen("127.0.0.1", 0, echo)
    local serving = neap.create_task(server.serve_forever, server)
    neap.sleep(0)
    server:close()
    serving:await()
    server = net.listen("127.0.0.1", 0, echo)
    serving = neap.create_task(server.serve_forever, server)
    neap.sleep(0)
    local _, port = server:sockname()
    serving:cancel()
    assert.is_false((pcall(serving.await, serving)))
    fails_with("ECONNREFUSED", net.connect, "127.0.0.1", port)
  end))

  it("refuses an address in use, and one that is not the machine's", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, echo)
    local _, port = server:sockname()
    local err = fails_with("EADDRINUSE", net.listen, "127.0.0.1", port, echo)
    assert.matches("127.0.0.1:" .. port, err.message)
    fails_with("EADDRNOTAVAIL", net.listen, "203.0.113.1", 0, echo)
  end))

  it("does not hold a virtual clock while nobody waits for it", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, echo)
    neap.sleep(3600)
    assert.are.equal(3600.0, neap.time())
    local stream <close> = net.connect(server:sockname())
    stream:write "on\n"
    assert.are.equal("on", stream:read_line())
  end))
end)

describe("a server without a host", function()
  for title, host in pairs { ["nil"] = false, ['""'] = "", ['"*"'] = "*" } do
    it("given as " .. title .. " listens on all addresses", in_loop(function()
      local server <close> = net.listen(host or nil, 0, function(stream) stream:write "hello" end)
      local address, port = server:sockname()
      assert.is_true(address == "::" or address == "0.0.0.0", address)
      for _, name in ipairs { "127.0.0.1", "127.0.0.2" } do
        local stream <close> = net.connect(name, port)
        assert.are.equal("hello", stream:read_all())
      end
    end))
  end
end)

describe("net outside a task #plain", function()
  for name, call in pairs {
    connect = function() net.connect("127.0.0.1", 1) end,
    listen = function() net.listen("127.0.0.1", 0, echo) end,
    udp = function() net.udp("127.0.0.1", 0) end,
  } do
    it(name .. " says where it was called", function()
      assert.matches("^spec/net/net_spec.lua:%d+: outside a task", message_of(call))
    end)
  end
end)

describe("net.connect", function()
  it("raises what the system says, with the address", in_loop(function()
    local err = fails_with("ECONNREFUSED", net.connect, "127.0.0.1", 1)
    assert.are.equal("connect", err.syscall)
    assert.are.equal("connect '127.0.0.1:1': connection refused (ECONNREFUSED)", err.message)
  end))

  it("is in the tree of tasks with where to; so is who accepts", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, echo)
    local host, port = server:sockname()
    local connecting = neap.create_task(net.connect, host, port)
    neap.sleep(0)
    assert.matches(("connect to %s:%d"):format(host, port), neap.format_tasks(), 1, true)
    assert.matches(("accept on %s:%d"):format(host, port), neap.format_tasks(), 1, true)
    connecting:await():close()
  end))

  it("is cancelled cleanly", in_loop(function()
    local connecting = neap.create_task(net.connect, "127.0.0.1", 1)
    neap.sleep(0)
    connecting:cancel()
    local ok, err = pcall(connecting.await, connecting)
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.CancelledError))
  end))

  it("looks names up, and tries their addresses in turn", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, echo)
    local stream <close> = net.connect("localhost", select(2, server:sockname()))
    assert.are.equal("127.0.0.1", (stream:peername()))
    fails_with("EAI_NONAME", net.connect, "nonexistent.invalid", 1)
  end))

  it("connects over IPv6", in_loop(function()
    local available, server = pcall(net.listen, "::1", 0, echo)
    if not available then return end -- the machine has no IPv6
    local stream = net.connect("::1", select(2, server:sockname()))
    assert.are.equal("::1", (stream:peername()))
    stream:close()
    server:close()
    server:wait_closed()
  end))

  it("misuse is an argument error", in_loop(function()
    assert.matches("#1 to 'connect' %(string expected, got no value", message_of(net.connect))
    assert.matches("#2 to 'connect' %(a port expected, got 70000",
      message_of(net.connect, "a", 70000))
    assert.matches("no option 'tsl'", message_of(net.connect, "127.0.0.1", 1, { tsl = true }))
    assert.matches("#3 to 'listen' %(function expected", message_of(net.listen, "127.0.0.1", 0))
    assert.matches("'max_connections' of 'listen'",
      message_of(net.listen, "127.0.0.1", 0, print, { max_connections = 0 }))
  end))
end)

describe("options of connections and servers", function()
  it("limit is the longest line of a stream", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      local ok, err = pcall(stream.read_line, stream)
      stream:write(ok and "ok" or neap.is(err, neap.LimitOverrunError) and "overrun" or "?", "\n")
      stream:write(stream:read_line(100), "\n")
    end, { limit = 3 })
    local host, port = server:sockname()
    local stream <close> = net.connect(host, port, { limit = 7 })
    stream:write "1234\n"
    assert.are.equal("overrun", stream:read_line())
    assert.are.equal("1234", stream:read_line())
    local path = os.tmpname()
    os.remove(path)
    local local_server <close> = net.listen_unix(path, echo, { limit = 2 })
    local other <close> = net.connect_unix(path, { limit = 2 })
    other:write "ab\nc"
    assert.are.equal("ab", other:read_line())
    assert.is_not_nil(local_server:sockname())
  end))

  it("reuse_port lets servers share a port, if all say so", in_loop(function()
    local served = {}
    local function serve(name)
      return function(stream)
        served[name] = (served[name] or 0) + 1
        stream:write "x"
      end
    end
    local first <close> = net.listen("127.0.0.1", 0, serve "first", { reuse_port = true })
    local _, port = first:sockname()
    fails_with("EADDRINUSE", net.listen, "127.0.0.1", port, echo)
    local second <close> = net.listen("127.0.0.1", port, serve "second", { reuse_port = true })
    for _ = 1, 64 do
      local stream <close> = net.connect("127.0.0.1", port)
      assert.are.equal("x", stream:read())
    end
    assert.are.equal(64, served.first + served.second)
    second:close()
  end))

  it("family chooses among the addresses of a name", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, echo)
    local _, port = server:sockname()
    local stream <close> = net.connect("localhost", port, { family = "inet" })
    assert.are.equal("127.0.0.1", (stream:peername()))
  end))

  it("of a wrong kind are refused", in_loop(function()
    for option, value in pairs { limit = 0, family = "inet5", happy_eyeballs_delay = -1 } do
      assert.matches("bad option '" .. option .. "' of 'connect'",
        message_of(net.connect, "127.0.0.1", 1, { [option] = value }))
    end
    for option, value in pairs { limit = 1.5, reuse_port = 1, backlog = "x" } do
      assert.matches("bad option '" .. option .. "' of 'listen'",
        message_of(net.listen, "127.0.0.1", 0, echo, { [option] = value }))
    end
    assert.matches("needs an address", message_of(net.udp, nil, nil, { reuse_port = true }))
  end))
end)

describe("peername", function()
  it("is known as long as the stream is open, whoever has gone", in_loop(function()
    local peer = neap.future()
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      stream:read_all()
      stream:shutdown()
      peer:set_result(stream:peername())
    end)
    local stream = net.connect(server:sockname())
    local name = table.pack(stream:sockname())
    stream:shutdown()
    assert.is_nil(stream:read())
    assert.are.same({ server:sockname() }, { stream:peername() })
    assert.are.same(name, table.pack(peer:await()))
    stream:close()
    local problem = select(2, pcall(stream.peername, stream))
    assert.are.equal("EBADF", problem.code)
    assert.are.equal("getpeername", problem.syscall)
  end))
end)

describe("a Unix socket", function()
  it("may have any bytes but NUL in its path", in_loop(function()
    local path = os.tmpname()
    os.remove(path)
    path = path .. "\xff\xfe \n"
    local server <close> = net.listen_unix(path, echo)
    assert.are.equal(path, server:sockname())
    local stream <close> = net.connect_unix(path)
    assert.are.equal(path, stream:peername())
    stream:write "x\n"
    assert.are.equal("x", stream:read_line())
    assert.matches("contains a zero", message_of(net.listen_unix, "a\0b", echo))
  end))

  it("that nobody listens to any more, or that is no socket, is an error", in_loop(function()
    local path = os.tmpname()
    fails_with("ECONNREFUSED", net.connect_unix, path)
    fails_with("EADDRINUSE", net.listen_unix, path, echo)
    os.remove(path)
  end))
end)

describe("net.connect_unix", function()
  it("checks its path", in_loop(function()
    fails_with("ENOENT", net.connect_unix, "/nonexistent/socket")
    assert.matches("too long", message_of(net.connect_unix, ("x"):rep(200)))
    assert.matches("contains a zero", message_of(net.connect_unix, "a\0b"))
    assert.matches("is empty", message_of(net.connect_unix, ""))
    assert.matches("net_spec.lua", message_of(function() net.connect_unix("a\0b") end))
  end))
end)

describe("a connection that breaks", function()
  it("reset by the peer, it is an error to read and to write", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      stream:read_exactly(1)
      -- What is left unread when a socket is closed makes the system reset it.
    end)
    local stream = net.connect(server:sockname())
    stream:write(("x"):rep(100000))
    fails_with("ECONNRESET", stream.read_all, stream)
    fails_with("ECONNRESET", stream.read, stream)
    local ok, err = pcall(function()
      while true do
        stream:write(("x"):rep(100000))
        neap.sleep(0)
      end
    end)
    assert.is_false(ok)
    assert.is_true(err.code == "ECONNRESET" or err.code == "EPIPE", tostring(err))
  end))

  it("what came before it was reset can be read", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      stream:write "before\n"
      stream:read(1)
    end)
    local stream <close> = net.connect(server:sockname())
    assert.are.equal("before", stream:read_line())
    stream:write(("x"):rep(100000))
    fails_with("ECONNRESET", stream.read_line, stream)
  end))

  it("whose peer is killed, ends", in_loop(function()
    local child = children.spawn { BUILD .. "/neap", "-e", [[
      local neap, net = require "neap", require "neap.net"
      local server = net.listen("127.0.0.1", 0, function(stream)
        stream:write "hello\n"
        neap.sleep(60)
      end)
      print(select(2, server:sockname()))
      io.stdout:flush()
      server:serve_forever()]] }
    local stream <close> = net.connect("127.0.0.1", child.stdout:read_line())
    assert.are.equal("hello", stream:read_line())
    local reader = neap.create_task(stream.read, stream)
    child:kill "SIGKILL"
    assert.is_nil(reader:await())
    assert.are.same({ nil, "SIGKILL" }, { child:wait() })
    child:__close()
  end))
end)

describe("the program", function()
  it("is not ended by SIGPIPE", function()
    local result = process.run { "neap", "-e", [[
      local neap, net = require "neap", require "neap.net"
      local server <close> = net.listen("127.0.0.1", 0, function(s) s:close() end)
      local s = net.connect(server:sockname())
      s:read()
      for _ = 1, 10 do
        local ok, err = pcall(s.write, s, "x")
        if not ok then print(err.code) break end
        neap.sleep(0.01)
      end]] }
    assert.are.equal(0, result.code, result.stderr)
    assert.matches("EPIPE", result.stdout)
  end)

  it("ends with connections and servers in every state", function()
    local result = process.run { "neap", "-e", [[
      local neap, net = require "neap", require "neap.net"
      local server = net.listen("127.0.0.1", 0, function(s) s:read_all() end)
      local a, b, c = net.connect(server:sockname()), net.connect(server:sockname()), nil
      neap.create_task(a.read, a)
      neap.create_task(b.write, b, ("x"):rep(10000000))
      neap.create_task(net.connect, server:sockname())
      local m = neap.testing.memory_stream()
      neap.create_task(m.write, m, ("x"):rep(10000000))
      neap.sleep(0.01)
      print "end"]] }
    assert.are.same({ code = 0, stdout = "end\n", stderr = "" }, result)
  end)

  it("accepts again when it has descriptors, whoever came meanwhile", in_loop(function()
    local script = [[
      local neap, net = require "neap", require "neap.net"
      neap.set_exception_handler(function(report) print("report", report.message) end)
      local server = net.listen("127.0.0.1", 0, function(stream)
        pcall(function() -- some clients reset
          for line in stream:lines() do stream:write(line, "\n") end
        end)
      end)
      print(select(2, server:sockname()))
      io.stdout:flush()
      server:serve_forever()]]
    local child = children.spawn { "sh", "-c", 'ulimit -n 24; exec "$0" -e "$1"',
      BUILD .. "/neap", script }
    local port = child.stdout:read_line()
    local streams, served = {}, 0
    for i = 1, 40 do streams[i] = net.connect("127.0.0.1", port) end
    for _, stream in ipairs(streams) do
      -- Some are served; the system has to drop, or keep waiting, those it has no descriptor for.
      if pcall(stream.write, stream, "x\n") and served < 5 then
        assert.are.equal("x", stream:read_line())
        served = served + 1
      end
    end
    assert.are.equal(5, served)
    for _, stream in ipairs(streams) do stream:close() end
    local again
    for _ = 1, 100 do -- until the server has noticed that they are gone
      local stream <close> = net.connect("127.0.0.1", port)
      local ok = pcall(stream.write, stream, "again\n")
      again = ok and select(2, pcall(stream.read_line, stream))
      if again == "again" then break end
    end
    assert.are.equal("again", again)
    child:kill()
    assert.is_nil(child.stdout:read())
    child:__close()
  end))

  it("survives a lack of descriptors, and goes on when there are some", function()
    local result = process.run { "sh", "-c", ([[ulimit -n 40; exec %s/neap -e '
      local neap, net = require "neap", require "neap.net"
      local server = net.listen("127.0.0.1", 0, function(s) s:write "hi" s:read() end)
      local host, port = server:sockname()
      local streams = {}
      for i = 1, 60 do
        local ok, s = pcall(net.connect, host, port)
        if not ok then print(s.code) break end
        streams[#streams + 1] = s
      end
      for _, s in ipairs(streams) do s:close() end
      neap.sleep(0.3)
      local s = net.connect(host, port)
      print(s:read())
    ']]):format(os.getenv "NEAP_BUILD") }
    assert.are.equal("EMFILE\nhi\n", result.stdout, result.stderr)
  end)
end)
