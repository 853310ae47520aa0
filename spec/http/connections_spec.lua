-- How neap.http's client uses its connections: the sockets are libcurl's, and watched between
-- requests as well.
local http = require "neap.http"
local neap = require "neap"
local net = require "neap.net"

--- A server of keep-alive responses that closes each connection after `most` of them, and says
-- so or not. { url =, connections = } and close().
local function start(most, says_so)
  local server, streams = { connections = 0 }, {}
  local function serve(stream)
    server.connections = server.connections + 1
    streams[server.connections] = stream
    for i = 1, most do
      stream:read_until "\r\n\r\n"
      local close = says_so and i == most and "Connection: close\r\n" or ""
      stream:write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" .. close .. "\r\nok")
    end
  end
  local listener = net.listen("127.0.0.1", 0, function(stream)
    pcall(serve, stream) -- the client may go first
  end)
  server.url = ("http://127.0.0.1:%d/"):format(select(2, listener:sockname()))
  return setmetatable(server, { __close = function()
    listener:close()
    for _, stream in ipairs(streams) do stream:close() end
    listener:wait_closed()
  end })
end

local function echo(stream)
  for line in stream:lines() do stream:write(line, "\n") end
end

--- Requests, and between them connections of neap.net, which get the descriptors that those of
-- the requests had.
local function take_turns(url)
  local listener <close> = net.listen("127.0.0.1", 0, echo)
  for i = 1, 20 do
    assert.are.equal("ok", http.get(url).body)
    local one <close> = net.connect(listener:sockname())
    local other <close> = net.connect(listener:sockname())
    one:write(i, "\n")
    assert.are.equal(tostring(i), one:read_line())
    other:write("x\n")
    assert.are.equal("x", other:read_line())
  end
end

describe("a connection of neap.http", function()
  it("is kept while it can be", function()
    local server <close> = start(100)
    take_turns(server.url)
    assert.are.equal(1, server.connections)
  end)

  it("is closed when the server says so", function()
    local server <close> = start(1, true)
    take_turns(server.url)
    assert.are.equal(20, server.connections)
  end)

  it("is closed when the server does so, between requests", function()
    local server <close> = start(1)
    take_turns(server.url)
    assert.are.equal(20, server.connections)
  end)

  it("is not kept when the server cannot be reached", function()
    local listener = net.listen("127.0.0.1", 0, echo)
    local _, port = listener:sockname()
    listener:close()
    listener:wait_closed()
    local echoes <close> = net.listen("127.0.0.1", 0, echo)
    for _ = 1, 20 do
      local ok, err = pcall(http.get, ("http://127.0.0.1:%d/"):format(port))
      assert.is_false(ok)
      assert.are.equal("ECONNREFUSED", err.code)
      local stream <close> = net.connect(echoes:sockname())
      stream:write "x\n"
      assert.are.equal("x", stream:read_line())
    end
  end)

  it("is closed when its transfer is cancelled", function()
    local server <close> = start(1, true)
    local silent <close> = net.listen("127.0.0.1", 0, function(stream) stream:read_all() end)
    for _ = 1, 20 do
      local ok = neap.move_on_after(0.002, http.get,
        ("http://127.0.0.1:%d/"):format(select(2, silent:sockname())))
      assert.is_false(ok)
      assert.are.equal("ok", http.get(server.url).body)
    end
  end)

  it("many are kept, and their servers go", function()
    local servers = {}
    for i = 1, 40 do servers[i] = start(2) end
    for _ = 1, 2 do
      neap.task_group(function(group)
        for _, server in ipairs(servers) do
          group:create_task(function() assert(http.get(server.url).body == "ok") end)
        end
      end)
    end
    for _, server in ipairs(servers) do
      assert.are.equal(1, server.connections)
      getmetatable(server).__close()
    end
    local server <close> = start(100)
    take_turns(server.url)
  end)
end)
