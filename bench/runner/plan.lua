-- What is measured: workloads with their limits and goals, and programs.
local plan = {}

-- limits: programs of peers/limits; the first is the one that ratios refer to.
-- goal: `ratio` to the limit `to`, or to the first; `beat` a peer; `bytes` a task.
-- unit: "ns" an operation, "cpu" ns of CPU time, "s" or "ms" in total, "wall" seconds by the
-- clock, whoever uses the CPU.
-- like: where the limits and peers have no such workload, that one's figures.
plan.workloads = {
  { name = "W1", N = 300000, what = "create a task and await it",
    limits = { "lua_c_inc", "lua_c_pool" }, goal = { ratio = 1, beat = "go1" } },
  { name = "W2", N = 300000, what = "300,000 tasks that yield once", bytes = true,
    limits = { "lua_c_inc" }, goal = { beat = "go1" } },
  { name = "W3", N = 1000000, what = "switch", per = 2,
    limits = { "lua_c_inc" }, goal = { ratio = 1.2 } },
  { name = "W4", N = 100000, what = "100,000 sleepers", bytes = true, unit = "cpu",
    limits = { "lua_wheel_c", "lua_uv_c" }, goal = { bytes = 1400 } },
  { name = "W4-1M", program = "W4", N = 1000000, what = "1,000,000 sleepers", bytes = true,
    unit = "s", limits = { "lua_wheel_c", "lua_uv_c" }, goal = { ratio = 1.24, bytes = 1400 },
    peers = { "go1", "node", "luvq" } },
  { name = "W5", N = 200000, what = "cancel a sleeping task", bytes = true,
    limits = { "lua_wheel_c", "lua_uv_c" }, goal = { ratio = 1.5 } },
  { name = "W6", N = 200000, what = "wait_for(task), in time",
    limits = { "lua_uv_c" }, goal = { ratio = 1 } },
  { name = "W6f", like = "W6", N = 200000, what = "wait_for(function), in time",
    limits = { "lua_uv_c" }, goal = { ratio = 0.51 } },
  { name = "W7", N = 200000, what = "a timeout that fires, around a task", bytes = true,
    limits = { "lua_uv_c" }, goal = { ratio = 0.8 } },
  { name = "W7f", like = "W7", N = 200000, what = "a timeout that fires, around a function",
    bytes = true, limits = { "lua_uv_c" } },
  { name = "W8a", N = 500000, what = "an item through a queue of 1",
    limits = { "lua_c_inc" }, goal = { ratio = 1.2 } },
  { name = "W8b", N = 500000, what = "an item through a queue of 1000",
    limits = { "lua_c_inc" }, goal = { ratio = 1.58 } },
  { name = "W9", N = 500000, what = "a hop in a ring of 1000 tasks",
    limits = { "lua_c_inc" }, goal = { ratio = 1.3 } },
  { name = "W12", N = 1000, what = "1000 x /bin/true, 16 at once", unit = "wall",
    limits = { "c_uv" }, goal = { ratio = 1.1 } },
  { name = "W12r", like = "W12", N = 1000, what = "the same, collecting what they write",
    unit = "wall", limits = { "c_uv" } },
  { name = "W10", N = 1, what = "hello, the whole process", unit = "ms",
    limits = { "lua5.4" }, goal = { ms = 2, rss_kb = 3072 } },
}

-- {W} and {N} are put in. probe: what says whether it is installed.
plan.programs = {
  neap = "{neap} bench/neap.lua {W} {N}",
  neap_gen = "{neap} bench/neap.lua {W} {N} neap_gen",
  ["lua5.4"] = "lua5.4 -e print[[hello]]",
}
for _, limit in ipairs { "c_uv", "lua_c_inc", "lua_c_pool", "lua_uv_c", "lua_wheel_c" } do
  plan.programs[limit] = "bench/build/limits " .. limit .. " {W} {N}"
end

plan.peers = {
  { name = "go1", command = "env GOMAXPROCS=1 bench/build/go go1 {W} {N}",
    probe = "test -x bench/build/go", package = "golang-go" },
  { name = "node", command = "node bench/peers/node/bench.js node {W} {N}",
    probe = "command -v node", package = "nodejs", cap = { W5 = 40000, W7 = 40000 } },
  { name = "luv", command = "lua5.4 bench/peers/luv/bench.lua luv {W} {N}",
    probe = "lua5.4 -e 'require [[luv]]'", package = "lua-luv",
    cap = { W3 = 200000, W9 = 0 } },
  { name = "luvq", command = "lua5.4 bench/peers/luv/bench.lua luvq {W} {N}",
    probe = "lua5.4 -e 'require [[luv]]'", package = "lua-luv" },
  { name = "cqueues", command = "lua5.4 bench/peers/cqueues/bench.lua {W} {N}",
    probe = "lua5.4 -e 'require [[cqueues]]'", package = "lua-cqueues" },
  { name = "copas", command = "lua5.4 bench/peers/copas/bench.lua {W} {N}",
    probe = "lua5.4 -e 'require [[copas]]' -e 'require [[copas.future]]'", package = "copas 4",
    scale = 0.3 },
  { name = "tarantool", command = "tarantool bench/peers/tarantool/bench.lua {W} {N}",
    probe = "command -v tarantool", package = "tarantool",
    cap = { W2 = 30000, W4 = 30000, W5 = 30000, W7 = 15000 } },
  { name = "asyncio", command = "/usr/bin/python3 bench/peers/asyncio/bench.py asyncio {W} {N}",
    probe = "/usr/bin/python3 -c 'import asyncio'", package = "python3", scale = 0.2 },
  { name = "uvloop", command = "/usr/bin/python3 bench/peers/asyncio/bench.py uvloop {W} {N}",
    probe = "/usr/bin/python3 -c 'import uvloop'", package = "python3-uvloop", scale = 0.2 },
  { name = "trio", command = "/usr/bin/python3 bench/peers/trio/bench.py {W} {N}",
    probe = "/usr/bin/python3 -c 'import trio'", package = "python3-trio", scale = 0.05 },
}
for _, peer in ipairs(plan.peers) do plan.programs[peer.name] = peer.command end

function plan.names()
  local names = {}
  for i, workload in ipairs(plan.workloads) do names[i] = workload.name end
  return names
end

function plan.workload(name)
  for _, workload in ipairs(plan.workloads) do
    if workload.name == name then return workload end
  end
end

-- How many operations a peer does: fewer where it is slow, or runs out of something.
function plan.count(workload, peer)
  local N = workload.N
  if peer.scale and N > 1000 then N = math.max(10000, N * peer.scale // 1 | 0) end
  if peer.cap then N = math.min(N, peer.cap[workload.name] or N) end
  return N
end

local function contains(list, name)
  for _, member in ipairs(list) do
    if member == name then return true end
  end
end

-- Whether this peer takes part in this workload.
function plan.takes_part(workload, peer)
  if workload.peers and not contains(workload.peers, peer.name) then return false end
  return plan.count(workload, peer) > 0
end

return plan
