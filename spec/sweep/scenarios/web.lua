-- HTTP, TLS and JSON: the libraries behind them are OpenSSL, curl, http_parser and Jansson.
local http = require "neap.http"
local json = require "neap.json"
local neap = require "neap"
local net = require "neap.net"
local testing = require "neap.testing"
local tls = require "neap.tls"

local directory = os.getenv "NEAP_SWEEP_DIR" or "/tmp"
local own = { cert_file = directory .. "/cert.pem", key_file = directory .. "/key.pem" }
local trusted = { ca_file = own.cert_file, server_name = "localhost" }

local function answer(request)
  if request.path == "/echo" then return { body = request.body } end
  if request.path == "/moved" then return { status = 302, headers = { location = "/" } } end
  if request.path == "/missing" then error(http.HTTPError { status = 404, message = "no" }) end
  if request.path == "/pieces" then
    local n = 0
    return { body = function()
      n = n + 1
      neap.sleep(0)
      return n <= 3 and "piece " or nil
    end }
  end
  return "hello"
end

--- A server that ends all connections at the end of a block: libcurl may keep one that it
--- has not used, for which the server would wait; and the virtual clock stands still then.
local function serve(options)
  local server = http.serve("127.0.0.1", 0, answer, options)
  return setmetatable({}, {
    __index = {
      sockname = function() return server:sockname() end,
      shutdown = function(_, grace) server:shutdown(grace) end,
    },
    __close = function() server:shutdown(0) end,
  })
end

local function url(server, path)
  return ("http://127.0.0.1:%d%s"):format(select(2, server:sockname()), path or "/")
end

local function raw(server, text)
  local stream <close> = net.connect("127.0.0.1", select(2, server:sockname()))
  stream:write(text)
  return stream:read_all()
end

local function requests()
  return {
    ["a request"] = function()
      local server <close> = serve()
      local response = http.get(url(server))
      assert(response.status == 200 and response.body == "hello")
    end,
    ["a request with a body"] = function()
      local server <close> = serve()
      local sent = { 1, "two", { three = 3 } }
      local response = http.post(url(server, "/echo"), { json = sent })
      assert(response:json()[3].three == 3)
    end,
    ["a response in pieces"] = function()
      local server <close> = serve()
      local text = ""
      local response <close> = http.get(url(server, "/pieces"), { stream = true })
      for piece in response:chunks() do text = text .. piece end
      assert(text == "piece piece piece ")
    end,
    ["a redirection"] = function()
      local server <close> = serve()
      local response = http.get(url(server, "/moved"))
      assert(response.body == "hello" and #response.history == 1)
    end,
    ["an error's status"] = function()
      local server <close> = serve()
      local response = http.get(url(server, "/missing"))
      assert(response.status == 404 and response.body:find "no")
    end,
    ["a request is cancelled"] = function()
      local server <close> = serve()
      local task = neap.create_task(http.get, url(server))
      neap.sleep(0)
      task:cancel()
      pcall(task.await, task)
    end,
    ["a stream of a response is dropped"] = function()
      local server <close> = serve()
      local response = http.get(url(server, "/pieces"), { stream = true })
      response:close()
    end,
    ["two requests on one connection"] = function()
      local server <close> = serve()
      local text = raw(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /missing HTTP/1.1\r\n" ..
        "Host: a\r\nConnection: close\r\n\r\n")
      assert(text:find "hello" and text:find " 404 ")
    end,
    ["a request that is none"] = function()
      local server <close> = serve()
      assert(raw(server, "nonsense\r\n\r\n"):find " 400 ")
    end,
    ["a server shuts down"] = function()
      local server <close> = serve()
      http.get(url(server))
      server:shutdown(1)
    end,
  }
end

--- Two ends of TLS on streams in memory would need a server's wrap; so on a socket.
local function behind_tls()
  local function listen(handler)
    return tls.listen("127.0.0.1", 0, handler, own)
  end
  local function connect(server, options)
    return tls.connect("127.0.0.1", select(2, server:sockname()), options or trusted)
  end
  return {
    ["a line there and back, behind TLS"] = function()
      local server <close> = listen(function(stream)
        for line in stream:lines() do stream:write(line, "\n") end
        stream:shutdown()
      end)
      local stream <close> = connect(server)
      stream:write "hello\n"
      assert(stream:read_line() == "hello")
      stream:shutdown()
      assert(stream:read() == nil)
    end,
    ["a certificate that nobody trusts"] = function()
      local server <close> = listen(function() end)
      local ok, err = pcall(connect, server, { server_name = "localhost" })
      assert(not ok and (not neap.is(err, tls.TLSError) or err.message:find "certificate"))
    end,
    ["files that are no certificates"] = function()
      local ok, err = pcall(tls.listen, "127.0.0.1", 0, print, { cert_file = "/dev/null" })
      assert(not ok and err)
    end,
    ["a handshake is given up"] = function()
      local server <close> = listen(function() end)
      local task = neap.create_task(connect, server)
      neap.sleep(0)
      task:cancel()
      pcall(task.await, task)
    end,
    ["a peer without TLS"] = function()
      local server <close> = net.listen("127.0.0.1", 0, function(stream) stream:write "hello\n" end)
      assert(not pcall(connect, server))
    end,
    ["a request behind TLS"] = function()
      local server <close> = serve { tls = own }
      local response = http.get(
        ("https://localhost:%d/"):format(select(2, server:sockname())), { ca_file = own.cert_file })
      assert(response.body == "hello")
    end,
  }
end

local scenarios = {
  ["JSON there and back"] = function()
    local text = '{"a":[1,2.5,true,null,"\\u00e9"],"b":{}}'
    local value = json.decode(text)
    assert(value.a[1] == 1 and value.a[4] == json.null)
    assert(json.decode(json.encode(value)).a[5] == "\u{e9}")
  end,
  ["text that is no JSON"] = function()
    local ok, err = pcall(json.decode, '{"a":[1,2,}')
    assert(not ok and (not neap.is(err, json.DecodeError) or err.line == 1))
  end,
  ["values that JSON has no place for"] = function()
    assert(not pcall(json.encode, { 1, { print } }))
  end,
  ["TLS with a peer in memory that says nothing"] = function()
    local a, b = testing.memory_stream()
    local _ <close> = a
    local _ <close> = b
    local task = neap.create_task(tls.wrap, a, { server_name = "localhost" })
    assert(#b:read() > 100)
    b:close()
    assert(not pcall(task.await, task))
  end,
}

for _, more in ipairs { requests(), behind_tls() } do
  for name, scenario in pairs(more) do scenarios[name] = scenario end
end
return scenarios
