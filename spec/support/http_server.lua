-- The HTTP server of http_server.py, for specs.
--
--   local server <close> = start([certificate, key[, version]]) ends at the block's end
--     server.port, server.url
local LIMIT = 60 -- seconds after which one that was forgotten ends by itself

local Server = {}
Server.__index = Server

function Server:close()
  if self.pipe then
    os.execute("unset LD_PRELOAD; kill " .. self.pid)
    self.pipe:close()
    self.pipe = nil
  end
end

Server.__close = Server.close

local function start(...)
  local words = table.concat({ "spec/support/http_server.py", ... }, " ")
  local command = ("unset LD_PRELOAD; echo $$; exec timeout --foreground %d python3 %s")
    :format(LIMIT, words)
  local pipe = assert(io.popen(command))
  local pid, port = pipe:read("n", "n")
  assert(port, "the server did not start")
  local scheme = select("#", ...) > 0 and "https" or "http"
  return setmetatable({
    pipe = pipe, pid = pid, port = port, url = ("%s://127.0.0.1:%d"):format(scheme, port),
  }, Server)
end

return start
