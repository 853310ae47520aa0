-- Connections and servers behind TLS.
local certificates = require "spec.support.certificates"
local in_loop = require "spec.support.loop"
local neap = require "neap"
local net = require "neap.net"
local tls = require "neap.tls"
local testing = require "neap.testing"

local function pause()
  for _ = 1, 200 do neap.sleep(0) end
end

local function echo(stream)
  for line in stream:lines(10000000) do stream:write(line, "\n") end
  stream:shutdown()
end

--- For connections that are to break.
local function forgiving(handler)
  return function(stream) pcall(handler, stream) end
end

local function listen(handler, options)
  local files = certificates()
  options = options or {}
  options.cert_file = options.cert_file or files.server
  options.key_file = options.key_file or files.key
  return tls.listen("127.0.0.1", 0, handler, options)
end

local function connect(server, options, host)
  options = options or {}
  options.ca_file = options.ca_file or certificates().ca
  local _, port = server:sockname()
  return tls.connect(host or "localhost", port, options)
end

local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function refuses(text, fn, ...)
  local err = error_of(fn, ...)
  assert.is_true(neap.is(err, tls.TLSError), tostring(err))
  assert.is_true(neap.is(err, neap.OSError))
  assert.are.equal("EPROTO", err.code)
  assert.matches(text, err.message, 1, true)
end

describe("a stream behind TLS", function()
  it("carries bytes both ways, by TLS 1.3, and ends as it should", in_loop(function()
    local server <close> = listen(echo)
    local stream = connect(server)
    assert.are.equal("TLSv1.3", tls.info(stream).version)
    stream:write("one\n", "two\n")
    assert.are.equal("one", stream:read_line())
    stream:shutdown()
    assert.are.equal("two\n", stream:read_all())
    assert.is_nil(stream:read())
    stream:close()
  end))

  it("carries more than the network keeps, while nobody reads", in_loop(function()
    local server <close> = listen(echo)
    local stream <close> = connect(server)
    local line = ("0123456789"):rep(300000)
    local writer = neap.create_task(function()
      for _ = 1, 3 do stream:write(line, "\n") end
      stream:shutdown()
    end)
    pause()
    for _ = 1, 3 do assert.is_true(stream:read_line(10000000) == line) end
    assert.is_nil(stream:read())
    writer:await()
  end))

  it("has a cancelled read lose nothing, and a cancelled write close it", in_loop(function()
    local server <close> = listen(function(stream)
      stream:write "abc"
      stream:read_exactly(1)
      stream:write "def"
      pause()
      stream:read()
      neap.sleep(math.huge)
    end)
    local stream = connect(server)
    local reader = neap.create_task(stream.read_exactly, stream, 6)
    pause()
    reader:cancel()
    assert.is_true(neap.is(error_of(reader.await, reader), neap.CancelledError))
    stream:write "x"
    assert.are.equal("abcdef", stream:read_exactly(6))
    local writer = neap.create_task(stream.write, stream, ("x"):rep(20000000))
    pause()
    writer:cancel()
    assert.is_true(neap.is(error_of(writer.await, writer), neap.CancelledError))
    assert.are.equal("ECANCELED", error_of(stream.write, stream, "x").code)
  end))

  it("agrees on a protocol, or refuses", in_loop(function()
    local server <close> = listen(echo, { alpn = { "h2", "http/1.1" } })
    local stream = connect(server, { alpn = { "http/1.1" } })
    assert.are.equal("http/1.1", tls.info(stream).protocol)
    stream:close()
    stream = connect(server)
    assert.is_nil(tls.info(stream).protocol)
    stream:close()
    refuses("no application protocol", connect, server, { alpn = { "gopher" } })
  end))

  it("tells an end from a connection that was cut off", in_loop(function()
    local files = certificates()
    local between -- the connection of a proxy to the server, which it just cuts
    local server <close> = listen(forgiving(function(stream)
      stream:write "some"
      stream:read()
    end))
    local proxy <close> = net.listen("127.0.0.1", 0, forgiving(function(stream)
      between = net.connect(server:sockname())
      neap.create_task(pcall, function()
        for data in function() return stream:read() end do between:write(data) end
      end)
      for data in function() return between:read() end do stream:write(data) end
    end))
    local stream = tls.connect("localhost", select(2, proxy:sockname()), { ca_file = files.ca })
    assert.are.equal("some", stream:read_exactly(4))
    between:close()
    assert.are.equal("ECONNABORTED", error_of(stream.read, stream).code)
  end))
end)

