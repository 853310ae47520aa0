-- A server that echoes, and clients that come, talk, break off, are cancelled and vanish.
local neap = require "neap"
local net = require "neap.net"

local random = math.random

local peers = {
  counts = { opened = 0, messages = 0, cancelled = 0, broken = 0, dropped = 0 },
}
local counts = peers.counts

local function is_expected(err)
  return neap.is(err, neap.OSError) or neap.is(err, neap.TimeoutError)
    or neap.is(err, neap.IncompleteReadError)
end

-- ---- the server ----

local function echo(stream)
  while true do
    local data = stream:read()
    if not data then return end
    stream:write(data)
    if random(500) == 1 then
      counts.dropped = counts.dropped + 1
      return -- in the middle of a conversation
    end
  end
end

--- The handler of a server.
function peers.serve(stream)
  local ok, err = neap.pcall(echo, stream)
  if not ok and not is_expected(err) then error(err, 0) end
end

-- ---- the clients: each is one of these, at random, with pauses of so many seconds at most ----

local function size()
  return random(20) == 1 and random(200000) or random(1000)
end

local function talk(stream, pause)
  for _ = 1, random(20) do
    local n = size()
    stream:write(("x"):rep(n // 2), ("y"):rep(n - n // 2))
    assert(#stream:read_exactly(n) == n)
    counts.messages = counts.messages + 1
    if random(5) == 1 then neap.sleep(random() * pause) end
  end
end

local ways = {
  function(stream, pause) -- half-closed: reads to the end
    stream:write(("z"):rep(size()))
    stream:shutdown()
    neap.sleep(random() * pause / 2)
    stream:read_all()
  end,
  function(stream, pause) -- leaves what comes unread, so that it is reset
    stream:write(("z"):rep(size()))
    neap.sleep(random() * pause / 2)
  end,
  function(stream, pause) -- two of them at once, one of which closes under the other's feet
    local _ <close> = neap.create_task(neap.pcall, stream.read, stream, 1)
    neap.sleep(random() * pause / 2)
    stream:close()
  end,
}

local function never_read(stream) -- the server's write waits, until this is cancelled
  while true do stream:write(("z"):rep(100000)) end
end

local function visit(host, port, pause)
  local stream <close> = net.connect(host, port)
  counts.opened = counts.opened + 1
  local way = random(200) == 1 and never_read or random(2) == 1 and talk or ways[random(#ways)]
  way(stream, pause)
end

local function client(host, port, pause, until_time)
  while neap.time() < until_time do
    local task <close> = neap.create_task(visit, host, port, pause)
    if random(4) == 1 then
      neap.sleep(random() * pause * 2.5)
      task:cancel()
    end
    local ok, err = pcall(neap.wait_for, task, 100 * pause * (1 + random()))
    if not ok then
      if neap.is(err, neap.CancelledError) and neap.current_task():cancelling() == 0 then
        counts.cancelled = counts.cancelled + 1
      elseif is_expected(err) then
        counts.broken = counts.broken + 1
        neap.sleep(random() * pause)
      else
        error(err, 0)
      end
    end
  end
end

--- Keeps so many connections open for so long.
function peers.visit(host, port, connections, pause, seconds)
  neap.task_group(function(group)
    for _ = 1, connections do
      group:create_task(client, host, port, pause, neap.time() + seconds)
    end
  end)
end

return peers
