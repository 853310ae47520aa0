-- An echo server.  usage: neap bench/echo.lua PORT
local net = require "neap.net"

local server <close> = net.listen("127.0.0.1", tonumber(arg[1]), function(stream)
  for data in stream.read, stream do stream:write(data) end
end, { backlog = 512 })

server:serve_forever()
