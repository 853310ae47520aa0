-- Instructions for one operation, counted by valgrind. Of two runs of different
-- length the difference is taken, so that start-up does not count.
local measure = require "measure"

local counts = {}

local path = "bench/counts.txt"
local workloads = { "W1", "W3", "W6", "W6f" }
local few, many = 20000, 60000
local allowed = 1.03

local header = [[
# Instructions for one operation, counted by callgrind: `./dev bench --counts` compares with these,
# `./dev bench --save-counts` writes them. They depend on the compiler: %s
]]

local function count(options, workload, N)
  local command = ("valgrind --tool=callgrind --callgrind-out-file=/dev/null %s bench/neap.lua "
    .. "%s %d 2>&1 >/dev/null"):format(options.neap, workload, N)
  local pipe <close> = assert(io.popen(command))
  local total = pipe:read "a":match "Collected : (%d+)"
  return assert(tonumber(total), "valgrind counted nothing: is it installed?")
end

local function read_baseline()
  local baseline, file = {}, io.open(path)
  if not file then return baseline end
  for line in file:lines() do
    local workload, value = line:match "^(W%w+) (%S+)$"
    if workload then baseline[workload] = tonumber(value) end
  end
  file:close()
  return baseline
end

local function save(measured)
  local compiler = (measure.capture "cc --version" or "?"):match "^[^\n]+"
  local file <close> = assert(io.open(path, "w"))
  file:write(header:format(compiler))
  for _, workload in ipairs(workloads) do
    file:write(("%s %.1f\n"):format(workload, measured[workload]))
  end
end

local function row(workload, value, before)
  local change = before and ("%+.1f %%"):format(100 * (value / before - 1)) or "new"
  local mark = before and value > before * allowed and "  << more than 3 % up" or ""
  print(("%-4s %10.1f %10s %9s%s"):format(workload, value,
    before and ("%.1f"):format(before) or "-", change, mark))
end

function counts.run(options)
  local baseline, measured = read_baseline(), {}
  print "     instructions   baseline    change"
  for _, workload in ipairs(workloads) do
    local more, less = count(options, workload, many), count(options, workload, few)
    local ops = (many - few) * (workload == "W3" and 2 or 1)
    measured[workload] = (more - less) / ops
    row(workload, measured[workload], baseline[workload])
  end
  if options.save then save(measured) end
end

return counts
