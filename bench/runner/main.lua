-- bench/run: measures, prints a table, writes bench/results/.
package.path = "bench/runner/?.lua;" .. package.path

local usage = [[
usage: ./dev bench [WORKLOAD...] [OPTION...]

  --peers          also the peers that are installed
  --install-peers  install those that Debian has, then --peers
  --rounds N       how often everything runs; the figures are medians (3)
  --core N         the core that everything is pinned to (1, or 0 if it is the only one)
  --counts         instructions per operation instead, compared with bench/counts.txt
  --save-counts    the same, and make them the new baseline
  --echo           servers: messages, connections; with --peers beside others
  --http           HTTP servers and clients: CPU per request; with --peers beside others; needs wrk
  --tls            the same behind TLS: handshakes and bytes; needs wrk and openssl
  --scale          cost as the number of tasks grows, and the collector's pauses

Workloads: %s
Results of all workloads: bench/results/latest.md and latest.svg; of --scale: scale.md, scale.svg;
of --echo: echo.md; of --http: http.md; of --tls: tls.md.]]

local plan = require "plan"

local options = { neap = table.remove(arg, 1), rounds = 3, workloads = {} }

local flags = {
  ["--peers"] = function() options.peers = true end,
  ["--install-peers"] = function() options.peers = true end,
  ["--counts"] = function() options.counts = true end,
  ["--save-counts"] = function() options.counts, options.save = true, true end,
  ["--scale"] = function() options.scale = true end,
  ["--echo"] = function() options.echo = true end,
  ["--http"] = function() options.http = true end,
  ["--tls"] = function() options.tls = true end,
  ["--rounds"] = function(value) options.rounds = assert(math.tointeger(value), "--rounds N") end,
  ["--core"] = function(value) options.core = assert(math.tointeger(value), "--core N") end,
  ["--help"] = function()
    print(usage:format(table.concat(plan.names(), " ")))
    os.exit(0)
  end,
}

local function parse()
  local i = 1
  while arg[i] do
    local word = arg[i]
    if flags[word] then
      if word == "--rounds" or word == "--core" then i = i + 1 end
      flags[word](arg[i])
    elseif plan.workload(word) then
      table.insert(options.workloads, word)
    else
      io.stderr:write("bench: what is '", word, "'? See ./dev bench --help\n")
      os.exit(2)
    end
    i = i + 1
  end
  if #options.workloads == 0 then options.workloads = plan.names() end
end

parse()
if options.counts then
  require("counts").run(options)
elseif options.echo then
  require("echo").run(options)
elseif options.http then
  require("http").run(options)
elseif options.tls then
  require("tls").run(options)
elseif options.scale then
  require("scale").run(options)
else
  local results = require("measure").run(options)
  require("report").write(options, results)
end
