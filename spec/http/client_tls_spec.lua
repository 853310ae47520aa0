-- neap.http's client and the certificates that servers show.
local http = require "neap.http"
local neap = require "neap"
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

  it("refuses a server without TLS", function()
    local server <close> = start_server()
    refused("SSL_CONNECT_ERROR", http.get, ("https://127.0.0.1:%d/json"):format(server.port))
  end)
end)
