-- TLS: connections, requests and bytes of an HTTP server behind TLS. It runs on one core, what asks
-- it on another.
local http = require "http"
local machine = require "machine"
local measure = require "measure"

local tls = {}

local path = "bench/results/tls.md"
local seconds, connections = 2, 64

local programs = { { name = "neap", server = "{neap} bench/http.lua serve-tls {port}" } }
local peers = {
  { name = "go1", probe = "test -x bench/build/go-http",
    server = "env GOMAXPROCS=1 bench/build/go-http serve-tls {port}" },
  { name = "node", probe = "command -v node",
    server = "node bench/peers/node/http.js serve-tls {port}" },
  { name = "nginx", probe = "test -x /usr/sbin/nginx",
    server = "bench/peers/nginx/serve {port} tls" },
}

-- What wrk asks for.
local loads = {
  { name = "connection", path = "/hello close" },
  { name = "request", path = "/hello" },
  { name = "MiB", path = "/1m" },
}

local function command_of(load)
  return ("bench/runner/wrk @ %d %d https://127.0.0.1:{port}%s")
    :format(connections, seconds, load.path)
end

local function build()
  measure.build {
    "mkdir -p bench/build bench/results",
    "! command -v go >/dev/null || " ..
      "(cd bench/peers/go && GO111MODULE=on go build -o ../../build/go-http ./http)",
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 " ..
      "-subj /CN=localhost -keyout bench/build/tls.key -out bench/build/tls.pem 2>/dev/null",
  }
end

local function measure_all(options, list)
  local figures = {}
  for round = 1, options.rounds do
    for _, program in ipairs(list) do
      io.stderr:write(("bench: round %d of %d: %s\n"):format(round, options.rounds, program.name))
      for _, load in ipairs(loads) do
        local key = program.name .. load.name
        figures[key] = figures[key] or {}
        table.insert(figures[key], http.measure_pair(options, program.name, options.cores,
          program.server, command_of(load)))
      end
    end
  end
  return figures
end

local function cells_of(program, load, figures)
  local own, its = figures["neap" .. load.name], figures[program.name .. load.name]
  local us, rate = http.median(its, "us"), http.median(its, "rate")
  if not us then return "– | – | –" end
  return ("%.0f | %.2f | %.0f"):format(us, (http.median(own, "us") or 0) / us, rate)
end

local function result_table(list, figures)
  local head = "| server"
  for _, load in ipairs(loads) do
    head = head .. (" | %s: µs CPU | neap / it | per second"):format(load.name)
  end
  local lines = { head .. " |", "|" .. (" --- |"):rep(1 + 3 * #loads) }
  for _, program in ipairs(list) do
    local cells = { program.name }
    for _, load in ipairs(loads) do cells[#cells + 1] = cells_of(program, load, figures) end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

local template = [[
# TLS

Written by `./dev bench --tls%s`.

%s

%s

µs: CPU time of the server, user and system, for one; `neap / it`: the figure of neap divided by
this one. A connection is a full handshake, a request for 13 bytes, and the end; requests and MiB
(bodies of 1 MiB) are those of kept connections, all of `wrk -t1` with %d of them. TLS 1.3,
AES-256-GCM, a certificate of P-256. Server on core %d, wrk on core %d: where wrk is the slower one,
only µs tells.

Rounds are interleaved; medians of %d rounds of %d seconds each, after a second to warm up. The load
average before the first was %s: above 0, other work shared the cores.
]]

function tls.run(options)
  if not measure.capture "command -v wrk" or not measure.capture "command -v openssl" then
    io.stderr:write "bench: --tls needs wrk (--install-peers installs it) and openssl\n"
    os.exit(1)
  end
  build()
  options.core = options.core or 0
  options.cores = { options.core, options.core == 0 and 1 or 0 }
  local list = measure.participants(options, programs, peers)
  local load = measure.capture "cut -d' ' -f1 /proc/loadavg" or "?"
  local rows = result_table(list, measure_all(options, list))
  print(rows)
  local file <close> = assert(io.open(path, "w"))
  file:write(template:format(options.peers and " --peers" or "",
    machine.describe(options, { peers = list }, "two"), rows, connections, options.cores[1],
    options.cores[2], options.rounds, seconds, load:match "^%S*"))
  print("\nbench: written to " .. path)
end

return tls
