-- Servers: CPU for an echoed message, connections taken per second, memory of one that is idle.
-- Each server runs alone on one core, and what drives it on another.
local machine = require "machine"
local measure = require "measure"

local echo = {}

local path = "bench/results/echo.md"
local seconds, connections, idle, taken = 3, 64, 10000, 20000
local sizes = { 64, 16384 }
local goals = { [64] = 1.25, [16384] = 1.3 }

-- The first is the limit: C, one read and one uv_try_write for a message.
local servers = {
  { name = "limit", command = "bench/build/echo {port} try" },
  { name = "neap", command = "{neap} bench/echo.lua {port}" },
}
local peers = {
  { name = "go1", probe = "test -x bench/build/go-echo",
    command = "env GOMAXPROCS=1 bench/build/go-echo {port}" },
  { name = "luv", probe = "lua5.4 -e 'require [[luv]]'",
    command = "lua5.4 bench/peers/luv/bench.lua luv echo {port}" },
  { name = "luvq", probe = "lua5.4 -e 'require [[luv]]'",
    command = "lua5.4 bench/peers/luv/bench.lua luvq echo {port}" },
  { name = "cqueues", probe = "lua5.4 -e 'require [[cqueues]]'",
    command = "lua5.4 bench/peers/cqueues/bench.lua echo {port}" },
  { name = "copas", probe = "lua5.4 -e 'require [[copas]]'",
    command = "lua5.4 bench/peers/copas/bench.lua echo {port}" },
  { name = "uvloop", probe = "/usr/bin/python3 -c 'import uvloop'",
    command = "/usr/bin/python3 bench/peers/asyncio/echo.py uvloop {port}" },
  { name = "uvloop-proto", probe = "/usr/bin/python3 -c 'import uvloop'",
    command = "/usr/bin/python3 bench/peers/asyncio/echo.py uvloop-proto {port}" },
  { name = "asyncio", probe = "/usr/bin/python3 -c 'import asyncio'",
    command = "/usr/bin/python3 bench/peers/asyncio/echo.py asyncio {port}" },
  { name = "trio", probe = "/usr/bin/python3 -c 'import trio'",
    command = "/usr/bin/python3 bench/peers/trio/echo.py {port}" },
  { name = "node", probe = "command -v node",
    command = "node bench/peers/node/echo.js node {port}" },
}

local function build()
  measure.build {
    "mkdir -p bench/build bench/results",
    "cc -O2 -w -o bench/build/echo bench/peers/limits/echo.c -luv",
    "cc -O2 -w -o bench/build/client bench/peers/client/client.c",
    "cc -O2 -w -o bench/build/conns bench/peers/client/conns.c",
    "! command -v go >/dev/null || " ..
      "(cd bench/peers/go && GO111MODULE=on go build -o ../../build/go-echo ./echo)",
  }
end

local next_port = 17000 + os.time() % 1000 * 10

-- run(options, server, load) -> what the load printed. In `load`, {port}; @ is the server's id.
local function run(options, server, load)
  next_port = next_port + 1
  local values = { port = tostring(next_port), neap = options.neap }
  local text = measure.capture(("timeout 120 bench/runner/serve %d %d '%s' '%s'"):format(
    options.core, options.core == 0 and 1 or 0, server.command:gsub("{(%w+)}", values),
    load:gsub("{(%w+)}", values)))
  if not text then io.stderr:write("bench: ", server.name, " failed: ", load, "\n") end
  return text or ""
end

local function median(values)
  table.sort(values)
  local n = #values
  return n > 0 and (values[(n + 1) // 2] + values[n // 2 + 1]) / 2 or nil
end

local function add(of, key, value)
  of[key] = of[key] or {}
  table.insert(of[key], value)
end

local function measure_one(options, server, of)
  for _, size in ipairs(sizes) do
    local text = run(options, server, ("bench/build/client {port} %d %d %d @ %s"):format(
      connections, size, seconds, server.name))
    local per_second, us, p50, p99 = text:match "^%S+ %S+ %d+ %S+ (%S+) %S+ (%S+) (%d+) (%d+)"
    if us then
      add(of, "us" .. size, tonumber(us))
      add(of, "rate" .. size, tonumber(per_second))
      add(of, "p50" .. size, tonumber(p50))
      add(of, "p99" .. size, tonumber(p99))
    end
  end
  local n, time, cpu = run(options, server, ("bench/build/conns {port} accept %d @"):format(taken))
    :match "^accept (%d+) (%S+) (%S+)"
  if n then
    add(of, "taken", n / time)
    add(of, "taken_us", cpu * 1e6 / n)
  end
  local before, after
  n, before, after = run(options, server, ("bench/build/conns {port} idle %d @"):format(idle))
    :match "^idle (%d+) %S+ %S+ (%d+) (%d+)"
  if n then add(of, "bytes", (after - before) * 1024 / n) end
end

local function cell(of, key, format)
  local value = of[key] and median(of[key])
  return value and format:format(value) or "–"
end

local function row(server, of, limit)
  local cells = { server.name }
  for _, size in ipairs(sizes) do
    local us, least = median(of["us" .. size] or {}), median(limit["us" .. size] or {})
    cells[#cells + 1] = cell(of, "us" .. size, "%.2f")
    cells[#cells + 1] = us and least and ("%.2f"):format(us / least) or "–"
    cells[#cells + 1] = cell(of, "rate" .. size, "%.0f")
    cells[#cells + 1] = cell(of, "p50" .. size, "%.0f") .. " / " .. cell(of, "p99" .. size, "%.0f")
  end
  cells[#cells + 1] = cell(of, "taken", "%.0f")
  cells[#cells + 1] = cell(of, "taken_us", "%.1f")
  cells[#cells + 1] = cell(of, "bytes", "%.0f")
  return "| " .. table.concat(cells, " | ") .. " |"
end

local head = "| server | 64 B, µs | × limit | per s | p50 / p99 | 16 KiB, µs | × limit | per s "
  .. "| p50 / p99 | connections per s | µs each | bytes idle |"

local template = [[
# Servers

Written by `./dev bench --echo%s`.

%s

%s

%d connections send a message and wait for it to come back. µs: CPU time of the server for one
message; × limit: the same divided by that of the limit, a C program with `uv_try_write` (goals of
neap: %s × at 64 bytes, %s × at 16 KiB); then messages per second, and the time that one takes in
µs, median and 99th percentile. Connections: taken per second, each answers one byte, and µs of the
server's CPU for one; bytes of resident memory for one that is idle, of %d. Medians of %d rounds.
]]

local function measure_all(options, list)
  local figures = {}
  for round = 1, options.rounds do
    for _, server in ipairs(list) do
      io.stderr:write(("bench: round %d of %d: %s\n"):format(round, options.rounds, server.name))
      figures[server.name] = figures[server.name] or {}
      measure_one(options, server, figures[server.name])
    end
  end
  return figures
end

function echo.run(options)
  build()
  measure.pin(options)
  local list = measure.participants(options, servers, peers)
  local figures = measure_all(options, list)
  local lines = { head, "|" .. (" --- |"):rep(12) }
  for _, server in ipairs(list) do
    lines[#lines + 1] = row(server, figures[server.name], figures.limit)
  end
  local text = table.concat(lines, "\n")
  print(text)
  local file <close> = assert(io.open(path, "w"))
  file:write(template:format(options.peers and " --peers" or "", machine.describe(options,
    { peers = {} }), text, connections, goals[64], goals[16384], idle, options.rounds))
  print("\nbench: written to " .. path)
end

return echo
