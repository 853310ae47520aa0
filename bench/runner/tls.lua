-- TLS: full handshakes, and bytes of an HTTP server behind TLS. The server runs on one core, what
-- asks it on another.
local http = require "http"
local machine = require "machine"
local measure = require "measure"

local tls = {}

local path = "bench/results/tls.md"
local seconds, connections = 2, 64

local programs = { { name = "neap", server = "{neap} bench/http.lua serve-tls {port}" } }
local peers = {
  { name = "openssl", probe = "command -v openssl", no_bytes = true,
    server = "openssl s_server -quiet -accept {port} -cert bench/build/tls.pem "
      .. "-key bench/build/tls.key" },
  { name = "go1", probe = "test -x bench/build/go-http",
    server = "env GOMAXPROCS=1 bench/build/go-http serve-tls {port}" },
  { name = "node", probe = "command -v node",
    server = "node bench/peers/node/http.js serve-tls {port}" },
  { name = "nginx", probe = "test -x /usr/sbin/nginx",
    server = "bench/peers/nginx/serve {port} tls" },
}

-- What asks, and how many of the unit a piece of its answer is.
local loads = {
  { name = "handshake", load = ("bench/runner/handshakes @ %d {port}"):format(seconds + 1) },
  { name = "request, 13 bytes", bytes = true, load =
    ("bench/runner/wrk @ %d %d https://127.0.0.1:{port}/hello"):format(connections, seconds) },
  { name = "MiB", bytes = true, load =
    ("bench/runner/wrk @ %d %d https://127.0.0.1:{port}/1m"):format(connections, seconds) },
}

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
        if not (load.bytes and program.no_bytes) then
          local key = program.name .. load.name
          figures[key] = figures[key] or {}
          table.insert(figures[key],
            http.measure_pair(options, program.name, options.cores, program.server, load.load))
        end
      end
    end
  end
  return figures
end

local function result_table(list, figures)
  local head = "| server"
  for _, load in ipairs(loads) do
    head = head .. (" | %s: µs CPU | neap / it | per second"):format(load.name)
  end
  local lines = { head .. " |", "|" .. (" --- |"):rep(1 + 3 * #loads) }
  for _, program in ipairs(list) do
    local cells = { program.name }
    for _, load in ipairs(loads) do
      local own, its = figures["neap" .. load.name], figures[program.name .. load.name] or {}
      local us, rate = http.median(its, "us"), http.median(its, "rate")
      cells[#cells + 1] = us and ("%.0f"):format(us) or "–"
      cells[#cells + 1] = us and ("%.2f"):format(http.median(own, "us") / us) or "–"
      cells[#cells + 1] = rate and ("%.0f"):format(rate) or "–"
    end
    lines[#lines + 1] = "| " .. table.concat(cells, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

local template = [[
# TLS

Written by `./dev bench --tls%s`.

%s

%s

µs: CPU time of the server, user and system, for one; `neap / it`: the figure of neap divided by this
one. TLS 1.3 with AES-256-GCM, a certificate of P-256. Handshakes are full ones, one after the other
(`openssl s_time -new`, the slower side), so only µs tells; `openssl` is `openssl s_server`. Requests are those of `wrk -t1` on %d kept connections; the last columns are of bodies of 1 MiB.
Server on core %d, the other side on core %d.

Rounds are interleaved; medians of %d rounds of %d seconds each, after a second to warm up. The load
average before the first was %s: above 0, other work shared the cores.
]]

function tls.run(options)
  if not measure.capture "command -v wrk" or not measure.capture "command -v openssl" then
    io.stderr:write "bench: --tls needs wrk and openssl; --install-peers installs them\n"
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
