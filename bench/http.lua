-- An HTTP server, and a client that asks one.
-- usage: neap bench/http.lua serve PORT | serve-tls PORT | ask PORT PATH IN-FLIGHT SECONDS
local neap = require "neap"
local http = require "neap.http"

local what, port, path, in_flight, seconds = table.unpack(arg)

if what == "serve" or what == "serve-tls" then
  local bodies = {
    ["/hello"] = "Hello, world!", ["/16k"] = ("x"):rep(16384), ["/1m"] = ("x"):rep(1 << 20),
  }
  local tls = { cert_file = "bench/build/tls.pem", key_file = "bench/build/tls.key" }
  local headers = { ["content-type"] = "text/plain" }
  local server <close> = http.serve("127.0.0.1", tonumber(port), function(request)
    local body = bodies[request.path]
    return { status = body and 200 or 404, headers = headers, body = body }
  end, { tls = what == "serve-tls" and tls or nil })
  server:serve_forever()
end

-- for_seconds(s) -> requests answered, seconds, CPU seconds
local function for_seconds(s)
  local url = ("http://127.0.0.1:%s%s"):format(port, path)
  local count, began, cpu = 0, neap.time(), os.clock()
  neap.task_group(function(group)
    for _ = 1, in_flight do
      group:create_task(function()
        repeat
          assert(http.get(url).status == 200)
          count = count + 1
        until neap.time() - began >= s
      end)
    end
  end)
  return count, neap.time() - began, os.clock() - cpu
end

for_seconds(0.5)
print("ask", for_seconds(tonumber(seconds)))
