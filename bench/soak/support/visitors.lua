-- A process of clients, for ../killed.lua. It ends with its standard input.
--
--   neap bench/soak/support/visitors.lua PORT CONNECTIONS PAUSE SEED
local neap = require "neap"
local stdio = require "neap.stdio"
local peers = require "bench.soak.support.peers"

math.randomseed(tonumber(arg[4]))
neap.create_task(peers.visit, "127.0.0.1", tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3]),
  math.huge)
stdio.stdin:read_all()
os.exit(true)
