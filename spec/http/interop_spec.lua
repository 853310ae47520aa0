-- Other people's programs against neap.http and neap.tls, and neap's client against theirs.
local certificates = require "spec.support.certificates"
local http = require "neap.http"
local neap = require "neap"
local net = require "neap.net"
local process = require "neap.process"

local BIG = ("0123456789abcdef"):rep(65536)

local function answer(request)
  if request.path == "/big" then return BIG end
  if request.path == "/stream" then
    local n = 0
    return { body = function()
      n = n + 1
      return n <= 3 and ("part %d\n"):format(n) or nil
    end }
  end
  return ("%s %s %d"):format(request.method, request.path, #request.body)
end

local function serve(tls)
  local server = http.serve("127.0.0.1", 0, answer, { tls = tls, max_body_bytes = 1 << 20 })
  return server, select(2, server:sockname())
end

local function server_tls(more)
  local files = certificates()
  local options = more or {}
  options.cert_file, options.key_file = files.server, files.key
  return options
end

--- What a program prints, which must succeed.
local function output_of(...)
  local result = process.run { "env", "-u", "LD_PRELOAD", ... }
  assert.are.equal(0, result.code, result.stderr:sub(1, 1000))
  return result.stdout
end

local function free_port()
  local server <close> = net.listen("127.0.0.1", 0, function() end)
  return select(2, server:sockname())
end

local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "no error")
  return err
end

local function refused(code, url, options)
  local err = error_of(http.get, url, options)
  assert.is_true(neap.is(err, http.RequestError), tostring(err))
  assert.are.equal(code, err.code, err.message)
end

describe("python's http.client", function()
  local SCRIPT = [[
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
def ask(*args, **more):
    c.request(*args, **more)
    r = c.getresponse()
    body = r.read()
    print(r.status, r.version, len(body), body[:40])
    return c.sock
first = ask("GET", "/a")
ask("POST", "/b", body=b"x" * 100000)
chunked = {"Transfer-Encoding": "chunked"}
ask("PUT", "/c", body=iter([b"ab", b"cde"]), encode_chunked=True, headers=chunked)
ask("HEAD", "/big")
ask("GET", "/big")
ask("GET", "/stream")
print(c.sock is first)
]]

  it("has one connection for gets, posts, chunks both ways and a head", function()
    local server <close>, port = serve()
    assert.are.equal(table.concat({
      "200 11 8 b'GET /a 0'", "200 11 14 b'POST /b 100000'", "200 11 8 b'PUT /c 5'", "200 11 0 b''",
      "200 11 1048576 b'0123456789abcdef0123456789abcdef01234567'",
      "200 11 21 b'part 1\\npart 2\\npart 3\\n'", "True\n",
    }, "\n"), output_of("python3", "-c", SCRIPT, tostring(port)))
    assert(server)
  end)
end)

describe("curl", function()
  it("sends and gets on one connection, in chunks too", function()
    local server <close>, port = serve()
    local base = ("http://127.0.0.1:%d"):format(port)
    local report = "|%{num_connects}\n"
    assert.are.equal("GET /a 0|1\nPOST /b 3|0\nPUT /c 3|0\n", output_of("curl", "-s", "-m", "20",
      "-w", report, base .. "/a", "--next", "-s", "-w", report, "-d", "xyz", base .. "/b",
      "--next", "-s", "-w", report, "-X", "PUT", "-H", "Transfer-Encoding: chunked", "-d", "xyz",
      base .. "/c"))
    assert.is_true(BIG == output_of("curl", "-s", "-m", "20", "--compressed", base .. "/big"))
    assert(server)
  end)

  it("is told to go on with a body that it asked about", function()
    local server <close>, port = serve()
    local result = process.run { "env", "-u", "LD_PRELOAD", "curl", "-sv", "-m", "20",
      "--expect100-timeout", "15", "-H", "Expect: 100-continue", "-d", "xyz",
      ("http://127.0.0.1:%d/d"):format(port) }
    assert.are.equal("POST /d 3", result.stdout)
    assert.matches("< HTTP/1.1 100 Continue", result.stderr, 1, true)
    assert(server)
  end)
end)

describe("wrk", function()
  --- Asks with 16 connections for a second; the requests that were answered.
  local function ask(url, ...)
    local report = output_of("wrk", "-t1", "-c16", "-d1s", url, ...)
    assert.is_nil(report:find "Socket errors", report)
    assert.is_nil(report:find "Non%-2xx", report)
    return math.tointeger(assert(report:match "(%d+) requests in", report))
  end

  for _, scheme in ipairs { "http", "https" } do
    it("asks many times over " .. scheme .. ", and for each on a connection of its own", function()
      local count = 0
      local server <close> = http.serve("127.0.0.1", 0, function()
        count = count + 1
        return "hello"
      end, { tls = scheme == "https" and server_tls() or nil })
      local url = ("%s://127.0.0.1:%d/hello"):format(scheme, select(2, server:sockname()))
      local kept = ask(url, "--timeout", "10s")
      assert.is_true(kept > 16 and kept <= count)
      local before = count
      local closed = ask(url, "-H", "Connection: close")
      assert.is_true(closed > 0 and closed <= count - before)
    end)
  end
end)

