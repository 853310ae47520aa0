-- bench/scale.lua for many numbers of tasks; bench/results/scale.md and .svg.
local machine = require "machine"
local measure = require "measure"
local svg = require "svg"

local scale = {}

local template = [[
# Cost as the number of tasks grows

Written by `./dev bench --scale`.

%s

CPU time in ns, the median of %d runs. *create*: create a task and start it, up to its first wait;
*switch*: `sleep(0)`, with all of the tasks taking turns; *sleep*: wake from one sleep and begin the
next; *finish*: wake, end, and be awaited. The clock is virtual: no time is spent waiting.

%s

![Cost for one task](scale.svg)

# The collector's pauses

Longest CPU time between two turns of a task that calls `sleep(0)` in a loop and makes 24 small
tables in each turn: while the sleepers are created, and then while garbage of twice their size
is made. The worst of %d runs (of one, for 1,000,000). *patient* is
`collectgarbage("incremental", 400)`. *collections*: complete cycles, or collections of the young in
generational mode, in the second part; *CPU*: the time of that part; *memory*: the process's at its
end.

%s
]]

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

local function words(line)
  local list = {}
  for word in (line or ""):gmatch "%S+" do list[#list + 1] = word end
  return list
end

local function call(options, pin, flags, ...)
  local command = table.concat({ "timeout 300 " .. pin .. options.neap, flags,
    "bench/scale.lua", ... }, " ")
  io.stderr:write("bench: ", command, "\n")
  local list = words(measure.capture(command))
  return assert(list[1] and list, "it failed")
end

local function table_text(head, rows)
  local lines = { head, "|" .. (" --- |"):rep(select(2, head:gsub("|", "")) - 1) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = "| " .. table.concat(row, " | ") .. " |"
  end
  return table.concat(lines, "\n")
end

local function costs(options, pin)
  local rows, points = {}, {}
  for _, N in ipairs { 1000, 10000, 100000, 1000000 } do
    local columns = { {}, {}, {}, {}, {} }
    for _ = 1, options.rounds do
      local values = call(options, pin, "--virtual-clock", "cost", tostring(N))
      for i, column in ipairs(columns) do column[#column + 1] = tonumber(values[i + 1]) end
    end
    local row, point = { tostring(N) }, { x = N }
    for i, column in ipairs(columns) do
      point[i] = median(column)
      row[#row + 1] = ("%.0f"):format(point[i])
    end
    rows[#rows + 1], points[#points + 1] = row, point
  end
  return rows, points
end

local function pauses(options, pin)
  local rows = {}
  for _, N in ipairs { 100000, 1000000 } do
    for _, collector in ipairs { "incremental", "patient", "generational", "stopped" } do
      local worst
      for _ = 1, N < 1000000 and options.rounds or 1 do
        local values = call(options, pin, "", "pause", tostring(N), collector)
        if not worst or tonumber(values[4]) > tonumber(worst[4]) then worst = values end
      end
      rows[#rows + 1] = worst
    end
  end
  return rows
end

function scale.run(options)
  local pin = measure.pin(options)
  local cost_rows, points = costs(options, pin)
  local cost_table = table_text("| tasks | create | switch | sleep | finish | bytes a task |",
    cost_rows)
  local pause_table = table_text(
    "| tasks | collector | creating, ms | then, ms | collections | CPU, s | memory, MiB |",
    pauses(options, pin))
  print(cost_table .. "\n\n" .. pause_table)
  svg.write("bench/results/scale.svg", svg.lines {
    title = "CPU time for one task, ns", x_label = "number of tasks",
    series = { "create", "switch", "sleep", "finish" }, points = points,
  })
  local file <close> = assert(io.open("bench/results/scale.md", "w"))
  file:write(template:format(machine.describe(options), options.rounds, cost_table,
    options.rounds, pause_table))
end

return scale
