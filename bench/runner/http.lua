-- HTTP: requests per second and CPU per request, of servers asked by wrk, and of clients that ask
-- one. What is measured runs on one core, the other side of it on another.
local machine = require "machine"
local measure = require "measure"

local http = {}

local path = "bench/results/http.md"
local seconds, connections = 2, 64
local bodies = { { "/hello", "hello" }, { "/16k", "16 KiB" } }

-- `server` takes a port; `client`: port, path, requests in flight, seconds.
local programs = {
  { name = "neap", server = "{neap} bench/http.lua serve {port}",
    client = "{neap} bench/http.lua ask" },
}
local peers = {
  { name = "go1", probe = "test -x bench/build/go-http",
    server = "env GOMAXPROCS=1 bench/build/go-http serve {port}",
    client = "env GOMAXPROCS=1 bench/build/go-http ask" },
  { name = "node", probe = "command -v node",
    server = "node bench/peers/node/http.js serve {port}",
    client = "node bench/peers/node/http.js ask" },
  { name = "nginx", probe = "test -x /usr/sbin/nginx", server = "bench/peers/nginx/serve {port}" },
  { name = "asyncio", probe = "/usr/bin/python3 -c 'import aiohttp'",
    server = "/usr/bin/python3 bench/peers/asyncio/web.py asyncio {port}" },
  { name = "uvloop", probe = "/usr/bin/python3 -c 'import aiohttp, uvloop'",
    server = "/usr/bin/python3 bench/peers/asyncio/web.py uvloop {port}" },
}

local function build()
  measure.build {
    "mkdir -p bench/build bench/results",
    "! command -v go >/dev/null || " ..
      "(cd bench/peers/go && GO111MODULE=on go build -o ../../build/go-http ./http)",
  }
end

local next_port = 27000 + os.time() % 500 * 10

-- Runs a server and a load, each on its core -> requests per second, CPU of each in µs.
local function run(options, what, cores, server, load)
  next_port = next_port + 1
  local values = { port = tostring(next_port), neap = options.neap }
  local text = measure.capture(("timeout 60 bench/runner/serve %d %d '%s' '%s'"):format(
    cores[1], cores[2], server:gsub("{(%w+)}", values), load:gsub("{(%w+)}", values)))
  local n, time, cpu = (text or ""):match "^%l+%s+(%d+)%s+(%S+)%s+(%S+)"
  if not n then return io.stderr:write("bench: ", what, " failed\n") and nil end
  return { rate = n / time, us = cpu * 1e6 / n }
end

http.measure_pair = run

local function median(samples, key)
  local values = {}
  for i, sample in ipairs(samples) do values[i] = sample[key] end
  table.sort(values)
  local n = #values
  return n > 0 and (values[(n + 1) // 2] + values[n // 2 + 1]) / 2 or nil
end

http.median = median

local function measure_server(options, program, url)
  return run(options, program.name .. "'s server", options.cores, program.server,
    ("bench/runner/wrk @ %d %d http://127.0.0.1:{port}%s"):format(connections, seconds, url))
end

-- All clients ask the same server; neap's, where there is no Go.
local function measure_client(options, program, url)
  local server = options.client_server.server
  local cores = { options.cores[2], options.cores[1] }
  return run(options, program.name .. "'s client", cores, server,
    ("bench/runner/ask {port} %s {port} %s %d %d")
      :format(program.client, url, connections, seconds))
end

local function measure_all(options, list)
  local figures = {}
  local function add(kind, program, body, sample) -- nil: it failed
    local key = kind .. program.name .. body
    figures[key] = figures[key] or {}
    figures[key][#figures[key] + 1] = sample
  end
  for round = 1, options.rounds do
    for _, program in ipairs(list) do
      io.stderr:write(("bench: round %d of %d: %s\n"):format(round, options.rounds, program.name))
      for _, body in ipairs(bodies) do
        add("server", program, body[1], measure_server(options, program, body[1]))
        if program.client then
          add("client", program, body[1], measure_client(options, program, body[1]))
        end
      end
    end
  end
  return figures
end

-- The cells of one program and body: its figures, and neap's divided by them.
local function add_cells(cells, own, its)
  for _, column in ipairs { { "us", "%.1f" }, { "rate", "%.0f" } } do
    local mine, value = median(own, column[1]), median(its, column[1])
    cells[#cells + 1] = value and column[2]:format(value) or "–"
    cells[#cells + 1] = mine and value and ("%.2f"):format(mine / value) or "–"
  end
end

local function result_row(kind, program, figures)
  local cells = { program.name }
  for _, body in ipairs(bodies) do
    add_cells(cells, figures[kind .. "neap" .. body[1]], figures[kind .. program.name .. body[1]])
  end
  return "| " .. table.concat(cells, " | ") .. " |"
end

local function result_table(kind, list, figures)
  local head = "| " .. kind
  for _, body in ipairs(bodies) do
    head = head .. (" | %s, µs CPU | neap / it | requests/s | neap / it"):format(body[2])
  end
  local lines = { head .. " |", "|" .. (" --- |"):rep(1 + 4 * #bodies) }
  for _, program in ipairs(list) do
    if program[kind] then lines[#lines + 1] = result_row(kind, program, figures) end
  end
  return table.concat(lines, "\n")
end

local template = [[
# HTTP

Written by `./dev bench --http%s`.

%s

%s

%d connections of `wrk -t1`, kept; bodies of 13 bytes and of 16 KiB. µs: CPU time of the server, all
its threads, for one request; `neap / it`: the figure of neap divided by this one. Goals: CPU within
1.3 × Go's, ahead of node and asyncio. nginx sends files, the others what a handler returns;
asyncio and uvloop run aiohttp. Server on core %d, wrk on core %d.

%s

%d requests in flight against the server of %s; µs: CPU time of the client, user and system. Client
on core %d, server on core %d; where the server is the slower one, only µs tells.

Rounds are interleaved; medians of %d rounds of %d seconds each, after a second to warm up
(clients: half a second). The load average before the first was %s: above 0, other work shared the
cores.
]]

function http.run(options)
  if not measure.capture "command -v wrk" then
    io.stderr:write "bench: --http needs wrk; ./dev bench --http --install-peers installs it\n"
    os.exit(1)
  end
  build()
  options.core = options.core or 0
  options.cores = { options.core, options.core == 0 and 1 or 0 }
  local list = measure.participants(options, programs, peers)
  options.client_server = programs[1]
  for _, peer in ipairs(list) do
    if peer.name == "go1" then options.client_server = peer end
  end
  local load = measure.capture "cut -d' ' -f1 /proc/loadavg" or "?"
  local figures = measure_all(options, list)
  local servers = result_table("server", list, figures)
  local clients = result_table("client", list, figures)
  print(servers .. "\n\n" .. clients)
  local file <close> = assert(io.open(path, "w"))
  local core, other = table.unpack(options.cores)
  file:write(template:format(options.peers and " --peers" or "",
    machine.describe(options, { peers = list }, "two"), servers, connections, core, other,
    clients, connections, options.client_server.name, core, other, options.rounds, seconds,
    load:match "^%S*"))
  print("\nbench: written to " .. path)
end

return http
