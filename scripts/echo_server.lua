-- An echo server: every connection is a task, and its handler reads like blocking code.
-- Ctrl-C ends it.   neap scripts/echo_server.lua [PORT [HOST]]
local neap = require "neap"
local net = require "neap.net"

local port, host = tonumber(arg[1] or 8888), arg[2] or "127.0.0.1"

local function echo(stream)
  for line in stream:lines() do
    stream:write(line, "\n") -- waits while the client is slow to read
  end
end

local function main()
  -- At the block's end: no more connections, and those that are there are cancelled.
  local server <close> = net.listen(host, port, echo)
  print(("listening on %s:%d"):format(server:sockname()))
  io.stdout:flush()
  server:serve_forever()
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
