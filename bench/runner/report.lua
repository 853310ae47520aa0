-- The table: on the terminal, and in bench/results/latest.md.
local machine = require "machine"
local plan = require "plan"
local svg = require "svg"

local report = {}

-- --- Figures -------------------------------------------------------------------

-- median(SAMPLES, FIELD) -> number; nil if there is none
local function median(samples, field)
  local values = {}
  for _, sample in ipairs(samples or {}) do values[#values + 1] = sample[field] end
  table.sort(values)
  local n = #values
  if n == 0 then return nil end
  return (values[(n + 1) // 2] + values[n // 2 + 1]) / 2
end

local function figure(results, workload, program)
  return median(results.samples[workload.name][program], "figure")
end

local function spread(samples)
  local least, most = math.huge, 0
  for _, sample in ipairs(samples or {}) do
    least, most = math.min(least, sample.figure), math.max(most, sample.figure)
  end
  return most > 0 and most / least or nil
end

local function thousands(number)
  local text = ("%.0f"):format(number)
  local left = text:match "^%d+"
  return (left:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

-- As the unit of the workload asks; figures are ns for an operation.
local function shown(workload, value)
  if not value then return "–" end
  if workload.unit == "s" or workload.unit == "wall" then
    return ("%.2f s"):format(value * workload.N / 1e9)
  end
  if workload.unit == "ms" then return ("%.2f ms"):format(value / 1e6) end
  return thousands(value)
end

local function ratio(a, b)
  if not (a and b) then return "–" end
  return (a / b >= 9.95 and "%.0f" or "%.2f"):format(a / b)
end

-- --- Goals ---------------------------------------------------------------------

-- Each gives: the goal as text, and how far neap is from it; at most 1 is met.
local goals = {}

function goals.ratio(results, workload, goal)
  local neap = figure(results, workload, "neap")
  local limit = figure(results, workload, workload.limits[1])
  return ("≤ %g × limit"):format(goal.ratio), neap and limit and neap / limit / goal.ratio
end

function goals.beat(results, workload, goal)
  local neap, peer = figure(results, workload, "neap"), figure(results, workload, goal.beat)
  return "ahead of " .. goal.beat, neap and peer and neap / peer
end

function goals.bytes(results, workload, goal)
  local bytes = median(results.samples[workload.name].neap, "bytes")
  return ("≤ %s B"):format(thousands(goal.bytes)), bytes and bytes / goal.bytes
end

function goals.ms(results, workload, goal)
  local neap = figure(results, workload, "neap")
  return ("≤ %g ms"):format(goal.ms), neap and neap / 1e6 / goal.ms
end

function goals.rss_kb(results, workload, goal)
  local rss = median(results.samples[workload.name].neap, "rss_kb")
  return ("≤ %g MiB"):format(goal.rss_kb / 1024), rss and rss / goal.rss_kb
end

local function goal_cells(results, workload)
  local texts, states = {}, {}
  for _, kind in ipairs { "ratio", "beat", "bytes", "ms", "rss_kb" } do
    if workload.goal and workload.goal[kind] then
      local text, distance = goals[kind](results, workload, workload.goal)
      texts[#texts + 1] = text
      states[#states + 1] = not distance and "?" or distance <= 1 and "met"
        or ("**%.2f × the goal**"):format(distance)
    end
  end
  return table.concat(texts, "; "), table.concat(states, "; ")
end

-- --- Tables --------------------------------------------------------------------

local function markdown(head, rows)
  local lines = { "| " .. table.concat(head, " | ") .. " |", "|" .. (" --- |"):rep(#head) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

local function each_workload(options, make)
  local rows = {}
  for _, name in ipairs(options.workloads) do rows[#rows + 1] = make(plan.workload(name)) end
  return rows
end

local function heads(first, results)
  for _, peer in ipairs(results.peers) do first[#first + 1] = peer.name end
  return first
end

local function main_table(options, results)
  local head = heads({ "workload", "", "neap", "limit", "neap / limit", "goal", "state", "B/task" },
    results)
  return markdown(head, each_workload(options, function(workload)
    local neap = figure(results, workload, "neap")
    local limit = figure(results, workload, workload.limits[1])
    local bytes = workload.bytes and median(results.samples[workload.name].neap, "bytes")
    local goal, state = goal_cells(results, workload)
    local row = { workload.name, workload.what, shown(workload, neap), shown(workload, limit),
      ratio(neap, limit), goal, state, bytes and thousands(bytes) or "" }
    for _, peer in ipairs(results.peers) do
      row[#row + 1] = ratio(neap, figure(results, workload, peer.name))
    end
    return row
  end))
end

-- One row for each program, one column for each workload.
local function matrix(options, results, programs, cell)
  local head = { "program" }
  for _, name in ipairs(options.workloads) do head[#head + 1] = name end
  local rows = {}
  for _, program in ipairs(programs) do
    local row, has_any = { program }, false
    for _, name in ipairs(options.workloads) do
      local value = cell(plan.workload(name), results.samples[name][program])
      has_any = has_any or value ~= nil
      row[#row + 1] = value or "–"
    end
    if has_any then rows[#rows + 1] = row end
  end
  return markdown(head, rows)
end

local function programs_of(options, results)
  local list = { "neap" }
  if options.peers then list[#list + 1] = "neap_gen" end
  for _, limit in ipairs { "lua_c_inc", "lua_c_pool", "lua_uv_c", "lua_wheel_c", "lua5.4" } do
    list[#list + 1] = limit
  end
  for _, peer in ipairs(results.peers) do list[#list + 1] = peer.name end
  return list
end

local function figure_cell(workload, samples)
  if not samples then return nil end
  return shown(workload, median(samples, "figure")) .. (samples[1].capped and "†" or "")
end

local function memory_cell(workload, samples)
  if workload.unit == "ms" then
    local rss = median(samples, "rss_kb")
    return rss and ("%.1f MiB"):format(rss / 1024)
  end
  local bytes = workload.bytes and median(samples, "bytes")
  return bytes and thousands(bytes) or nil
end

local function spread_cell(_, samples)
  local value = spread(samples)
  return value and ("%.2f"):format(value)
end

-- How much of the wall time the program had the core, over all its runs.
local function core_share(options, results)
  local wall, cpu = 0, 0
  for _, name in ipairs(options.workloads) do
    if plan.workload(name).unit ~= "cpu" then
      for _, sample in ipairs(results.samples[name].neap or {}) do
        wall, cpu = wall + sample.wall, cpu + sample.cpu
      end
    end
  end
  return wall > 0 and 100 * cpu / wall or 100
end

local function missing_text(results)
  if #results.missing == 0 then return "" end
  local names = {}
  for i, peer in ipairs(results.missing) do
    names[i] = ("%s (%s)"):format(peer.name, peer.package)
  end
  return "\nNot installed, so not measured: " .. table.concat(names, ", ") .. ".\n"
end

local explanation = [[
Times are ns for one operation; W4-1M: seconds for all; W4: CPU time, since its wall time is the
second that everybody sleeps; W10: the whole process. The figure of a run is its wall time, or its
CPU time where something else had a share of the core (neap had %.0f %% of it). Under the peers
stands neap's time divided by theirs: below 1, neap is faster. The limit is a minimal C program for
the same work: the first that the workload has among those below, which stand in the second table.
† fewer operations than the others: it is slow, or cannot do more.]]

local template = [[
# Results

Written by `./dev bench%s`.

%s

%s

%s
%s
![Time for one operation](latest.svg)

## Every program

%s

`neap_gen` is neap with the collector in generational mode. The limits: `lua_c_inc` is
`lua_newthread` and `lua_resume` from a C loop, `lua_c_pool` the same with one coroutine used again,
`lua_uv_c` with a `uv_timer_t` for each task, `lua_wheel_c` with a timing wheel; these two run the
collector in generational mode.

## Bytes of memory for a task

Peak less the memory before the workload, divided by the number of tasks. W10: the whole process.

%s

## Spread

The slowest run divided by the fastest. (A peer that takes longer than ten seconds runs once.)

%s
]]

local function plot(options, results, programs)
  local groups = {}
  for _, name in ipairs(options.workloads) do
    local workload = plan.workload(name)
    if workload.unit ~= "ms" then
      local group = { label = name }
      for i, program in ipairs(programs) do group[i] = figure(results, workload, program) end
      groups[#groups + 1] = group
    end
  end
  if #groups == 0 then return end
  svg.write("bench/results/latest.svg", svg.bars {
    title = "ns for one operation (logarithmic; shorter is better)",
    series = programs, groups = groups,
  })
end

function report.write(options, results)
  local programs = programs_of(options, results)
  local main = main_table(options, results)
  print(main)
  io.write(missing_text(results))
  if #options.workloads < #plan.workloads then
    return print "\nbench: not written to bench/results/, which holds runs of all workloads"
  end
  local file <close> = assert(io.open("bench/results/latest.md", "w"))
  file:write(template:format(options.peers and " --peers" or "",
    machine.describe(options, results), main,
    explanation:format(core_share(options, results)), missing_text(results),
    matrix(options, results, programs, figure_cell),
    matrix(options, results, programs, memory_cell),
    matrix(options, results, programs, spread_cell)))
  plot(options, results, programs)
  print "\nbench: written to bench/results/latest.md and latest.svg"
end

return report
