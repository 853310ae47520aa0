-- neap.http's client by way of proxies and of Unix sockets.
local certificates = require "spec.support.certificates"
local fs = require "neap.fs"
local http = require "neap.http"
local neap = require "neap"
local net = require "neap.net"
local new_proxy = require "spec.support.proxy"
local process = require "spec.support.process"

local BASIC = "auth Basic dXNlcjpzZWNyZXQ=" -- user:secret
local AUTHORIZATION = "Basic dXNlcjpzZWNyZXQ="

local function answer(request)
  return request.method .. " " .. request.path .. " " .. request.body
end

local function serve(options)
  local server = http.serve("127.0.0.1", 0, answer, options)
  return server, select(2, server:sockname())
end

local function serve_tls()
  local files = certificates()
  return serve { tls = { cert_file = files.server, key_file = files.key } }
end

local function with_credentials(proxy)
  return proxy.url:gsub("//", "//user:secret@")
end

local function refused(code, url, options)
  local ok, err = pcall(http.get, url, options)
  assert.is_false(ok, "no error")
  assert.is_true(neap.is(err, http.RequestError), tostring(err))
  assert.are.equal(code, err.code)
  assert.is_nil(tostring(err):find("secret", 1, true), tostring(err))
end

describe("a proxy", function()
  it("gets the whole url, and forwards the request", function()
    local server <close>, port = serve()
    local proxy <close> = new_proxy()
    local url = ("http://127.0.0.1:%d/a"):format(port)
    assert.are.equal("POST /a body", http.post(url, { proxy = proxy.url, body = "body" }).body)
    assert.are.same({ "POST " .. url .. " HTTP/1.1" }, proxy.log)
    assert(server)
  end)

  it("resolves the name, which the client need not know", function()
    local proxy <close> = new_proxy {
      answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    }
    assert.are.equal("ok", http.get("http://nowhere.invalid/", { proxy = proxy.url }).body)
    assert.are.same({ "GET http://nowhere.invalid/ HTTP/1.1" }, proxy.log)
  end)

  it("is a tunnel for https, in which the server is verified", function()
    local server <close>, port = serve_tls()
    local proxy <close> = new_proxy()
    local url = ("https://localhost:%d/a"):format(port)
    local options = { proxy = proxy.url, ca_file = certificates().ca }
    local response = http.get(url, options)
    assert.are.equal("GET /a ", response.body)
    assert.are.equal("2", response.headers["content-length"] and "2") -- the server's, not CONNECT's
    assert.are.same({ ("CONNECT localhost:%d HTTP/1.1"):format(port) }, proxy.log)
    http.get(url, options)
    assert.are.equal(1, #proxy.log) -- the tunnel is used again
    refused("PEER_FAILED_VERIFICATION", url, { proxy = proxy.url })
    assert(server)
  end)

  it("is given the user and password of its url, and the server is not", function()
    local server <close>, port = serve_tls()
    local plain <close> = http.serve("127.0.0.1", 0, function(request)
      return tostring(request.headers["proxy-authorization"])
    end)
    local plain_port = select(2, plain:sockname())
    local proxy <close> = new_proxy { authorization = AUTHORIZATION }
    local options = { proxy = with_credentials(proxy), ca_file = certificates().ca }
    assert.are.equal("nil", http.get(("http://127.0.0.1:%d/"):format(plain_port), options).body)
    assert.are.equal("GET / ", http.get(("https://localhost:%d/"):format(port), options).body)
    assert.are.same({
      ("GET http://127.0.0.1:%d/ HTTP/1.1"):format(plain_port), BASIC,
      ("CONNECT localhost:%d HTTP/1.1"):format(port), BASIC,
    }, proxy.log)
    assert(server)
  end)

  it("that wants credentials answers 407, which of CONNECT is an error", function()
    local proxy <close> = new_proxy { authorization = "Basic other" }
    local options = { proxy = with_credentials(proxy) }
    local response = http.get("http://127.0.0.1:1/", options)
    assert.are.same({ 407, "no" }, { response.status, response.body })
    refused("RECV_ERROR", "https://127.0.0.1:1/", options)
  end)

  it("that speaks another protocol, hangs up, or is not there is an error", function()
    local babbling <close> = new_proxy { answer = "SSH-2.0-OpenSSH\r\n\r\n" }
    local mute <close> = new_proxy { answer = "" }
    refused("RECV_ERROR", "https://127.0.0.1:1/", { proxy = mute.url })
    refused("GOT_NOTHING", "http://127.0.0.1:1/", { proxy = mute.url })
    local ok, err = pcall(http.get, "https://127.0.0.1:1/", { proxy = babbling.url, timeout = 20 })
    assert.is_false(ok)
    assert.is_true(neap.is(err, http.RequestError), tostring(err))
    refused("ECONNREFUSED", "http://127.0.0.1/", { proxy = "http://127.0.0.1:1" })
    refused("COULDNT_RESOLVE_PROXY", "http://127.0.0.1/", { proxy = "http://nowhere.invalid" })
  end)

  it("that does not answer is left when time is up", function()
    local silent <close> = net.listen("127.0.0.1", 0, function(stream) stream:read_all() end)
    local url = ("http://127.0.0.1:%d"):format(select(2, silent:sockname()))
    for _, scheme in ipairs { "http", "https" } do
      local ok, err = pcall(http.get, scheme .. "://127.0.0.1:1/", { proxy = url, timeout = 0.05 })
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.TimeoutError), tostring(err))
    end
  end)
end)

describe("the proxies of the environment", function()
  local SCRIPT = [[
    local neap, http, net = require "neap", require "neap.http", require "neap.net"
    local new_proxy = require "spec.support.proxy"
    local mine <close> = new_proxy {
      answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nby mine" }
    local server <close> = http.serve("127.0.0.1", 0, function() return "direct" end)
    local url = "http://127.0.0.1:" .. select(2, server:sockname())
    local function try(options)
      local ok, result = pcall(http.get, url, options)
      print(ok and result.body or result.code)
    end
    try()
    try { proxy = false }
    try { proxy = mine.url }]]

  local function run(env)
    return process.run({ "neap", "-e", SCRIPT }, { env = env }).stdout
  end

  it("are used, but for the hosts of no_proxy; an option comes first", function()
    local dead = "http://127.0.0.1:1"
    assert.are.equal("ECONNREFUSED\ndirect\nby mine\n", run { http_proxy = dead })
    assert.are.equal("ECONNREFUSED\ndirect\nby mine\n", run { all_proxy = dead })
    assert.are.equal("direct\ndirect\nby mine\n", run { https_proxy = dead })
    assert.are.equal("direct\ndirect\ndirect\n", run {
      http_proxy = dead, no_proxy = "example.org,127.0.0.1" })
    assert.are.equal("direct\ndirect\nby mine\n", run {})
  end)
end)

describe("a Unix socket", function()
  it("is connected to instead of the url's host", function()
    local path = os.tmpname()
    os.remove(path)
    local server <close> = net.listen_unix(path, function(stream)
      local head = stream:read_until "\r\n\r\n"
      stream:write(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#head, head))
    end)
    local head = http.get("http://nowhere.invalid/a", { unix_socket = path }).body
    assert.matches("^GET /a HTTP/1.1\r\nHost: nowhere.invalid\r\n", head)
    fs.unlink(path)
    refused("ENOENT", "http://nowhere.invalid/b", { unix_socket = path })
    assert(server)
  end)
end)
