-- Runs the programs, round by round, each round once through all of them, so
-- that whatever else the machine does falls on all alike.
local plan = require "plan"

local measure = {}

local function say(...)
  io.stderr:write("bench: ", ...)
  io.stderr:write "\n"
end

-- capture(COMMAND) -> its standard output; nil if it failed
function measure.capture(command)
  local pipe <close> = assert(io.popen(command .. " 2>/dev/null </dev/null"))
  local text = pipe:read "a"
  return pipe:close() and text or nil
end

local capture = measure.capture

function measure.installed(peer)
  return capture(("sh -c '%s' >/dev/null"):format((peer.probe:gsub("'", [['\'']])))) ~= nil
end

-- What is made of sources, if its compiler is here.
function measure.build(commands)
  for _, command in ipairs(commands) do
    if not os.execute(command) then say("this failed: ", command) end
  end
end

local function build()
  local lua = capture "pkg-config --cflags --libs lua5.4" or "-llua5.4"
  measure.build {
    "mkdir -p bench/build bench/results",
    "cc -O2 -o bench/build/limits bench/peers/limits/limits.c -luv " .. lua:gsub("%s+$", ""),
    "cc -O2 -o bench/build/runone bench/peers/client/runone.c",
    "! command -v go >/dev/null || " ..
      "(cd bench/peers/go && GO111MODULE=on go build -o ../../build/go main.go)",
  }
end

-- pin(options) -> the words in front of a command
function measure.pin(options)
  local core = options.core
  if not core then core = (tonumber(capture "nproc" or "") or 1) > 1 and 1 or 0 end
  options.core = core
  return capture "command -v taskset" and ("taskset -c %d "):format(core) or ""
end

local function command_for(options, program, workload, N)
  local values = { W = workload, N = tostring(N), neap = options.neap }
  return (plan.programs[program]:gsub("{(%w+)}", values))
end

-- Seconds of one run. Wall time and CPU time are equal where nothing else uses
-- the core and the workload never idles; where they differ, CPU time counts.
local function seconds_of(unit, wall, cpu)
  if unit == "cpu" then return cpu end
  if unit == "wall" then return wall end
  if unit == "s" then return math.max(cpu, math.min(wall, 1)) end
  local shared = wall - cpu > math.max(0.002, 0.03 * wall)
  return shared and cpu or wall
end

local function add(results, workload, program, sample)
  local of = results.samples[workload.name]
  of[program] = of[program] or {}
  table.insert(of[program], sample)
end

-- A run that prints its own line.
local function run_one(options, results, job)
  local workload, N = job.workload, job.N
  local name = workload.program or job.name
  local command = command_for(options, job.program, name, N)
  local text = capture("timeout 120 " .. results.pin .. command)
  local wall, peak, base, cpu = (text or ""):match "^%S+ %S+ %d+ (%S+) %S+ (%d+) (%d+) (%S+)"
  if not wall then
    return say(workload.name, " ", job.program, " failed")
  end
  wall, cpu = tonumber(wall), tonumber(cpu)
  add(results, workload, job.program, {
    figure = seconds_of(workload.unit, wall, cpu) * 1e9 / (N * (workload.per or 1)),
    wall = wall, cpu = cpu, N = N, capped = N < workload.N,
    bytes = math.max(0, tonumber(peak) - tonumber(base)) * 1024 / N,
  })
end

-- A whole process, measured from outside: five in a row.
local function run_process(options, results, job)
  local command = command_for(options, job.program, job.name, 1)
  for _ = 1, 5 do
    local text = capture(results.pin .. "bench/build/runone " .. command) or ""
    local wall, cpu, rss, status = text:match "^(%S+) (%S+) (%d+) (%d+)"
    if status == "0" then
      add(results, job.workload, job.program, {
        figure = seconds_of("ms", wall / 1000, cpu / 1000) * 1e9,
        wall = wall / 1000, cpu = cpu / 1000, rss_kb = tonumber(rss), N = 1,
      })
    end
  end
end

-- A peer that takes long is not run again in the rounds that follow.
local too_long = 10

local function run_job(options, results, job)
  local key = job.workload.name .. " " .. job.program
  if results.slow[key] then return end
  local run = job.workload.unit == "ms" and run_process or run_one
  local began = os.time()
  run(options, results, job)
  results.slow[key] = job.is_peer and os.time() - began > too_long
end

-- jobs(options, peers, name) -> what one round runs of this workload
local function jobs(options, peers, name)
  local list, workload = {}, plan.workload(name)
  local like = workload.like or workload.name
  local function job(program, run_name, N, is_peer)
    list[#list + 1] = { workload = workload, program = program, name = run_name, N = N,
      is_peer = is_peer }
  end
  job("neap", name, workload.N)
  local is_cpu = workload.unit ~= "ms" and workload.unit ~= "wall"
  if options.peers and is_cpu then job("neap_gen", name, workload.N) end
  for _, limit in ipairs(workload.limits) do job(limit, like, workload.N) end
  for _, peer in ipairs(peers) do
    if plan.takes_part(plan.workload(like), peer) and plan.takes_part(workload, peer) then
      job(peer.name, like, plan.count(plan.workload(like), peer), true)
    end
  end
  return list
end

-- A workload that is like another shares its figures, if both are asked for.
local function share(results)
  for _, name in ipairs(plan.names()) do
    local like = plan.workload(name).like
    local own, other = results.samples[name], results.samples[like]
    if own and other then
      for program, samples in pairs(other) do own[program] = own[program] or samples end
    end
  end
end

local function without_shared(list, samples)
  local kept = {}
  for _, job in ipairs(list) do
    local like = job.workload.like
    local own = job.program:find "^neap" ~= nil
    if own or not (like and samples[like]) then kept[#kept + 1] = job end
  end
  return kept
end

function measure.run(options)
  build()
  local results = { samples = {}, peers = {}, missing = {}, slow = {} }
  results.pin = measure.pin(options)
  for _, peer in ipairs(options.peers and plan.peers or {}) do
    local to = measure.installed(peer) and results.peers or results.missing
    to[#to + 1] = peer
  end
  for _, name in ipairs(options.workloads) do results.samples[name] = {} end
  for round = 1, options.rounds do
    for _, name in ipairs(options.workloads) do
      say(("round %d of %d: %s"):format(round, options.rounds, name))
      for _, job in ipairs(without_shared(jobs(options, results.peers, name), results.samples)) do
        run_job(options, results, job)
      end
    end
  end
  share(results)
  return results
end

--- Our own programs, and with --peers those of the peers that are installed.
function measure.participants(options, own, peers)
  local list = table.move(own, 1, #own, 1, {})
  for _, peer in ipairs(options.peers and peers or {}) do
    if measure.installed(peer) then list[#list + 1] = peer end
  end
  return list
end

return measure
