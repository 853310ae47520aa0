-- neap.http's client and HTTP/2, as nginx speaks it.
local certificates = require "spec.support.certificates"
local fs = require "neap.fs"
local http = require "neap.http"
local neap = require "neap"
local net = require "neap.net"

local NGINX = "/usr/sbin/nginx"

local CONFIG = [[
daemon off; master_process off; pid DIR/pid; error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path DIR/body; proxy_temp_path DIR/p;
  fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  server {
    listen 127.0.0.1:PORT_TLS ssl http2; listen 127.0.0.1:PORT_PLAIN http2;
    ssl_certificate CERT; ssl_certificate_key KEY;
    location = /connection { return 200 $connection; }
    location = /length { proxy_pass http://127.0.0.1:PORT_BACK; }
    location = /headers { add_header X-Two 1; add_header X-Two 2; return 404 $http_x_mine; }
    location = /cut { return 444; }
    location = /redirect { return 302 /connection; }
    location = /big { root DIR; }
  }
  server {
    listen 127.0.0.1:PORT_BACK;
    location = /length { return 200 $content_length; }
  }
}
]]

local BIG = 4 * 1024 * 1024

local function free_port()
  local server <close> = net.listen("127.0.0.1", 0, function() end)
  return select(2, server:sockname())
end

local function wait_until_it_listens(port)
  for _ = 1, 500 do
    local ok, stream = pcall(net.connect, "127.0.0.1", port)
    if ok then return stream:close() end
    neap.sleep(0.01)
  end
  error "nginx does not listen"
end

describe("HTTP/2", function()
  local nginx, dir, url, plain_url, ca

  local function start()
    local files = certificates()
    local values = {
      DIR = fs.mkdtemp "/tmp/neap-nginx-XXXXXX", CERT = files.server, KEY = files.key,
      PORT_TLS = free_port(), PORT_PLAIN = free_port(), PORT_BACK = free_port(),
    }
    ca, dir = files.ca, values.DIR
    fs.write_file(dir .. "/conf", (CONFIG:gsub("[%u_]+", values)))
    fs.write_file(dir .. "/big", ("0123456789abcdef"):rep(BIG // 16))
    -- It belongs to all tests, so none of neap's processes.
    local command = "unset LD_PRELOAD; echo $$; exec timeout 60 %s -p %s -c %s/conf 2>/dev/null"
    local pipe = assert(io.popen(command:format(NGINX, dir, dir)))
    nginx = { pipe = pipe, pid = pipe:read "n" }
    wait_until_it_listens(values.PORT_PLAIN)
    url = ("https://localhost:%d"):format(values.PORT_TLS)
    plain_url = ("http://127.0.0.1:%d"):format(values.PORT_PLAIN)
  end

  teardown(function()
    if not nginx then return end
    os.execute("unset LD_PRELOAD; kill " .. nginx.pid)
    nginx.pipe:close()
    os.execute("rm -rf " .. dir)
  end)

  local function with_nginx(body)
    return function()
      if not fs.exists(NGINX) then return pending "nginx is not installed" end
      if not nginx then start() end
      return body()
    end
  end

  local function get(path, options)
    options = options or {}
    options.ca_file = ca
    return http.get(url .. path, options)
  end

  it("is spoken where TLS negotiates it", with_nginx(function()
    local response = get("/headers", { headers = { ["X-Mine"] = "mine" } })
    assert.are.same({ 404, "", "2", "mine" },
      { response.status, response.reason, response.version, response.body })
    assert.are.equal("1.1", get("/connection", { http_version = "1.1" }).version)
  end))

  it("has all requests on one connection, at once", with_nginx(function()
    local first = get("/connection").body
    local tasks = {}
    for i = 1, 100 do tasks[i] = neap.create_task(get, "/connection") end
    for _, one in ipairs(tasks) do
      local response = one:await()
      assert.are.same({ "2", first }, { response.version, response.body })
    end
  end))

  it("is spoken in the clear to whom is known to know it", with_nginx(function()
    local options = { http_version = "2-prior-knowledge" }
    local response = http.get(plain_url .. "/connection", options)
    assert.are.same({ 200, "2" }, { response.status, response.version })
  end))

  it("does not wait for a response to find out what is known", with_nginx(function()
    local asked = neap.event()
    local slow <close> = net.listen("127.0.0.1", 0, function(stream)
      if stream:read():find "^GET" then
        asked:set()
        neap.sleep(1000)
      end
      stream:write "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    end)
    local its_url = ("http://127.0.0.1:%d/"):format(select(2, slow:sockname()))
    local waits = neap.create_task(http.get, its_url)
    asked:wait()
    local ok, err = pcall(http.get, its_url, { http_version = "2-prior-knowledge" })
    assert.is_false(ok) -- it was asked: that server has HTTP/1.1 only
    assert.is_true(neap.is(err, http.RequestError), tostring(err))
    waits:cancel()
    assert.is_false(pcall(waits.await, waits))
  end))

  it("follows redirects, and takes uploads", with_nginx(function()
    local response = get("/redirect")
    assert.are.same({ 200, 1 }, { response.status, #response.history })
    local function upload(body)
      local options = { ca_file = ca, body = body }
      return tonumber(http.post(url .. "/length", options).body)
    end
    assert.are.equal(1, upload "x")
    assert.are.equal(500000, upload(("x"):rep(500000))) -- passed on when all of it has come
  end))

  it("holds back the server while nobody reads, and one stream only", with_nginx(function()
    local slow <close> = get("/big", { stream = true })
    local first = slow:read()
    assert.are.equal(BIG, #get("/big").body)
    local size = #first
    for chunk in slow:chunks() do size = size + #chunk end
    assert.are.equal(BIG, size)
  end))

  it("ends a stream that is left, and the connection stays", with_nginx(function()
    local connection = get("/connection").body
    local response = get("/big", { stream = true })
    response:read()
    response:close()
    local task = neap.create_task(get, "/big")
    neap.sleep(0)
    neap.sleep(0)
    task:cancel()
    assert.is_false(pcall(task.await, task))
    assert.are.equal(connection, get("/connection").body)
  end))

  it("that is cut off is an error", with_nginx(function()
    local ok, err = pcall(get, "/cut")
    assert.is_false(ok)
    assert.is_true(neap.is(err, http.RequestError), tostring(err))
  end))
end)
