-- A reverse proxy: hands requests on to another server, and its answers back,
-- piece by piece, so that neither has to fit into memory.
--
--   neap scripts/reverse_proxy.lua http://127.0.0.1:8080 [port]
local neap = require "neap"
local http = require "neap.http"

-- Headers about one connection, not about the message (RFC 9110, 7.6.1).
local HOP_BY_HOP = {
  connection = true, ["keep-alive"] = true, ["proxy-authenticate"] = true, te = true,
  ["proxy-authorization"] = true, trailer = true, ["transfer-encoding"] = true, upgrade = true,
}

local function end_to_end(headers)
  local kept = {}
  for name, value in pairs(headers) do
    if not HOP_BY_HOP[name:lower()] then kept[name] = value end
  end
  return kept
end

local function forward(upstream, request)
  local headers = end_to_end(request.headers)
  headers.host, headers.expect = nil, nil
  headers["x-forwarded-for"] = (request:peername())
  local has_body = request.length ~= nil or request.chunked
  local ok, response = neap.pcall(http.request, {
    method = request.method, url = upstream .. request.target, headers = headers,
    body = has_body and request:chunks() or nil,
    stream = true, redirects = 0, decompress = false, timeout = 30,
  })
  if not ok then
    io.stderr:write(("%s %s: %s\n"):format(request.method, request.target, tostring(response)))
    error(http.HTTPError { status = 502, message = "the server behind does not answer" })
  end
  return {
    status = response.status,
    headers = end_to_end(response.headers),
    body = response:chunks(),
  }
end

local function main(upstream, port)
  if not upstream then error("which server? For example: http://127.0.0.1:8080", 0) end
  local server <close> = http.serve("127.0.0.1", port or 8081, function(request)
    return forward(upstream, request)
  end, { max_body_bytes = 1 << 30 })
  print(("listening on %s:%d"):format(server:sockname()))
  io.stdout:flush()
  server:serve_forever()
end

local upstream, port = arg and arg[1], arg and tonumber(arg[2])
if neap.current_task() then main(upstream, port) else neap.run(main, upstream, port) end
