-- Names with several addresses: connected to, and listened to.
local neap = require "neap"
local net = require "neap.net"
local fs = require "neap.fs"
local in_loop = require "spec.support.loop"

local function fails_with(code, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(neap.is(err, neap.OSError), tostring(err))
  assert.are.equal(code, err.code)
  return err
end

local function echo(stream)
  for line in stream:lines() do stream:write(line, "\n") end
end

--- Calls body while the resolver answers with these addresses.
local function with_addresses(addresses, body)
  local getaddrinfo = neap.dns.getaddrinfo
  local _ <close> = setmetatable({}, {
    __close = function() neap.dns.getaddrinfo = getaddrinfo end,
  })
  neap.dns.getaddrinfo = function()
    local entries = {}
    for i, address in ipairs(addresses) do entries[i] = { addr = address } end
    return entries
  end
  return body()
end

describe("net.connect to a name with several addresses", function()
  it("goes on to the next when one refuses", in_loop(function()
    local server <close> = net.listen("127.0.0.2", 0, echo)
    local _, port = server:sockname()
    with_addresses({ "127.0.0.1", "127.0.0.2", "127.0.0.3" }, function()
      local stream <close> = net.connect("name", port)
      assert.are.equal("127.0.0.2", (stream:peername()))
    end)
  end))

  it("tells why each of them failed", in_loop(function()
    with_addresses({ "127.0.0.1", "127.0.0.2" }, function()
      local err = fails_with("ECONNREFUSED", net.connect, "name", 1)
      assert.are.equal("connect", err.syscall)
      assert.are.equal(111, err.errno)
      assert.are.equal(2, #err.errors)
      assert.matches("connect 'name:1': no address of 2 answers: connect '127.0.0.1:1': .*; "
        .. "connect '127.0.0.2:1': ", err.message)
    end)
    with_addresses({ "127.0.0.1" }, function()
      local err = fails_with("ECONNREFUSED", net.connect, "name", 1)
      assert.are.equal("connect '127.0.0.1:1': connection refused (ECONNREFUSED)", err.message)
    end)
  end))

  it("takes the families in turn, the first one's first", in_loop(function()
    local order = {}
    with_addresses({ "127.0.0.1", "127.0.0.2", "::2:1", "127.0.0.3" }, function()
      local _, err = pcall(net.connect, "name", 1)
      for i, each in ipairs(err.errors) do order[i] = each.message:match "'(.-):1'" end
    end)
    assert.are.same({ "127.0.0.1", "::2:1", "127.0.0.2", "127.0.0.3" }, order)
  end))

  --- body(port): with a server on 127.0.0.2 and 127.0.0.3 that takes no more connections, so
  --- that they wait, and one on 127.0.0.1 that does. On the real clock: who connects holds the
  --- other.
  local function with_silent_server(body)
    return function()
      local problem
      neap.run(function()
        local silent <close> = with_addresses({ "127.0.0.2", "127.0.0.3" }, function()
          return net.listen("name", 0, function(stream) stream:read() end,
            { backlog = 1, max_connections = 1 })
        end)
        local _, port = silent:sockname()
        local _ <close> = net.listen("127.0.0.1", port, echo)
        local fillers <close> = neap.task_group()
        for i = 1, 12 do
          fillers:create_task(function()
            local _ <close> = net.connect("127.0.0." .. 2 + i % 2, port)
            neap.event():wait()
          end)
          neap.sleep(0.01) -- for the server to take one, which makes room for another
        end
        local ok, err = pcall(body, port)
        fillers:cancel()
        if not ok then problem = err end
      end)
      if problem then error(problem, 0) end
    end
  end

  local function descriptors() return #fs.readdir "/proc/self/fd" end

  it("tries the next as well after a while, and drops who comes late #plain",
    with_silent_server(function(port)
      with_addresses({ "127.0.0.2", "127.0.0.1" }, function()
        local before = descriptors()
        local stream = net.connect("name", port, { happy_eyeballs_delay = 0.01 })
        assert.are.equal("127.0.0.1", (stream:peername()))
        stream:close()
        neap.sleep(0.01)
        assert.are.equal(before, descriptors())
      end)
    end))

  it("or one after the other, if it is told so #plain", with_silent_server(function(port)
    with_addresses({ "127.0.0.2", "127.0.0.1" }, function()
      local connected = neap.move_on_after(0.3, net.connect, "name", port,
        { happy_eyeballs_delay = false })
      assert.is_false(connected)
    end)
  end))

  it("is cancelled with all that it tries #plain", with_silent_server(function(port)
    with_addresses({ "127.0.0.2", "127.0.0.3" }, function()
      local before = descriptors()
      local task = neap.create_task(net.connect, "name", port, { happy_eyeballs_delay = 0.01 })
      neap.sleep(0.05)
      assert.are.equal(before + 2, descriptors())
      task:cancel()
      assert.is_true(neap.is(select(2, pcall(task.await, task)), neap.CancelledError))
      neap.sleep(0.01)
      assert.are.equal(before, descriptors())
    end)
  end))
end)

describe("a server on a name with several addresses", function()
  it("listens on each, on the same port", in_loop(function()
    with_addresses({ "127.0.0.1", "127.0.0.2", "127.0.0.1" }, function()
      local server <close> = net.listen("name", 0, echo, { max_connections = 1 })
      local host, port = server:sockname()
      assert.are.equal("127.0.0.1", host)
      local first = net.connect("127.0.0.1", port)
      first:write "1\n"
      assert.are.equal("1", first:read_line())
      local second <close> = net.connect("127.0.0.2", port)
      second:write "2\n"
      for _ = 1, 100 do neap.sleep(0) end
      assert.matches("connections: 1", tostring(server))
      first:close()
      assert.are.equal("2", second:read_line())
    end)
  end))

  it("does without a family that the machine lacks, but not without all", in_loop(function()
    with_addresses({ "203.0.113.1", "127.0.0.1" }, function()
      local server <close> = net.listen("name", 0, echo)
      assert.are.equal("127.0.0.1", (server:sockname()))
    end)
    with_addresses({ "203.0.113.1", "203.0.113.2" }, function()
      fails_with("EADDRNOTAVAIL", net.listen, "name", 0, echo)
    end)
    local server <close> = net.listen("127.0.0.2", 0, echo)
    with_addresses({ "127.0.0.1", "127.0.0.2" }, function()
      local _, port = server:sockname()
      fails_with("EADDRINUSE", net.listen, "name", port, echo)
      local again <close> = net.listen("127.0.0.1", port, echo) -- nothing was left behind
      assert.is_not_nil(again)
    end)
  end))
end)