describe("certificates of clients", function()
  it("are asked for by the server, and shown by curl and by neap", function()
    local files = certificates()
    local server <close>, port = serve(server_tls { verify = true, ca_file = files.ca })
    local url = ("https://localhost:%d/a"):format(port)
    local mine = { ca_file = files.ca, cert_file = files.server, key_file = files.key }
    assert.are.equal("GET /a 0", http.get(url, mine).body)
    assert.are.equal("GET /a 0", output_of("curl", "-s", "-m", "20", "--cacert", files.ca, "--cert",
      files.server, "--key", files.key, url))
    local err = error_of(http.get, url, { ca_file = files.ca })
    assert.is_true(neap.is(err, http.RequestError), tostring(err))
    refused("SSL_CERTPROBLEM", url, { ca_file = files.ca, cert_file = "/nonexistent" })
    assert.are.equal("GET /a 0", http.get(url, mine).body) -- the server is unharmed
    assert(server)
  end)

  it("of an authority that the server does not trust, or that have expired, are refused", function()
    local files = certificates()
    local server <close>, port = serve(server_tls { verify = true, ca_file = files.ca })
    local url = ("https://localhost:%d/a"):format(port)
    for _, pair in ipairs {
      { files.other, (files.other:gsub("pem$", "key")) }, { files.expired, files.key },
    } do
      local err = error_of(http.get, url, {
        ca_file = files.ca, cert_file = pair[1], key_file = pair[2] })
      assert.is_true(neap.is(err, http.RequestError), tostring(err))
    end
    assert(server)
  end)

  it("stay with the origin that they were given for", function()
    local files = certificates()
    local second <close>, second_port = serve(server_tls { verify = true, ca_file = files.ca })
    local first <close> = http.serve("127.0.0.1", 0, function()
      return { status = 302, headers = {
        location = ("https://localhost:%d/a"):format(second_port) } }
    end, { tls = server_tls() })
    local err = error_of(http.get, ("https://localhost:%d/"):format(select(2, first:sockname())),
      { ca_file = files.ca, cert_file = files.server, key_file = files.key })
    assert.is_true(neap.is(err, http.RequestError), tostring(err))
    assert(second)
  end)
end)

describe("openssl s_server", function()
  --- Runs body(port) while s_server shows the certificate of "localhost".
  local function with_s_server(options, body)
    local files, port = certificates(), free_port()
    local words = { "env", "-u", "LD_PRELOAD", "openssl", "s_server", "-accept",
      "127.0.0.1:" .. port, "-cert", files.server, "-key", files.key,
      stdout = "pipe", stderr = "null" }
    table.move(options, 1, #options, #words + 1, words)
    local child <close> = process.spawn(words)
    child.stdout:read_until "ACCEPT\n"
    local ended <close> = setmetatable({}, { __close = function() child:kill() end })
    local draining = neap.create_task(pcall, function()
      while child.stdout:read() do end
    end)
    body(port)
    child:kill()
    draining:await()
    assert(ended)
  end

  it("answers neap's client", function()
    with_s_server({ "-www" }, function(port)
      local response = http.get(("https://localhost:%d/"):format(port),
        { ca_file = certificates().ca })
      assert.are.equal(200, response.status)
      assert.matches("TLSv1.3", response.body, 1, true)
    end)
  end)

  it("of an old protocol is refused, by the client of HTTP and of TLS", function()
    with_s_server({ "-www", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0" }, function(port)
      local files = certificates()
      refused("SSL_CONNECT_ERROR", ("https://localhost:%d/"):format(port),
        { ca_file = files.ca, verify = false })
      local err = error_of(neap.tls.connect, "localhost", port, { ca_file = files.ca })
      assert.is_true(neap.is(err, neap.tls.TLSError), tostring(err))
    end)
  end)
end)

describe("a response behind TLS that is cut off", function()
  --- A TLS server that sends `text`, by way of a proxy that then cuts the connection.
  local function with_cut(text, body)
    local files = certificates()
    local server <close> = neap.tls.listen("127.0.0.1", 0, function(stream)
      pcall(function()
        stream:read_until "\r\n\r\n"
        stream:write(text)
        stream:read()
      end)
    end, { cert_file = files.server, key_file = files.key })
    local proxy <close> = net.listen("127.0.0.1", 0, function(stream)
      local between <close> = net.connect(server:sockname())
      local up = neap.create_task(pcall, function()
        while true do between:write(stream:read()) end
      end)
      pcall(neap.move_on_after, 0.3, function()
        for data in function() return between:read() end do stream:write(data) end
      end)
      up:cancel()
    end)
    body(("https://localhost:%d/"):format(select(2, proxy:sockname())), { ca_file = files.ca })
  end

  it("is an error, if it said how long it is", function()
    for _, head in ipairs {
      "Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n5\r\n",
    } do
      with_cut("HTTP/1.1 200 OK\r\n" .. head .. "hello", function(url, options)
        local ok, err = pcall(http.get, url, options)
        assert.is_false(ok, head)
        assert.is_true(neap.is(err, http.RequestError), tostring(err))
      end)
    end
  end)
end)
