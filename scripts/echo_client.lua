-- A client for the echo server: sends lines, and reads the answers within a time limit.
-- neap scripts/echo_client.lua [PORT [HOST]]
local neap = require "neap"
local net = require "neap.net"

local port, host = tonumber(arg[1] or 8888), arg[2] or "127.0.0.1"

local function main()
  local stream <close> = net.connect(host, port)
  for _, line in ipairs { "hello", "how are you", "good bye" } do
    stream:write(line, "\n")
    print(neap.wait_for(stream.read_line, 5, stream)) -- TimeoutError if nothing comes
  end
  stream:shutdown() -- the server reads an end, and closes
  assert(stream:read() == nil)
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
local ok, err = neap.pcall(neap.current_task() and main or neap.run, main)
if not ok then
  if not neap.is(err, neap.OSError) then error(err, 0) end
  io.stderr:write("echo_client: ", err.message, "\n")
  os.exit(1)
end
