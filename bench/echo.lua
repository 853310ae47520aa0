-- An echo server.  usage: neap bench/echo.lua PORT
local net = require "neap.net"

local server <close> = net.listen("127.0.0.1", tonumber(arg[1]), function(stream)
  local data = stream:read()
  while data do
    stream:write(data)
    data = stream:read()
  end
end, { backlog = 512 })

server:serve_forever()
