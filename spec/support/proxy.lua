-- A small HTTP proxy, for specs: it forwards requests of absolute urls, and tunnels by CONNECT.
--
--   local proxy <close> = start([options])
--     proxy.url   "http://127.0.0.1:PORT"
--     proxy.log   first lines of the requests it got, and "auth VALUE" where it was given one
--
--   options  credentials  "user:secret", without which it answers 407
--            answer       what it says to everything, instead of doing it
local neap = require "neap"
local net = require "neap.net"

local Proxy = {}
Proxy.__index = Proxy

local function pump(from, to)
  for data in function() return from:read() end do to:write(data) end
  to:shutdown()
end

--- Both ways, until both have ended.
local function join(one, other)
  neap.task_group(function(group)
    group:create_task(pump, one, other)
    pump(other, one)
  end)
end

local function tunnel(stream, host, port)
  local target <close> = net.connect(host, tonumber(port))
  stream:write "HTTP/1.1 200 Connection established\r\n\r\n"
  join(stream, target)
end

--- Sends the head on, in the form that servers know, with "Connection: close".
local function forward(stream, head)
  local method, host, port, path = head:match "^(%u+) http://([^:/]+):?(%d*)(%S*)"
  local target <close> = net.connect(host, tonumber(port) or 80)
  local _, rest = head:match "^([^\r]*)\r\n(.*)$"
  rest = rest:gsub("Proxy%-[^\r]*\r\n", "")
  target:write(("%s %s HTTP/1.1\r\nConnection: close\r\n%s"):format(method, path, rest))
  join(stream, target)
end

local function serve(proxy, stream)
  local head = stream:read_until "\r\n\r\n"
  local authorization = head:match "\r\nProxy%-Authorization: ([^\r]*)"
  proxy.log[#proxy.log + 1] = head:match "^[^\r]*"
  if authorization then proxy.log[#proxy.log + 1] = "auth " .. authorization end
  local options = proxy.options
  if options.answer then
    stream:write(options.answer)
  elseif options.authorization ~= (options.authorization and authorization) then
    stream:write("HTTP/1.1 407 Proxy Authentication Required\r\n"
      .. "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 2\r\n"
      .. "Connection: close\r\n\r\nno")
  else
    local host, port = head:match "^CONNECT ([^:]+):(%d+) "
    if host then tunnel(stream, host, port) else forward(stream, head) end
  end
end

function Proxy:__close()
  self.listener:close()
  for stream in pairs(self.streams) do stream:close() end
  self.listener:wait_closed()
end

return function(options)
  local proxy = setmetatable({ log = {}, streams = {}, options = options or {} }, Proxy)
  proxy.listener = net.listen("127.0.0.1", 0, function(stream)
    proxy.streams[stream] = true
    pcall(serve, proxy, stream) -- whoever is gone is gone
    proxy.streams[stream] = nil
  end)
  proxy.port = select(2, proxy.listener:sockname())
  proxy.url = "http://127.0.0.1:" .. proxy.port
  return proxy
end
