-- neap.http.serve, asked by raw bytes over a socket, and by curl.
local certificates = require "spec.support.certificates"
local http = require "neap.http"
local in_loop = require "spec.support.loop"
local neap = require "neap"
local net = require "neap.net"
local process = require "spec.support.process"

local function pause()
  for _ = 1, 200 do neap.sleep(0) end
end

--- Serves on a free port; a closed <close> variable ends all of it.
local function serve(handler, options)
  return http.serve("127.0.0.1", 0, handler, options)
end

local function connect(server)
  return net.connect(server:sockname())
end

--- Sends the bytes and reads to the end; without what changes from run to run.
local function ask(server, ...)
  local stream <close> = connect(server)
  local pieces = { ... }
  neap.create_task(pcall, function()
    for _, piece in ipairs(pieces) do
      stream:write(piece)
      pause()
    end
  end)
  return (stream:read_all():gsub("date: [^\r]*\r\n", ""))
end

local function status_of(server, ...)
  return tonumber(ask(server, ...):match "^HTTP/1.1 (%d+)")
end

local function hello()
  return { status = 200, headers = { ["content-type"] = "text/plain" }, body = "hello" }
end

local LAST = "Connection: close\r\n\r\n"
local GET = "GET / HTTP/1.1\r\nHost: x\r\n"

describe("a response", function()
  it("has status, headers and the body's length", in_loop(function()
    local server <close> = serve(hello)
    assert.are.equal("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
      .. "connection: close\r\n\r\nhello", ask(server, GET .. LAST))
  end))

  it("may be a string, or without a body", in_loop(function()
    local server <close> = serve(function(request)
      if request.path == "/string" then return "text" end
      return { status = 204 }
    end)
    assert.matches("content%-length: 4\r\n.*text$",
      ask(server, "GET /string HTTP/1.1\r\nHost: x\r\n" .. LAST))
    assert.are.equal("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
      ask(server, GET .. LAST))
  end))

  it("to HEAD has the length, not the body", in_loop(function()
    local server <close> = serve(hello)
    assert.are.equal("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n"
      .. "connection: close\r\n\r\n", ask(server, "HEAD / HTTP/1.1\r\nHost: x\r\n" .. LAST))
  end))

  it("is streamed in chunks from a function that may wait", in_loop(function()
    local server <close> = serve(function()
      local n = 0
      return { body = function()
        n = n + 1
        neap.sleep(0)
        return ({ "one", "", "three" })[n]
      end }
    end)
    assert.are.equal("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
      .. "3\r\none\r\n5\r\nthree\r\n0\r\n\r\n", ask(server, GET .. LAST))
    -- HTTP/1.0 knows no chunks: the end of the connection is the body's.
    assert.are.equal("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nonethree",
      ask(server, "GET / HTTP/1.0\r\n\r\n"))
  end))

  it("repeats a header that is a sequence, and keeps framing to the server", in_loop(function()
    local server <close> = serve(function()
      return { headers = { ["Set-Cookie"] = { "a=1", "b=2" }, ["Content-Length"] = 99,
        Connection = "keep-alive", ["Transfer-Encoding"] = "chunked" } }
    end)
    assert.are.equal("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
      .. "content-length: 0\r\nconnection: close\r\n\r\n", ask(server, GET .. LAST))
  end))
end)

