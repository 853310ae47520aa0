-- neap.http's client against a real server, which behaves or does not.
local http = require "neap.http"
local neap = require "neap"
local start_server = require "spec.support.http_server"

describe("neap.http", function()
  local server

  setup(function() server = start_server() end)
  teardown(function() server:close() end)

  local function fails(code, path, options)
    local ok, err = pcall(http.get, server.url .. path, options)
    assert.is_false(ok, "no error")
    assert.is_true(neap.is(err, http.RequestError), tostring(err))
    assert.are.equal(code, err.code)
    return err
  end

  local function misuse(message, ...)
    local ok, err = pcall(...)
    assert.is_false(ok, "no error")
    assert.are.equal("string", type(err), tostring(err))
    assert.matches(message, err, 1, true)
  end

  it("gets a response", function()
    local response = http.get(server.url .. "/json?x")
    assert.are.same({ 200, "OK", true, "1.1", server.url .. "/json?x" },
      { response.status, response.reason, response.ok, response.version, response.url })
    assert.are.equal("36", response.headers["Content-Length"])
    assert.are.equal("36", response.headers["content-length"])
    assert.is_nil(response.headers["X-Nothing"])
    assert.are.equal(9007199254740993, response:json().id)
    assert.are.equal(response.body, response:text())
    assert.are.equal(("<Response 200 %s/json?x>"):format(server.url), tostring(response))
  end)

  it("keeps headers that come more than once", function()
    local response = http.get(server.url .. "/cookies")
    assert.are.equal("a=1, b=2", response.headers["Set-Cookie"])
    assert.are.same({ "a=1", "b=2" }, response:get_all "SET-COOKIE")
    assert.are.same({}, response:get_all "X")
    assert.are.equal("", response.headers.empty)
  end)

  it("takes the last head, and joins lines that were folded", function()
    local response = http.get(server.url .. "/early_data")
    assert.are.same({ 200, "2", "ok" }, { response.status, response.headers.b, response.body })
    assert.is_nil(response.headers.a)
    assert.are.equal("one two", http.get(server.url .. "/folded").headers.a)
    local headers = http.get(server.url .. "/bare_cr").headers
    assert.are.equal("one B: two", headers.a)
    assert.is_nil(headers.b)
  end)

  it("sends what was asked for, and no more", function()
    local response = http.request {
      method = "post", url = server.url .. "/echo?a=1", query = { b = "x y&", c = { 1, true } },
      headers = { ["X-Many"] = { "1" }, ["X-Empty"] = "" }, body = "payload\0", auth = { "u", "p" },
      decompress = false,
    }
    assert.are.equal(([[
POST /echo?a=1&b=x%%20y%%26&c=1&c=true
Accept: */*
Authorization: Basic dTpw
Content-Length: 8
Host: 127.0.0.1:%d
User-Agent: neap/%s
X-Empty:
X-Many: 1

]]):format(server.port, neap._VERSION) .. "payload\0", (response.body:gsub(" \n", "\n")))
  end)

  it("sends JSON and forms", function()
    local text = http.post(server.url .. "/echo", { json = { 1 } }).body
    assert.matches("Content-Type: application/json\n", text, 1, true)
    assert.matches("\n\n[1]", text, 1, true)
    text = http.post(server.url .. "/echo", { form = { a = "x y", b = "ü" } }).body
    assert.matches("Content-Type: application/x-www-form-urlencoded\n", text, 1, true)
    assert.matches("\n\na=x+y&b=%C3%BC", text, 1, true)
  end)

  it("has a function for each method", function()
    for _, name in ipairs { "get", "post", "put", "patch", "delete" } do
      local text = http[name](server.url .. "/echo").body
      assert.matches("^" .. name:upper() .. " /echo", text)
    end
    local response = http.head(server.url .. "/json")
    assert.are.same({ 200, "", "36" },
      { response.status, response.body, response.headers["content-length"] })
  end)

  it("reads a body as it comes", function()
    local response <close> = http.get(server.url .. "/chunks/1000", { stream = true })
    assert.are.equal(200, response.status)
    assert.is_nil(response.body)
    local parts = {}
    for chunk in response:chunks() do parts[#parts + 1] = chunk end
    local text = table.concat(parts)
    assert.are.same({ 7000, "000000\n", "000999\n" }, { #text, text:sub(1, 7), text:sub(-7) })
    assert.is_nil(response:read())
  end)

  it("gives what has come before the rest has", function()
    local response <close> = http.get(server.url .. "/drip", { stream = true })
    assert.are.equal("first", response:read())
  end)

  it("holds back a server that is faster than the reader", function()
    local response <close> = http.get(server.url .. "/zeros/16777216", { stream = true })
    local size, largest = 0, 0
    for chunk in response:chunks() do
      size = size + #chunk
      largest = math.max(largest, #chunk)
      neap.sleep(0)
    end
    assert.are.equal(16777216, size)
    assert.is_true(largest < 1048576, "a chunk of " .. largest)
  end)

  it("ends the transfer when the loop over its chunks is left", function()
    local size = 0
    for chunk in http.get(server.url .. "/endless", { stream = true }):chunks() do
      size = size + #chunk
      if size > 1000000 then break end
    end
    local response = http.get(server.url .. "/endless", { stream = true })
    response:close()
    response:close()
    assert.is_nil(response:read())
  end)

  it("collects a stream, and iterates over a body", function()
    assert.are.equal(9007199254740993, http.get(server.url .. "/json", { stream = true }):json().id)
    local parts = {}
    for chunk in http.get(server.url .. "/status/200"):chunks() do parts[#parts + 1] = chunk end
    assert.are.same({ "status 200" }, parts)
  end)

  it("sends what a function gives, which may wait", function()
    local left = 3
    local function body()
      neap.sleep(0.001)
      left = left - 1
      return left >= 0 and ("x"):rep(100000) or nil
    end
    local response = http.post(server.url .. "/echo", { body = body })
    assert.matches("Transfer-Encoding: chunked\n", response.body, 1, true)
    assert.are.equal(("x"):rep(300000), response.body:match "\n\n(.*)$")
    local chunks = { "ab", "", "c" }
    response = http.put(server.url .. "/echo", {
      body = function() return table.remove(chunks, 1) end, headers = { ["Content-Length"] = 3 },
    })
    assert.matches("^PUT /echo\n.*Content%-Length: 3\n.*\n\nabc$", response.body)
  end)

  it("an upload ends with the response, and with an error in it", function()
    local response = http.post(server.url .. "/refuse", { body = function() return "more" end })
    assert.are.equal(413, response.status)
    local ok, err = pcall(http.post, server.url .. "/echo", { body = function() error "mine" end })
    assert.is_false(ok)
    assert.matches("mine", err)
    local function body() return 1 end
    misuse("returned a number", http.post, server.url .. "/echo", { body = body })
  end)

  it("uses a connection again", function()
    local first = http.get(server.url .. "/address").body
    assert.are.equal(first, http.get(server.url .. "/address").body)
  end)

  it("has many requests under way at once", function()
    local tasks = {}
    for i = 1, 200 do
      tasks[i] = neap.create_task(http.get, server.url .. "/echo?" .. i)
    end
    for i, one in ipairs(tasks) do
      assert.matches("^GET /echo%?" .. i .. "\n", one:await().body)
    end
  end)

  it("does not make the second request wait for the first", function()
    local fresh <close> = start_server() -- to which there is no connection yet
    local first = neap.create_task(http.get, fresh.url .. "/hang")
    neap.sleep(0.01)
    assert.are.equal(200, http.get(fresh.url .. "/json", { timeout = 10 }).status)
    first:cancel()
  end)

  -- ---- redirects ----

  it("follows redirects", function()
    local response = http.get(server.url .. "/redirect/302//redirect/301//json")
    assert.are.equal(server.url .. "/json", response.url)
    assert.are.same({ server.url .. "/redirect/302//redirect/301//json",
      server.url .. "/redirect/301//json" }, response.history)
    response = http.get(server.url .. "/redirect/302//json", { redirects = 0 })
    assert.are.same({ 302, "elsewhere", "/json" },
      { response.status, response.body, response.headers.location })
  end)

  it("changes the method as browsers do", function()
    local function first_line(method, status, body)
      return http.request({ method = method, body = body,
        url = ("%s/redirect/%d//echo"):format(server.url, status) }).body:match "^%w+"
    end
    assert.are.same({ "GET", "GET", "GET", "POST", "POST", "GET", "PUT" }, {
      first_line("POST", 301, "x"), first_line("POST", 302, "x"), first_line("POST", 303, "x"),
      first_line("POST", 307, "x"), first_line("POST", 308, "x"), first_line("PUT", 303, "x"),
      first_line("PUT", 302, "x"),
    })
  end)

  it("does not give credentials to another host", function()
    local options = { auth = { "u", "p" }, headers = { Cookie = "c", Authorization = "A" } }
    options.auth = nil
    local path = server.url .. "/redirect/302/"
    local same = http.get(path .. server.url .. "/echo", options).body
    assert.matches("Authorization: A", same, 1, true)
    local other = http.get(path .. ("http://localhost:%d/echo"):format(server.port), options).body
    assert.is_nil(other:find "Authorization")
    assert.is_nil(other:find "Cookie")
    other = http.get(path .. ("http://localhost:%d/echo"):format(server.port),
      { auth = { "u", "p" } }).body
    assert.is_nil(other:find "Authorization")
  end)

  it("refuses redirects without end, and to other protocols", function()
    fails("TOO_MANY_REDIRECTS", "/loop")
    fails("TOO_MANY_REDIRECTS", "/redirect/302//redirect/302//json", { redirects = 1 })
    fails("UNSUPPORTED_PROTOCOL", "/redirect/302/file:///etc/passwd")
    fails("UNSUPPORTED_PROTOCOL", "/redirect/302/ftp://127.0.0.1/")
    local ok, err = pcall(http.post, server.url .. "/redirect/307//echo",
      { body = function() end })
    assert.is_false(ok)
    assert.are.equal("SEND_FAIL_REWIND", err.code)
  end)

  -- ---- compression and limits ----

  it("decompresses", function()
    assert.are.equal("compressed", http.get(server.url .. "/gzip").body)
    local response = http.get(server.url .. "/gzip", { decompress = false })
    assert.are.equal("\x1f\x8b", response.body:sub(1, 2))
    fails("BAD_CONTENT_ENCODING", "/damaged")
  end)

  it("refuses compressed bombs, endless bodies and endless headers", function()
    fails("BODY_TOO_LARGE", "/bomb/65")
    fails("BODY_TOO_LARGE", "/bomb/2", { max_body = 1048576 })
    fails("BODY_TOO_LARGE", "/endless", { max_body = 1048576 })
    fails("HEADERS_TOO_LARGE", "/endless_headers")
    fails("HEADERS_TOO_LARGE", "/many_headers/1000", { max_headers = 1000 })
    local options = { stream = true, max_body = 1000000 }
    local response <close> = http.get(server.url .. "/bomb/2", options)
    local ok, err = pcall(function() for _ in response:chunks() do neap.sleep(0) end end)
    assert.is_false(ok)
    assert.are.equal("BODY_TOO_LARGE", err.code)
  end)

  it("reads a bomb piece by piece", function()
    local response, size = http.get(server.url .. "/bomb/8", { stream = true }), 0
    for chunk in response:chunks() do size = size + #chunk end
    assert.are.equal(8 << 20, size)
  end)

  -- ---- failures ----

  it("says what went wrong", function()
    fails("PARTIAL_FILE", "/truncated")
    fails("WEIRD_SERVER_REPLY", "/nul_header")
    fails("WEIRD_SERVER_REPLY", "/no_status")
    fails("WEIRD_SERVER_REPLY", "/folded_first") -- what libcurl knows is of another response
    fails("UNSUPPORTED_PROTOCOL", "/no_http") -- HTTP/0.9
    fails("RECV_ERROR", "/bad_chunk")
    local fresh <close> = start_server() -- on a connection used before libcurl would try again
    local ok, err = pcall(http.get, fresh.url .. "/nothing")
    assert.is_false(ok)
    assert.are.equal("GOT_NOTHING", err.code)
  end)

  it("is an OSError where the system refuses", function()
    local ok, err = pcall(http.get, "http://user:secret@127.0.0.1:1/")
    assert.is_false(ok)
    assert.is_true(neap.is(err, neap.OSError))
    assert.are.same({ "ECONNREFUSED", 111, "connect", "http://127.0.0.1:1/" },
      { err.code, err.errno, err.syscall, err.url })
    assert.is_nil(tostring(err):find "secret")
    ok, err = pcall(http.get, "http://nobody.invalid/")
    assert.is_false(ok)
    assert.are.equal("COULDNT_RESOLVE_HOST", err.code)
  end)

  it("does not take the system's error of a request before for its own", function()
    local ok, err = pcall(http.get, "http://127.0.0.1:1/")
    assert.are.same({ false, "ECONNREFUSED" }, { ok, err.code })
    fails("RECV_ERROR", "/bad_chunk")
  end)

  it("raises for a status if asked", function()
    local response = http.get(server.url .. "/status/404")
    assert.are.same({ 404, false }, { response.status, response.ok })
    local ok, err = pcall(response.raise_for_status, response)
    assert.is_false(ok)
    assert.is_true(neap.is(err, http.StatusError))
    assert.are.equal(404, err.status)
    assert.are.equal(response, err.response)
    response = http.get(server.url .. "/status/201")
    assert.are.equal(response, response:raise_for_status())
  end)

  -- ---- time and cancellation ----

  it("ends by its timeout, whoever sets it", function()
    for _, path in ipairs { "/hang", "/drip" } do
      local ok, err = pcall(http.get, server.url .. path, { timeout = 0.05 })
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.TimeoutError), tostring(err))
      assert.is_false((neap.move_on_after(0.05, http.get, server.url .. path)))
    end
  end)

  it("ends when its task is cancelled, wherever it is", function()
    local options = { {}, { stream = true }, { body = function() neap.sleep(100) end } }
    for _, path in ipairs { "/hang", "/drip", "/endless" } do
      for _, one in ipairs(options) do
        one.method, one.url = one.body and "POST" or "GET", server.url .. path
        local getter = neap.create_task(function() http.request(one):text() end)
        neap.sleep(0.01)
        getter:cancel()
        assert.is_true(neap.is(select(2, pcall(getter.await, getter)), neap.CancelledError))
      end
    end
    assert.are.equal(200, http.get(server.url .. "/json").status)
  end)

  it("may be left in the middle of a run, and used in the next #plain", function()
    neap.run(function()
      for _ = 1, 20 do neap.create_task(http.get, server.url .. "/hang") end
      neap.sleep(0.02)
    end)
    neap.run(function() assert.are.equal(200, http.get(server.url .. "/json").status) end)
  end)

  it("holds the virtual clock", function()
    local _ <close> = require "neap.testing".virtual_clock()
    local sleeper = neap.create_task(neap.sleep, 1)
    http.get(server.url .. "/json")
    assert.are.equal(0, neap.time())
    sleeper:await()
    assert.are.equal(1, neap.time())
  end)

  -- ---- misuse ----

  it("checks its arguments", function()
    misuse("no url", http.get)
    misuse("http:// or https:// and a host", http.get, "ftp://x/")
    misuse("http:// or https:// and a host", http.get, "http:///x")
    misuse("NUL or line end", http.get, "http://x/\r\nA: 1")
    misuse("NUL or line end", http.get, "http://x/\0")
    misuse("spaces and control", http.get, "http://x/a b")
    misuse("bad method", http.request, { url = "http://x", method = "GET /" })
    misuse("bad method", http.request, { url = "http://x", method = "CONNECT" })
    misuse("NUL or line end", http.request, { url = "http://x", method = "A\r\nB" })
    misuse("NUL or line end", http.get, "http://x", { headers = { A = "1\r\nB: 2" } })
    misuse("NUL or line end", http.get, "http://x", { headers = { A = "1\0" } })
    misuse("bad name of a header", http.get, "http://x", { headers = { ["A\n"] = "1" } })
    misuse("bad name of a header", http.get, "http://x", { headers = { "A: 1" } })
    misuse("there twice", http.get, "http://x", { headers = { A = "1", a = "1" } })
    misuse("Transfer-Encoding", http.get, "http://x", { headers = { ["transfer-encoding"] = "x" } })
    misuse("Content-Length", http.post, "http://x",
      { body = "ab", headers = { ["content-length"] = 1 } })
    misuse("has no option 'bodi'", http.get, "http://x", { bodi = "" })
    misuse("only one of", http.post, "http://x", { body = "", json = 1 })
    misuse("string or function expected, got table", http.post, "http://x", { body = {} })
    misuse("bad option 'timeout'", http.get, "http://x", { timeout = 0 / 0 })
    misuse("bad option 'redirects'", http.get, "http://x", { redirects = -1 })
    misuse("table expected", http.get, "http://x", "options")
    misuse("table expected", http.request, "http://x")
  end)

  it("is for tasks #plain", function()
    misuse("outside a task", http.get, server.url)
  end)

  it("says in the tree of tasks which response is waited for", function()
    local silent <close> = neap.net.listen("127.0.0.1", 0, function(stream) stream:read_all() end)
    local url = ("http://127.0.0.1:%d/"):format(select(2, silent:sockname()))
    local task = neap.create_task(http.get, url)
    neap.testing.settle()
    assert.matches("HTTP response " .. url, neap.format_tasks(), 1, true)
    task:cancel()
    pcall(task.await, task)
  end)

  it("a response that is closed under its reader is an error there", function()
    local response = http.get(server.url .. "/drip", { stream = true })
    assert.are.equal("first", response:read())
    local reader = neap.create_task(response.read, response)
    neap.sleep(0.01)
    response:close()
    local ok, err = pcall(reader.await, reader)
    assert.is_false(ok)
    assert.matches("the response has been closed", tostring(err), 1, true)
    assert.is_nil(response:read())
  end)

  it("a connection that is reset is an error of the system's", function()
    -- What the peer has not read when it closes makes a reset.
    local rude <close> = neap.net.listen("127.0.0.1", 0, function(stream) stream:read(1) end)
    local ok, err = pcall(http.post, ("http://127.0.0.1:%d/"):format(select(2, rude:sockname())),
      { body = ("x"):rep(100000) })
    assert.is_false(ok)
    assert.are.equal("ECONNRESET", err.code, tostring(err))
    assert.is_true(err.errno ~= nil)
  end)

  it("what has come of a stream before it failed is given, and then the error", function()
    local response <close> = http.get(server.url .. "/zeros/1000000",
      { stream = true, max_body = 10 })
    assert.are.equal(200, response.status)
    local ok, err = pcall(response.text, response)
    assert.is_false(ok)
    assert.are.equal("BODY_TOO_LARGE", err.code)
  end)

  it("sending a body ends early where the response does not wait for it", function()
    local stubborn <close> = neap.net.listen("127.0.0.1", 0, function(stream)
      stream:read_until "\r\n\r\n"
      stream:write "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
      stream:shutdown()
      while stream:read() do neap.sleep(0) end
    end)
    local sent = 0
    local response = http.post(("http://127.0.0.1:%d/"):format(select(2, stubborn:sockname())),
      { body = function()
        sent = sent + 1
        neap.sleep(0.01)
        return sent < 500 and ("x"):rep(1000) or nil
      end })
    assert.are.equal(413, response.status)
    assert.is_true(sent < 500, "all was sent")
  end)

  it("takes URLs with a scheme in capitals", function()
    local url = "HTTP" .. server.url:sub(5) .. "/json"
    assert.are.equal(200, http.get(url, { http_version = "2" }).status)
  end)
end)
