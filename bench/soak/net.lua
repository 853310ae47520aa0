-- A server and clients in one process, for as long as asked. Memory and descriptors must be level,
-- with all connections closed.
--
--   neap bench/soak/net.lua SECONDS [CONNECTIONS [SEED]]
local net = require "neap.net"
local levels = require "bench.soak.support.levels"
local peers = require "bench.soak.support.peers"

local seconds, connections = tonumber(arg[1] or 60), tonumber(arg[2] or 1000)
local seed = tonumber(arg[3] or os.time())
math.randomseed(seed)

-- C keeps chunks for what comes in, of which the second half may use more than the first, but never
-- more than these; and the allocator is not exact.
local ALLOWED = { lua = 2 ^ 16, c = 4.5 * 2 ^ 20, resident = 12 * 2 ^ 20 }

--- Seconds of a client's pauses.
local PAUSE = 0.02

local function phase(length)
  local server <close> = net.listen("127.0.0.1", 0, peers.serve, { backlog = 4096 })
  local host, port = server:sockname()
  peers.visit(host, port, connections, PAUSE, length)
end

print(("%d s, %d connections at a time, seed %d"):format(seconds, connections, seed))
local failures = levels.watch()
levels.run(seconds, phase, ALLOWED, failures)
local counts = peers.counts
print(("opened %d, messages %d, cancelled %d, broken off %d, dropped by the server %d"):format(
  counts.opened, counts.messages, counts.cancelled, counts.broken, counts.dropped))
levels.finish(failures)