describe("a response", function()
  it("that is streamed has the length that its handler gives it", in_loop(function(reports)
    local parts = { ["/right"] = 2, ["/short"] = 1, ["/long"] = 3, ["/no"] = 2 }
    local server <close> = serve(function(request)
      local left = parts[request.path]
      return { headers = { ["Content-Length"] = request.path == "/no" and "0x4" or 4 },
        body = function()
          left = left - 1
          return left >= 0 and "ab" or nil
        end }
    end)
    local head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n"
    local function get(path, method, version)
      return ask(server, ("%s %s HTTP/%s\r\nHost: x\r\n"):format(method or "GET", path,
        version or "1.1") .. LAST)
    end
    assert.are.equal(head .. "connection: close\r\n\r\nabab", get "/right")
    assert.are.equal(head .. "connection: close\r\n\r\n", get("/right", "HEAD"))
    assert.are.equal(head .. "connection: close\r\n\r\nabab", get("/right", "GET", "1.0"))
    assert.are.equal(0, #reports)
    assert.are.equal(head .. "connection: close\r\n\r\nab", get "/short")
    assert.are.equal(head .. "connection: close\r\n\r\nabab", get "/long")
    assert.matches("^HTTP/1.1 500 ", get "/no")
    local said = {}
    for i, report in ipairs(reports) do
      said[i] = report.exception
    end
    assert.are.same({ "a response's body is shorter than its Content-Length",
      "a response's body is longer than its Content-Length",
      "'0x4' is not a Content-Length" }, said)
    for i = #reports, 1, -1 do reports[i] = nil end
  end))

  it("has the date that its handler gives it, or ours", in_loop(function()
    local server <close> = serve(function(request)
      return { headers = { Date = request.path == "/own" and "then" or nil } }
    end)
    local stream <close> = connect(server)
    stream:write("GET /own HTTP/1.1\r\nHost: x\r\n\r\n", GET, LAST)
    local answer = stream:read_all()
    assert.are.equal(2, select(2, answer:lower():gsub("date: ", "")))
    assert.matches("Date: then\r\n", answer, 1, true)
    assert.matches("\r\ndate: %u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT\r\n", answer)
  end))
end)

describe("a request", function()
  it("has method, path, query, version and headers", in_loop(function()
    local server <close> = serve(function(request)
      local lines = { request.method, request.target, request.path, request.query, request.version,
        request.headers.host, request.headers["x-two"], (request:peername()), tostring(request) }
      return table.concat(lines, "|")
    end)
    assert.matches("PUT|/a%%20b%?q=%%31|/a b|q=%%31|1.1|x|1, 2|127.0.0.1|"
      .. "<Request PUT /a%%20b%?q=%%31>$",
      ask(server, "PUT /a%20b?q=%31 HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nx-two:  2 \r\n" .. LAST))
  end))

  it("has a body, of a length or in chunks, read when it is asked for", in_loop(function()
    local server <close> = serve(function(request)
      local first = request:read(2)
      local rest = {}
      for piece in request:chunks() do rest[#rest + 1] = piece end
      assert(request:read() == nil)
      return first .. "|" .. table.concat(rest)
    end)
    assert.matches("ab|cde$", ask(server,
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n" .. LAST .. "abc", "de"))
    assert.matches("ab|cde$", ask(server,
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" .. LAST,
      "3\r\nabc\r\n", "2;ext=1\r\nd", "e\r\n0\r\nTrailer: x\r\n\r\n"))
  end))

  it("has its whole body as a field, and as JSON", in_loop(function()
    local server <close> = serve(function(request)
      assert(request.body == request:text())
      return tostring(request:json().answer)
    end)
    assert.matches("42$", ask(server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n"
      .. LAST .. '{"answer":42}'))
  end))

  it("that expects 100 Continue gets it when the body is read, and not before", in_loop(function()
    local server <close> = serve(function(request)
      return request.path == "/read" and request.body or "not read"
    end)
    local head = "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
    assert.are.equal("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n"
      .. "connection: close\r\n\r\nab", ask(server, head:format "/read" .. LAST, "ab"))
    assert.are.equal("HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nnot read",
      ask(server, head:format "/" .. LAST))
  end))

  it("that expects 100 Continue does not get it in the middle of a response", in_loop(function()
    local server <close> = serve(function(request) return { body = request:chunks() } end)
    assert.are.equal("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
      .. "2\r\nab\r\n0\r\n\r\n", ask(server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
      .. "Expect: 100-continue\r\n" .. LAST, "ab"))
  end))
end)

describe("a connection", function()
  it("is kept for further requests, which are answered in order", in_loop(function()
    local count = 0
    local server <close> = serve(function(request)
      count = count + 1
      if count == 1 then pause() end -- the others wait
      return request.path
    end)
    local answers = ask(server, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
      .. "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n" .. LAST
      .. "GET /4 HTTP/1.1\r\nHost: x\r\n\r\n")
    local paths = {}
    for path in answers:gmatch "\r\n\r\n(/%d)" do paths[#paths + 1] = path end
    assert.are.same({ "/1", "/2", "/3" }, paths)
  end))

  it("with HTTP/1.0 is closed, unless the client asks to keep it", in_loop(function()
    local server <close> = serve(hello)
    assert.matches("connection: close", ask(server, "GET / HTTP/1.0\r\n\r\n"))
    local stream <close> = connect(server)
    stream:write "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert.matches("connection: keep%-alive", stream:read_until "hello")
  end))

  it("goes on after a body that the handler did not read", in_loop(function()
    local server <close> = serve(hello)
    local answers = ask(server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "abc",
      "de", GET .. LAST)
    assert.are.equal(2, select(2, answers:gsub("hello", "")))
  end))

  it("an error in a handler is a 500 and a report, and the connection goes on",
    in_loop(function(reports)
      local server <close> = serve(function(request)
        if request.path == "/fail" then error "oops" end
        return "fine"
      end)
      local answers = ask(server, "GET /fail HTTP/1.1\r\nHost: x\r\n\r\n" .. GET .. LAST)
      assert.matches("^HTTP/1.1 500 .*HTTP/1.1 200 OK.*fine$", answers)
      assert.is_nil(answers:find("oops", 1, true))
      assert.are.equal(1, #reports)
      assert.matches("oops", reports[1].exception)
      reports[1] = nil
    end))

  it("an HTTPError in a handler is the response", in_loop(function()
    local server <close> = serve(function()
      error(http.HTTPError { message = "no such user", status = 404 })
    end)
    assert.matches("^HTTP/1.1 404 Not Found.*no such user\n$", ask(server, GET .. LAST))
  end))

  it("what is no response is a 500 and a report", in_loop(function(reports)
    local bad = {
      function() return nil end,
      function() return { status = 99 } end,
      function() return { body = {} } end,
      function() return { headers = { ["a b"] = "x" } } end,
      function() return { headers = { a = "x\r\ny" } } end,
    }
    local next_bad = 0
    local server <close> = serve(function()
      next_bad = next_bad + 1
      return bad[next_bad]()
    end)
    for i = 1, #bad do
      assert.are.equal(500, status_of(server, GET .. LAST))
      assert.are.equal(i, #reports)
    end
    for i = #reports, 1, -1 do reports[i] = nil end
  end))

  it("an error while a body is streamed cuts the connection", in_loop(function(reports)
    local server <close> = serve(function()
      local n = 0
      return { body = function()
        n = n + 1
        if n == 2 then error "lost" end
        return "one"
      end }
    end)
    assert.matches("3\r\none\r\n$", ask(server, GET .. LAST))
    assert.are.equal(1, #reports)
    reports[1] = nil
  end))

  it("a client that leaves cancels its handler", in_loop(function()
    local log = {}
    local server <close> = serve(function()
      local ok, err = pcall(neap.sleep, math.huge)
      log[#log + 1] = tostring(err)
      assert(not ok)
      error(err, 0)
    end)
    local stream = connect(server)
    stream:write(GET .. "\r\n")
    pause()
    stream:close()
    while #log == 0 do neap.sleep(0) end
    assert.are.same({ "CancelledError" }, log)
  end))
end)

describe("a client that sends nothing more", function()
  --- What it gets from a handler that waits; and what became of that.
  local function ask_and_shut_down(options, connect_to)
    local outcome
    local server <close> = serve(function()
      local ok, err = pcall(pause)
      outcome = ok and "done" or tostring(err)
      if not ok then error(err, 0) end
      return "hello"
    end, options)
    local stream <close> = connect_to(server)
    stream:write(GET .. "\r\n")
    stream:shutdown()
    return stream:read_all(), outcome
  end

  it("has left, and its handler is cancelled", in_loop(function()
    local answer, outcome = ask_and_shut_down(nil, connect)
    assert.are.equal("", answer)
    assert.are.equal("CancelledError", outcome)
  end))

  it("is answered with allow_half_open, behind TLS too", in_loop(function()
    local answer, outcome = ask_and_shut_down({ allow_half_open = true }, connect)
    assert.matches("^HTTP/1.1 200 OK\r\n.*hello$", answer)
    assert.are.equal("done", outcome)
    local files = certificates()
    answer, outcome = ask_and_shut_down({
      allow_half_open = true, tls = { cert_file = files.server, key_file = files.key },
    }, function(server)
      return neap.tls.connect("localhost", select(2, server:sockname()), { ca_file = files.ca })
    end)
    assert.matches("^HTTP/1.1 200 OK\r\n.*hello$", answer)
    assert.are.equal("done", outcome)
  end))

  it("and resets the connection has left in any case", in_loop(function()
    local outcome
    local server <close> = serve(function(request)
      if request.path == "/first" then return "hello" end
      local ok, err = pcall(neap.sleep, math.huge)
      outcome = tostring(err)
      assert(not ok)
      error(err, 0)
    end, { allow_half_open = true })
    local stream = connect(server)
    stream:write("GET /first HTTP/1.1\r\nHost: x\r\n\r\n", GET, "\r\n")
    pause()
    stream:close() -- with an answer unread: the system resets
    while not outcome do neap.sleep(0) end
    assert.are.equal("CancelledError", outcome)
  end))
end)

-- Each is refused with this status, and the connection is closed.
local REFUSED = {
  ["no request"] = { 400, "hello\r\n\r\n" },
  ["a line that ends in LF alone"] = { 400, "GET / HTTP/1.1\nHost: x\r\n\r\n" },
  ["a header line that ends in LF alone"] = { 400, GET .. "A: b\nC: d\r\n\r\n" },
  ["a CR in a header"] = { 400, GET .. "A: b\rc\r\n\r\n" },
  ["a folded header"] = { 400, GET .. "A: b\r\n c\r\n\r\n" },
  ["a zero in a header"] = { 400, GET .. "A: b\0c\r\n\r\n" },
  ["a space before a colon"] = { 400, GET .. "Content-Length : 5\r\n\r\n" },
  ["a space in a name"] = { 400, GET .. "A b: c\r\n\r\n" },
  ["a header without a colon"] = { 400, GET .. "nonsense\r\n\r\n" },
  ["no host"] = { 400, "GET / HTTP/1.1\r\n\r\n" },
  ["two hosts"] = { 400, GET .. "Host: y\r\n\r\n" },
  ["two spaces"] = { 400, "GET  / HTTP/1.1\r\nHost: x\r\n\r\n" },
  ["a space in the target"] = { 400, "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n" },
  ["a control character in the target"] = { 400, "GET /\1 HTTP/1.1\r\nHost: x\r\n\r\n" },
  ["no version"] = { 400, "GET /\r\n\r\n" },
  ["another version"] = { 505, "GET / HTTP/2.0\r\nHost: x\r\n\r\n" },
  ["an unknown method"] = { 501, "FOO / HTTP/1.1\r\nHost: x\r\n\r\n" },
  ["both lengths"] = { 400, GET
    .. "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
  ["two lengths"] = { 400, GET .. "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" },
  ["a length with a sign"] = { 400, GET .. "Content-Length: +5\r\n\r\nhello" },
  ["a length that overflows"] = { 400, GET .. "Content-Length: 99999999999999999999\r\n\r\n" },
  ["two lengths in one"] = { 400, GET .. "Content-Length: 5, 5\r\n\r\nhello" },
  ["another encoding"] = { 501, GET .. "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" },
  ["chunked twice"] = { 400, GET
    .. "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
  ["an encoding that only ends like chunked"] = { 501, GET
    .. "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" },
  ["chunks in HTTP/1.0"] = { 400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
  ["a chunk's size with a prefix"] = { 400, GET .. "Transfer-Encoding: chunked\r\n\r\n0x5\r\n" },
  ["a chunk's size with a sign"] = { 400, GET .. "Transfer-Encoding: chunked\r\n\r\n-5\r\n" },
  ["a chunk's size that overflows"] = { 400, GET
    .. "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" },
  ["a chunk's size that ends in LF alone"] = { 400, GET
    .. "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n" },
  ["a chunk that is longer than its size"] = { 400, GET
    .. "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n" },
  ["an endless size of a chunk"] = { 400, GET .. "Transfer-Encoding: chunked\r\n\r\n5;"
    .. ("x"):rep(5000) },
  ["a trailer that hides an end in LF alone"] = { 400, GET
    .. "Transfer-Encoding: chunked\r\n\r\n0\r\na: b\n\nGET /hidden HTTP/1.1\r\n\r\n" },
  ["a folded trailer"] = { 400, GET
    .. "Transfer-Encoding: chunked\r\n\r\n0\r\na: b\r\n c\r\n\r\n" },
  ["endless trailers"] = { 431, GET .. "Transfer-Encoding: chunked\r\n\r\n0\r\n"
    .. ("a: b\r\n"):rep(5000) },
  ["a head that is too large"] = { 431, GET .. "A: " .. ("x"):rep(20000) .. "\r\n\r\n" },
  ["too many headers"] = { 431, GET .. ("a: b\r\n"):rep(200) .. "\r\n" },
  ["a body that is too large"] = { 413, GET .. "Content-Length: 2000000\r\n\r\n" },
}

describe("refused, with the server unharmed:", function()
  local names = {}
  for name in pairs(REFUSED) do names[#names + 1] = name end
  table.sort(names)

  for _, name in ipairs(names) do
    it(name, in_loop(function()
      local status, bytes = table.unpack(REFUSED[name])
      local server <close> = serve(function(request) return request.body end)
      local answer = ask(server, bytes .. "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
      assert.are.equal(status, tonumber(answer:match "^HTTP/1.1 (%d+)"), answer)
      assert.are.equal(1, select(2, answer:gsub("HTTP/1.1 %d%d%d ", "")))
      assert.matches("connection: close", answer)
      assert.are.equal(200, status_of(server, GET .. LAST))
    end))
  end

  it("a chunked body that grows too large", in_loop(function()
    local server <close> = serve(function(request) return request.body end,
      { max_body_bytes = 1000 })
    local chunk = "190\r\n" .. ("x"):rep(400) .. "\r\n"
    assert.are.equal(413, status_of(server, GET .. "Transfer-Encoding: chunked\r\n\r\n",
      chunk, chunk, chunk, "0\r\n\r\n"))
  end))

  it("an incomplete head, an incomplete body", in_loop(function()
    local server <close> = serve(function(request) return request.body end)
    for _, bytes in ipairs { "GET / HT", GET .. "Content-Length: 5\r\n\r\nab" } do
      local stream <close> = connect(server)
      stream:write(bytes)
      stream:shutdown()
      local answer = stream:read_all()
      assert.is_true(answer == "" or answer:find "^HTTP/1.1 400" ~= nil, answer)
    end
    assert.are.equal(200, status_of(server, GET .. LAST))
  end))
end)

describe("a slow client", function()
  it("is told so after the time for a head, and disconnected between requests", function()
    local result = process.run { "neap", "-e", [[
      local neap, http, net = require "neap", require "neap.http", require "neap.net"
      local server <close> = http.serve("127.0.0.1", 0, function() return "hello" end,
        { header_timeout = 0.05, idle_timeout = 0.1 })
      local stream = net.connect(server:sockname())
      stream:write "GET / HT"
      print(stream:read_line(), stream:read_all():find "connection: close" ~= nil)
      stream = net.connect(server:sockname())
      stream:write "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
      print(stream:read_until "hello" ~= nil, stream:read())]] }
    assert.are.same({
      code = 0, stdout = "HTTP/1.1 408 Request Timeout\ttrue\ntrue\tnil\n", stderr = "",
    }, result)
  end)
end)

describe("a body that does not end", function()
  local NEVER = [[
    local neap, http, net = require "neap", require "neap.http", require "neap.net"
    local function ask(read, request)
      local server <close> = http.serve("127.0.0.1", 0, function(request)
        return read and request.body or "early"
      end, { body_timeout = 0.05, max_body_bytes = 10 })
      local stream <close> = net.connect(server:sockname())
      stream:write("POST / HTTP/1.1\r\nHost: x\r\n" .. request)
      local answer = stream:read_all()
      print(select(2, answer:gsub("HTTP/1.1 ", "")), answer:match "^HTTP/1.1 (%d+)")
    end
    ask(true, "Content-Length: 5\r\n\r\nab")
    ask(false, "Content-Length: 5\r\n\r\nab")
    ask(true, "Transfer-Encoding: chunked\r\n\r\nb\r\n") -- 11 bytes, of which none comes
  ]]

  it("is one answer: that it took too long, that it is too large, or the handler's", function()
    local result = process.run { "neap", "-e", NEVER }
    assert.are.same({ code = 0, stdout = "1\t408\n1\t200\n1\t413\n", stderr = "" }, result)
  end)
end)

describe("a client that sends byte by byte", function()
  it("has the time of a whole head all the same", function()
    local result = process.run { "neap", "-e", [[
      local neap, http, net = require "neap", require "neap.http", require "neap.net"
      local server <close> = http.serve("127.0.0.1", 0, function() return "hello" end,
        { header_timeout = 0.2 })
      local stream <close> = net.connect(server:sockname())
      local sending = neap.create_task(pcall, function()
        stream:write "GET / HTTP/1.1\r\nX: "
        while true do
          stream:write "x"
          neap.sleep(0.02)
        end
      end)
      print(stream:read_line())
      sending:cancel()]] }
    assert.are.same({ code = 0, stdout = "HTTP/1.1 408 Request Timeout\n", stderr = "" }, result)
  end)
end)

describe("server:shutdown", function()
  it("ends idle connections, and lets those at work finish", in_loop(function()
    local go_on = neap.event()
    local server = serve(function(request)
      if request.path == "/slow" then go_on:wait() end
      return request.path
    end)
    local idle, slow = connect(server), connect(server)
    idle:write "GET /fast HTTP/1.1\r\nHost: x\r\n\r\n"
    idle:read_until "/fast"
    slow:write "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    pause()
    local stopping = neap.create_task(server.shutdown, server)
    pause()
    assert.is_nil(idle:read())
    assert.is_false(stopping:done())
    assert.is_false((pcall(connect, server)))
    go_on:set()
    assert.matches("connection: close\r\n\r\n/slow$", slow:read_all())
    stopping:await()
  end))

  it("cancels what is not done after its grace", in_loop(function()
    local cancelled = false
    local server = serve(function()
      local _ <close> = setmetatable({}, { __close = function() cancelled = true end })
      neap.sleep(math.huge)
    end)
    local stream <close> = connect(server)
    stream:write(GET .. "\r\n")
    pause()
    server:shutdown(5)
    assert.is_true(cancelled)
  end))
end)

describe("behind TLS", function()
  it("it serves curl", in_loop(function()
    local files = certificates()
    local server <close> = serve(function(request) return request.method .. request.body end, {
      tls = { cert_file = files.server, key_file = files.key },
    })
    local result = neap.process.run { "env", "-u", "LD_PRELOAD", "curl", "-s", "-m", "20",
      "--cacert", files.ca, "-d", "body",
      "https://localhost:" .. select(2, server:sockname()) .. "/" }
    assert.are.equal("POSTbody", result.stdout, result.stderr)
  end))
end)

describe("misuse", function()
  it("is an argument error", in_loop(function()
    local function says(text, ...)
      local ok, err = pcall(http.serve, ...)
      assert.is_false(ok)
      assert.matches(text, tostring(err), 1, true)
    end
    says("#3 to 'serve'", "127.0.0.1", 0)
    says("no option 'bakclog'", "127.0.0.1", 0, hello, { bakclog = 1 })
    says("'allow_half_open' of 'serve' (boolean", "127.0.0.1", 0, hello, { allow_half_open = 1 })
    says("'idle_timeout' of 'serve'", "127.0.0.1", 0, hello, { idle_timeout = -1 })
  end))

  it("whose head its handler has no right to is none: 500, and a report", in_loop(function(reports)
    local responses = {
      ["a header's name is a number"] = { headers = { "x" } },
      ["header 'a': string or number expected, got boolean"] = { headers = { a = true } },
      ["header 'b': string or number expected, got table"] = { headers = { b = { {} } } },
      ["'a b' is not the name of a header"] = { headers = { ["a b"] = "x" } },
      ["99 is not a response's status"] = { status = 99 },
    }
    for message, response in pairs(responses) do
      local server <close> = serve(function() return response end)
      assert.are.equal(500, status_of(server, GET .. LAST), message)
      assert.are.equal(1, #reports)
      assert.matches(message, tostring(reports[1].exception), 1, true)
      reports[1] = nil
    end
  end))

  it("is refused to another version of HTTP", in_loop(function()
    local server <close> = serve(hello)
    assert.are.equal(505, status_of(server, "GET / HTTP/2.0\r\nHost: x\r\n\r\n"))
    for _, version in ipairs { "HTTP/x.1", "HTTP/1.x", "HTTP/11", "HTTP/111" } do
      assert.are.equal(400, status_of(server, "GET / " .. version .. "\r\nHost: x\r\n\r\n"))
    end
    assert.are.equal(505, status_of(server, "GET / HTTP/0.9\r\nHost: x\r\n\r\n"))
  end))

  it("cookies that come in several headers are one, others a list", in_loop(function()
    local server <close> = serve(function(request)
      return request.headers.cookie .. "|" .. request.headers.accept
    end)
    assert.matches("a=1; b=2|x, y$", ask(server, GET
      .. "Cookie: a=1\r\nAccept: x\r\nCookie: b=2\r\nAccept: y\r\n" .. LAST), 1)
  end))
end)
