-- neap.http's client and the certificates that servers show.
local http = require "neap.http"
local neap = require "neap"
local net = require "neap.net"
local start_server = require "spec.support.http_server"

local directory = os.tmpname()

--- Makes a certificate for itself: its file and that of its key.
local MAKE = [[
unset LD_PRELOAD; cd DIR &&
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
  -keyout NAME.key -out NAME.csr -subj /CN=test 2>/dev/null &&
printf 'subjectAltName=SUBJECT\nbasicConstraints=CA:TRUE\n' >NAME.ext &&
openssl x509 -req -in NAME.csr -signkey NAME.key -days DAYS -extfile NAME.ext -out NAME.pem \
  2>/dev/null]]

local function certificate(name, subject, days)
  local values = { DIR = directory, NAME = name, SUBJECT = subject, DAYS = days }
  assert(os.execute((MAKE:gsub("%u+", values))))
  return ("%s/%s.pem"):format(directory, name), ("%s/%s.key"):format(directory, name)
end

describe("neap.http over TLS", function()
  setup(function()
    os.remove(directory)
    assert(os.execute("mkdir " .. directory))
  end)
  teardown(function() os.execute("rm -r " .. directory) end)

  --- Runs body(get, certificate) with a server that shows the certificate made so.
  local function with(name, subject, days, body)
    local pem, key = certificate(name, subject, days)
    local server <close> = start_server(pem, key)
    body(function(options, path)
      return http.get(server.url .. (path or "/json"), options)
    end, pem)
  end

  local function refused(code, get, options, path)
    local ok, err = pcall(get, options, path)
    assert.is_false(ok, "no error")
    assert.is_true(neap.is(err, http.RequestError), tostring(err))
    assert.are.equal(code, err.code)
  end

  it("gives all requests the same time to connect, though they wait for the first", function()
    local taken = 0
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      taken = taken + 1
      while stream:read() do end -- luacheck: ignore 542
    end)
    local url = ("https://127.0.0.1:%d/"):format(select(2, server:sockname()))
    local outcomes, tasks = {}, {}
    for i = 1, 5 do
      tasks[i] = neap.create_task(function()
        local _, err = neap.pcall(http.get, url, { connect_timeout = 0.1 })
        outcomes[i] = neap.is(err, neap.TimeoutError) and "timeout" or tostring(err)
      end)
    end
    for _, task in ipairs(tasks) do task:await() end
    assert.are.same({ "timeout", "timeout", "timeout", "timeout", "timeout" }, outcomes)
    assert.are.equal(1, taken) -- not one after the other, each with its own time
  end)

  it("trusts who it is told to, and nobody by itself", function()
    with("good", "IP:127.0.0.1", 2, function(get, pem)
      refused("PEER_FAILED_VERIFICATION", get)
      assert.are.equal(200, get({ ca_file = pem }).status)
      assert.are.equal(200, get({ verify = false }).status)
      refused("PEER_FAILED_VERIFICATION", get) -- the connection without a check is not used
      refused("SSL_CACERT_BADFILE", get, { ca_file = "/nonexistent" })
    end)
  end)

  it("refuses the certificate of another host", function()
    with("other", "IP:127.0.0.2,DNS:example.org", 2, function(get, pem)
      refused("PEER_FAILED_VERIFICATION", get, { ca_file = pem })
    end)
  end)

  it("refuses a certificate that has expired", function()
    with("expired", "IP:127.0.0.1", -1, function(get, pem)
      refused("PEER_FAILED_VERIFICATION", get, { ca_file = pem })
    end)
  end)

  it("refuses a redirect to where nobody is verified", function()
    with("down", "IP:127.0.0.1", 2, function(get, pem)
      refused("INSECURE_REDIRECT", get, { ca_file = pem }, "/redirect/302/http://127.0.0.1:1/")
    end)
  end)

  --- The body in both ways to get it, or the code of the error; `before` is what came before it.
  local function outcomes(url, options, before)
    local ok, whole = pcall(http.get, url, options)
    whole = ok and whole.body or whole.code
    options.stream = true
    local response <close> = http.get(url, options)
    local got = {}
    local streamed, err = pcall(function()
      for piece in response:chunks() do got[#got + 1] = piece end
    end)
    if before then assert.are.equal(before, table.concat(got)) end
    return { whole, streamed and table.concat(got) or err.code }
  end

  for _, version in ipairs { "TLSv1_2", "TLSv1_3" } do
    it("tells a body that was cut off from one that ends, by " .. version, function()
      local pem, key = certificate("cut", "IP:127.0.0.1", 2)
      local server <close> = start_server(pem, key, version)
      local function get(how, before)
        return outcomes(server.url .. "/until_close/" .. how, { ca_file = pem }, before)
      end
      assert.are.same({ "PARTIAL_FILE", "PARTIAL_FILE" }, get("cut", "some"))
      assert.are.same({ "some", "some" }, get "clean")
      assert.are.same({ "some", "some" }, get "chunks")
      assert.are.same({ "", "" }, get "empty")
      local ok, err = pcall(http.get, server.url .. "/until_close/cut", { ca_file = pem })
      assert.is_false(ok)
      assert.matches("cut off", err.message, 1, true)
      assert.are.equal(200,
        http.head(server.url .. "/until_close/cut", { ca_file = pem }).status)
      assert.are.equal(200, http.get(server.url .. "/json", { ca_file = pem }).status)
      assert.are.same({ "PARTIAL_FILE", "PARTIAL_FILE" }, get "cut")
    end)
  end

  it("takes the end of a connection without TLS for that of a body", function()
    local server <close> = start_server()
    assert.are.same({ "some", "some" }, outcomes(server.url .. "/until_close/plain", {}))
  end)

  it("refuses a server without TLS", function()
    local server <close> = start_server()
    refused("SSL_CONNECT_ERROR", http.get, ("https://127.0.0.1:%d/json"):format(server.port))
  end)
end)
