-- TLS whose bytes come one by one, end anywhere, or are nobody's any more.
local certificates = require "spec.support.certificates"
local http = require "neap.http"
local in_loop = require "spec.support.loop"
local neap = require "neap"
local net = require "neap.net"
local tls = require "neap.tls"

local WORDS = { "first", "second", "third" } -- a record each

local function serve()
  local files = certificates()
  return tls.listen("127.0.0.1", 0, function(stream)
    pcall(function()
      for _, word in ipairs(WORDS) do
        stream:write(word, "\n")
        neap.sleep(0)
      end
      stream:shutdown()
      stream:read_all()
    end)
  end, { cert_file = files.server, key_file = files.key })
end

--- A server that passes bytes on: relay(data, to, from_server) for each piece.
local function proxy_to(server, relay)
  local _, port = server:sockname()
  return net.listen("127.0.0.1", 0, function(stream)
    pcall(function()
      local behind <close> = net.connect("127.0.0.1", port)
      local _ <close> = neap.create_task(pcall, function()
        for data in function() return stream:read() end do relay(data, behind, false) end
        behind:shutdown()
      end)
      for data in function() return behind:read() end do relay(data, stream, true) end
      stream:shutdown()
      stream:read_all()
    end)
  end)
end

local function read_through(proxy)
  local _, port = proxy:sockname()
  local stream <close> = tls.connect("localhost", port, { ca_file = certificates().ca })
  return stream:read_all()
end

local ALL = table.concat(WORDS, "\n") .. "\n"

describe("a stream behind TLS", function()
  it("that comes byte by byte is the same", in_loop(function()
    local server <close> = serve()
    local proxy <close> = proxy_to(server, function(data, to)
      for i = 1, #data do to:write(data:sub(i, i)) end
    end)
    assert.are.equal(ALL, read_through(proxy))
  end))

  it("cut off at any byte is an error, and never the end", in_loop(function()
    local server <close> = serve()
    local total, limit = 0, math.maxinteger
    local proxy <close> = proxy_to(server, function(data, to, from_server)
      if from_server then
        data = data:sub(1, math.max(0, limit - total))
        total = total + #data
        if total >= limit then
          to:write(data)
          error "cut off"
        end
      end
      to:write(data)
    end)
    assert.are.equal(ALL, read_through(proxy))
    local whole = total
    assert.is_true(whole > 500)
    -- Through the handshake in steps; through the records that follow it, each byte.
    local cuts = {}
    for n = 0, whole - 150, 97 do cuts[#cuts + 1] = n end
    for n = whole - 140, whole - 1, 5 do cuts[#cuts + 1] = n end
    for _, n in ipairs(cuts) do
      total, limit = 0, n
      local ok, got = pcall(read_through, proxy)
      assert.is_true(not ok and neap.is(got, neap.OSError),
        ("%d of %d bytes: %s"):format(n, whole, tostring(got)))
    end
  end))

  it("is not disturbed by the failures of others in the same thread", in_loop(function()
    local server <close> = serve()
    local _, port = server:sockname()
    local ca = { ca_file = certificates().ca }
    local stream <close> = tls.connect("localhost", port, ca)
    for _ = 1, 3 do
      assert.is_false(pcall(http.get, ("https://localhost:%d/"):format(port)))
      assert.is_false(pcall(tls.connect, "localhost", port, { ca_file = certificates().other }))
      assert.is_false(pcall(tls.connect, "localhost", port, { ca_file = "/no/such/file" }))
      assert.is_false(pcall(tls.listen, "127.0.0.1", 0, print,
        { cert_file = "/etc/passwd", key_file = "/etc/passwd" }))
    end
    assert.are.equal(ALL, stream:read_all())
  end))

  it("cancelled at any point of its handshake leaves nothing", in_loop(function()
    local server <close> = serve()
    local _, port = server:sockname()
    local options = { ca_file = certificates().ca }
    local fs = require "neap.fs"
    local function descriptors()
      collectgarbage()
      return #fs.readdir "/proc/self/fd"
    end
    tls.connect("localhost", port, options):close()
    neap.sleep(0.01)
    local before = descriptors()
    local passes = 0
    repeat
      local task = neap.create_task(tls.connect, "localhost", port, options)
      for _ = 1, passes do neap.sleep(0) end
      local was_done = task:done()
      task:cancel()
      local ok, stream = pcall(task.await, task)
      if ok then stream:close() end
      passes = passes + 1 + passes // 8
    until was_done
    assert.is_true(passes > 3)
    repeat neap.sleep(0) until descriptors() <= before
  end))

  it("takes no name with a NUL for the name before it", in_loop(function()
    local server <close> = serve()
    local _, port = server:sockname()
    for _, name in ipairs { "localhost\0", "localhost\0.example", "\0localhost" } do
      local ok, err = pcall(tls.connect, "127.0.0.1", port,
        { ca_file = certificates().ca, server_name = name })
      assert.is_false(ok, ("%q"):format(name))
      assert.matches("contains zeros", err, 1, true)
    end
  end))
end)
