-- A chat server: what one says, all others read. Each client has a queue of its own, so that one
-- who does not read holds up nobody; one whose queue is full is dropped. SIGTERM or Ctrl-C ends it
-- gracefully: no new clients, a word of farewell, and a moment to receive it.
-- neap scripts/chat_server.lua [PORT [HOST]], then: nc 127.0.0.1 8889
local neap = require "neap"
local net = require "neap.net"
local signal = require "neap.signal"

local port, host = tonumber(arg[1] or 8889), arg[2] or "127.0.0.1"
local MOST_UNREAD, GRACE = 100, 3

local clients = {} -- stream -> { name =, queue = }

local function tell_all(text, except)
  for stream, client in pairs(clients) do
    if stream ~= except and not pcall(client.queue.put_nowait, client.queue, text) then
      stream:close() -- does not read; its tasks get an error and end
    end
  end
end

--- Until the queue is shut down and empty; then the client reads an end.
local function send_queued(stream, queue)
  for text in queue:items() do
    if not neap.pcall(stream.write, stream, text, "\n") then return end -- the reader notices, too
  end
  neap.pcall(stream.shutdown, stream)
end

local function converse(stream)
  stream:write "your name? "
  local name = stream:read_line()
  if not name then return end
  local client = { name = name, queue = neap.queue(MOST_UNREAD) }
  clients[stream] = client
  tell_all(name .. " is here", stream)
  local _ <close> = setmetatable({}, { __close = function()
    clients[stream] = nil
    tell_all(name .. " has left")
  end })
  local _ <close> = neap.create_task(send_queued, stream, client.queue)
  for line in stream:lines() do tell_all(name .. ": " .. line, stream) end
end

local function handle(stream)
  local ok, err = neap.pcall(converse, stream)
  -- A client that vanishes, or is dropped, is no error of the server's.
  if not ok and not neap.is(err, neap.OSError) then error(err, 0) end
end

local function main()
  local server <close> = net.listen(host, port, handle)
  print(("listening on %s:%d"):format(server:sockname()))
  io.stdout:flush()
  signal.wait("SIGTERM", "SIGINT")

  server:close() -- no new clients; those that are here go on
  tell_all "the server is closing"
  for _, client in pairs(clients) do client.queue:shutdown() end -- what is in it is still sent
  local in_time = neap.move_on_after(GRACE, server.wait_closed, server)
  print(in_time and "everybody has left" or "some did not leave")
end -- here the rest are cancelled

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
