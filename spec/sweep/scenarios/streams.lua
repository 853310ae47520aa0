-- Connections, servers, datagrams, streams in memory.
local neap = require "neap"
local net = require "neap.net"
local testing = require "neap.testing"

local directory = os.getenv "NEAP_SWEEP_DIR" or "/tmp"

local function echo(stream)
  for line in stream:lines() do stream:write(line, "\n") end
end

local function port_of(server) return select(2, server:sockname()) end

local function listen(handler, options)
  return net.listen("127.0.0.1", 0, handler or echo, options)
end

local function socket_path(name)
  local path = directory .. "/" .. name
  os.remove(path)
  return path
end

--- Where something fails, a datagram is lost.
local function receive(socket) return neap.timeout(0.5, socket.receive, socket) end

local function connections()
  return {
    ["a line there and back"] = function()
      local server <close> = listen()
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      stream:write("hello\n")
      assert(stream:read_line() == "hello")
    end,
    ["a name is looked up"] = function()
      local server <close> = net.listen("localhost", 0, echo)
      local stream <close> = net.connect("localhost", port_of(server))
      stream:write "x\n"
      assert(stream:read_line() == "x")
    end,
    ["on a Unix socket"] = function()
      local path = socket_path "unix"
      local _ <close> = net.listen_unix(path, echo)
      local stream <close> = net.connect_unix(path)
      stream:write "x\n"
      stream:shutdown()
      assert(stream:read_all() == "x\n")
    end,
    ["several at once"] = function()
      local server <close> = listen()
      local function client(i)
        local stream <close> = net.connect("127.0.0.1", port_of(server))
        stream:write(i, "\n")
        return tonumber(stream:read_line())
      end
      local results = neap.gather {
        function() return client(1) end, function() return client(2) end,
        function() return client(3) end, return_exceptions = true }
      assert(results[1] == 1 and results[2] == 2 and results[3] == 3)
    end,
    ["one at a time"] = function()
      local server <close> = listen(echo, { max_connections = 1 })
      for _ = 1, 2 do
        local stream <close> = net.connect("127.0.0.1", port_of(server))
        stream:write "x\n"
        assert(stream:read_line() == "x")
      end
    end,
    ["nobody listens"] = function()
      local port
      do
        local server <close> = listen()
        port = port_of(server)
      end
      local ok, err = pcall(net.connect, "127.0.0.1", port)
      assert(not ok and (err.code == "ECONNREFUSED" or not neap.is(err, neap.OSError)))
    end,
    ["the peer goes away"] = function()
      local server <close> = listen(function(stream) stream:read_line() end)
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      stream:write "bye\n"
      assert(stream:read() == nil)
    end,
    ["a handler fails"] = function()
      local server <close> = listen(function(stream)
        stream:read_line()
        error "failed"
      end)
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      stream:write "x\n"
      assert(stream:read() == nil)
    end,
    ["more than the system buffers"] = function()
      local text = ("x"):rep(1000000)
      local server <close> = listen(function(stream)
        stream:write(text)
        stream:shutdown()
      end)
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      assert(#stream:read_all() == #text)
    end,
    ["exactly, and until"] = function()
      local server <close> = listen(function(stream) stream:write "abcdef;gh" end)
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      assert(stream:read_exactly(3) == "abc" and stream:read_until ";" == "def;")
      local ok, err = pcall(stream.read_exactly, stream, 3)
      assert(not ok and (not neap.is(err, neap.IncompleteReadError) or err.partial == "gh"))
    end,
    ["a read is cancelled"] = function()
      local server <close> = listen()
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      local reader = neap.create_task(stream.read_line, stream)
      neap.sleep(0)
      reader:cancel()
      assert(not pcall(reader.await, reader))
      stream:write "x\n"
      assert(stream:read_line() == "x")
    end,
    ["a stream is closed under its reader"] = function()
      local server <close> = listen()
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      local reader = neap.create_task(stream.read_line, stream)
      neap.sleep(0)
      stream:close()
      assert(not pcall(reader.await, reader))
    end,
    ["serve_forever is cancelled"] = function()
      local server = listen()
      local serving = neap.create_task(server.serve_forever, server)
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      serving:cancel()
      pcall(serving.await, serving)
      assert(stream:read() == nil)
    end,
    ["names and options of a socket"] = function()
      local server <close> = listen()
      local stream <close> = net.connect("127.0.0.1", port_of(server))
      stream:set_nodelay(false)
      assert(select(2, stream:peername()) == port_of(server) and stream:sockname() == "127.0.0.1")
    end,
  }
end

local function datagrams()
  return {
    ["datagrams"] = function()
      local a <close> = net.udp("127.0.0.1", 0)
      local b <close> = net.udp("127.0.0.1", 0)
      a:send("hello", b:sockname())
      local data, _, port = receive(b)
      assert(data == "hello" and port == select(2, a:sockname()))
    end,
    ["datagrams of connected sockets"] = function()
      local a <close> = net.udp("127.0.0.1", 0)
      local b <close> = net.udp("127.0.0.1", 0)
      a:connect(b:sockname())
      for i = 1, 3 do a:send(i) end
      for i = 1, 3 do assert(receive(b) == tostring(i)) end
    end,
    ["a receiver is closed"] = function()
      local socket <close> = net.udp("127.0.0.1", 0)
      local receiver = neap.create_task(socket.receive, socket)
      neap.sleep(0)
      socket:close()
      assert(not pcall(receiver.await, receiver))
    end,
  }
end

local scenarios = {
  ["a stream in memory"] = function()
    local a, b = testing.memory_stream(4)
    local _ <close> = a
    local _ <close> = b
    local writer <close> = neap.create_task(function()
      a:write "more than four\n"
      a:shutdown()
    end)
    assert(b:read_line() == "more than four" and b:read() == nil)
    writer:await()
  end,
  ["a sequence"] = function()
    local seen = testing.sequence()
    neap.create_task(function()
      neap.sleep(1)
      seen:at("one", 1)
    end)
    neap.call_later(2, seen, "two")
    seen:wait(2)
    assert(#seen:take() == 2)
  end,
  ["settled"] = function()
    local n = 0
    for _ = 1, 3 do
      neap.create_task(function()
        neap.sleep(0)
        n = n + 1
      end)
    end
    testing.settle()
    assert(n == 3)
  end,
}

for _, more in ipairs { connections(), datagrams() } do
  for name, scenario in pairs(more) do scenarios[name] = scenario end
end
return scenarios
