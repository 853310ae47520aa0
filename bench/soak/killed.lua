-- A server whose clients are other processes, which are killed, or stopped and then killed, with
-- all their connections. Memory and descriptors must be level once all of them are gone.
--
--   neap bench/soak/killed.lua SECONDS [CONNECTIONS [SEED]]
local neap = require "neap"
local net = require "neap.net"
local process = require "neap.process"
local levels = require "bench.soak.support.levels"
local peers = require "bench.soak.support.peers"

local seconds, connections = tonumber(arg[1] or 60), tonumber(arg[2] or 10000)
local seed = tonumber(arg[3] or os.time())
local random = math.random
math.randomseed(seed)

--- The places where tasks are kept alive are never fewer than at the fullest moment, of which the
--- second half may have the fuller one; and the allocators keep some of what was freed.
local ALLOWED = { lua = 2 ^ 19, c = 4.5 * 2 ^ 20, resident = 16 * 2 ^ 20 }

local CHILDREN = 8
--- Seconds of a client's pauses; of a child's life, and of the time that some stand still.
local PAUSE, LIFE, STILL = 300, 300, 10

local program = arg[-1]
local open, most, taken, killed, stopped = 0, 0, 0, 0, 0

local function serve(stream)
  taken, open = taken + 1, open + 1
  most = math.max(most, open)
  local _ <close> = setmetatable({}, { __close = function() open = open - 1 end })
  peers.serve(stream)
end

--- One child after the other, each with its part of the connections.
local function keep_child(port, until_time)
  while neap.time() < until_time do
    local child <close> = process.spawn { program, "bench/soak/support/visitors.lua",
      tostring(port), tostring(connections // CHILDREN), tostring(PAUSE), tostring(random(1000000)),
      stdin = "pipe", stdout = "inherit", stderr = "inherit" }
    neap.sleep(math.min(LIFE * random() + 1, until_time - neap.time()))
    if random(3) == 1 then
      stopped = stopped + 1
      child:kill "SIGSTOP"
      neap.sleep(STILL * random())
    end
    killed = killed + 1
    child:kill "SIGKILL"
    child:wait()
  end
end

local function phase(length)
  local server <close> = net.listen("127.0.0.1", 0, serve, { backlog = 4096 })
  local _, port = server:sockname()
  neap.task_group(function(group)
    for _ = 1, CHILDREN do group:create_task(keep_child, port, neap.time() + length) end
  end)
end

print(("%d s, %d connections at a time, seed %d"):format(seconds, connections, seed))
local failures = levels.watch()
levels.run(seconds, phase, ALLOWED, failures)
print(("connections taken %d, at the same time up to %d, dropped by the server %d"):format(taken,
  most, peers.counts.dropped))
print(("children killed %d, of which %d had stopped before"):format(killed, stopped))
levels.finish(failures)