describe("a certificate", function()
  it("of an authority that is not trusted is refused", in_loop(function()
    local server <close> = listen(echo)
    refuses("unable to get local issuer certificate", connect, server,
      { ca_file = certificates().other })
    refuses("certificate", tls.connect, "localhost", select(2, server:sockname()))
  end))

  it("that has expired is refused", in_loop(function()
    local server <close> = listen(echo, { cert_file = certificates().expired })
    refuses("certificate has expired", connect, server)
  end))

  it("for another name is refused, and for an address it is not", in_loop(function()
    local server <close> = listen(echo)
    refuses("hostname mismatch", connect, server, { server_name = "example.org" })
    refuses("IP address mismatch", connect, server, { server_name = "127.0.0.2" })
    connect(server, nil, "127.0.0.1"):close()
  end))

  it("that is its own authority is refused, and accepted without verification", in_loop(function()
    local files = certificates()
    local server <close> = listen(echo, {
      cert_file = files.other, key_file = files.other:gsub("pem$", "key"),
    })
    refuses("self-signed certificate", connect, server)
    local stream <close> = connect(server, { verify = false })
    stream:write "x\n"
    assert.are.equal("x", stream:read_line())
  end))

  it("may be demanded of clients", in_loop(function()
    local files = certificates()
    local server <close> = listen(echo, { verify = true, ca_file = files.ca })
    local stream = connect(server, { cert_file = files.server, key_file = files.key })
    stream:write "x\n"
    assert.are.equal("x", stream:read_line())
    stream:close()
    stream = connect(server) -- TLS 1.3 tells the client with the first bytes
    assert.is_true(neap.is(error_of(stream.read, stream), neap.OSError))
  end))
end)

describe("an old protocol", function()
  it("is refused", in_loop(function()
    local files = certificates()
    local server <close> = listen(echo)
    local _, port = server:sockname()
    local old = neap.process.run {
      "env", "-u", "LD_PRELOAD", "openssl", "s_client", "-connect", "127.0.0.1:" .. port, "-tls1_1",
      "-cipher", "DEFAULT@SECLEVEL=0", "-CAfile", files.ca,
    }
    assert.matches("alert protocol version", old.stderr)
    local modern <close> = listen(echo, { min_version = "1.3" })
    connect(modern):close()
  end))
end)

describe("misuse", function()
  it("is an error that says what is wrong", in_loop(function()
    local files = certificates()
    local function says(text, fn, ...)
      assert.matches(text, tostring(error_of(fn, ...)), 1, true)
    end
    says("no option 'ca'", tls.connect, "localhost", 1, { ca = "x" })
    says("'ca_file' of TLS: string expected, got number", tls.connect, "h", 1, { ca_file = 1 })
    says("\"1.2\" or \"1.3\" expected", tls.connect, "h", 1, { min_version = "1.1" })
    says("needs the option 'cert_file'", tls.listen, "127.0.0.1", 0, echo)
    says("#3 to 'listen'", tls.listen, "127.0.0.1", 0)
    says("no such file", tls.listen, "127.0.0.1", 0, echo, { cert_file = "/nonexistent" })
    says("key_file", tls.listen, "127.0.0.1", 0, echo, { cert_file = files.ca,
      key_file = files.key })
    says("key_file", tls.listen, "127.0.0.1", 0, echo, { cert_file = files.server,
      key_file = files.encrypted })
    tls.listen("127.0.0.1", 0, echo, {
      cert_file = files.server, key_file = files.encrypted, key_password = "secret",
    }):close()
    local a, b = testing.memory_stream()
    says("whose certificate is expected", tls.wrap, a)
    b:write "this is no TLS at all"
    refuses("TLS handshake", tls.wrap, a, { server_name = "x" })
    assert.are.equal("EBADF", error_of(a.read, a).code)
    assert.is_nil(tls.info(b))
  end))

  it("plain bytes to a server end that connection alone", in_loop(function()
    local server <close> = listen(echo)
    local plain = net.connect("127.0.0.1", select(2, server:sockname()))
    plain:write "GET / HTTP/1.1\r\n\r\n"
    plain:read_all()
    plain:close()
    connect(server):close()
  end))

  it("a client that does not speak is disconnected after ten seconds", in_loop(function()
    local a, b = testing.memory_stream()
    local wrapping = neap.create_task(neap.wait_for, tls.wrap, 10, a, { server_name = "x" })
    assert.is_true(neap.is(error_of(wrapping.await, wrapping), neap.TimeoutError))
    assert.is_true(#b:read() > 100)
    assert.is_nil(b:read())
  end))
end)

describe("openssl's own client and server", function()
  it("talk to ours", in_loop(function()
    local files = certificates()
    local server <close> = listen(forgiving(echo))
    local client <close> = neap.process.spawn {
      "env", "-u", "LD_PRELOAD", "openssl", "s_client", "-quiet", "-verify_return_error",
      "-CAfile", files.ca,
      "-connect", "localhost:" .. select(2, server:sockname()), stderr = "null",
    }
    client.stdin:write "from openssl\n"
    assert.are.equal("from openssl", client.stdout:read_line())
    client:kill()
  end))

  it("a stream that is closed, or that others use, is not wrapped", in_loop(function()
    local options = { server_name = "localhost" }
    local a, b = testing.memory_stream()
    local _ <close> = b
    local reader = neap.create_task(a.read, a)
    testing.settle()
    assert.matches("another task uses the stream", error_of(tls.wrap, a, options))
    reader:cancel()
    testing.settle()
    a:close()
    assert.are.equal("EBADF", error_of(tls.wrap, a, options).code)
    local c, d = testing.memory_stream(4)
    local _ <close> = d
    local writer = neap.create_task(c.write, c, "more than four")
    testing.settle()
    assert.matches("another task uses the stream", error_of(tls.wrap, c, options))
    writer:cancel()
    testing.settle()
  end))
end)
