-- What must be level: measured when all is quiet, once after half of the time and once at the end.
local neap = require "neap"
local fs = require "neap.fs"

local levels = {}

local function megabytes(bytes) return bytes / 2 ^ 20 end

--- What is there once garbage has been collected, and what is being closed has been closed.
function levels.measure()
  for _ = 1, 5 do
    neap.sleep(0.2)
    collectgarbage()
  end
  local stats = neap.stats()
  local resident = fs.read_file "/proc/self/status":match "VmRSS:%s*(%d+)"
  return {
    files = #fs.readdir "/proc/self/fd", resident = tonumber(resident) * 1024,
    lua = collectgarbage "count" * 1024, c = stats.bytes,
    tasks = stats.tasks.pending, timers = stats.timers,
  }
end

function levels.show(what, figures)
  print(("%-7s files %d, resident %.1f MiB, Lua %.0f KiB, C %.0f KiB, tasks %d, timers %d"):format(
    what, figures.files, megabytes(figures.resident), figures.lua / 1024, figures.c / 1024,
    figures.tasks, figures.timers))
  io.stdout:flush()
end

--- Errors of tasks that nobody looks at are failures.
function levels.watch()
  local failures = {}
  neap.set_exception_handler(function(report)
    failures[#failures + 1] = ("%s: %s"):format(report.message, tostring(report.exception))
  end)
  return failures
end

--- phase(seconds) is called twice; `allowed` is the growth of memory from the one to the other, in
--- bytes. Adds to the failures.
function levels.run(seconds, phase, allowed, failures)
  phase(seconds / 2)
  local first = levels.measure()
  levels.show("half", first)
  phase(seconds / 2)
  local last = levels.measure()
  levels.show("end", last)
  for field, most in pairs(allowed) do
    if last[field] > first[field] + most then
      failures[#failures + 1] = ("%s memory has grown: %.0f -> %.0f"):format(field, first[field],
        last[field])
    end
  end
  for _, field in ipairs { "files", "tasks", "timers" } do
    if last[field] > first[field] then failures[#failures + 1] = field .. " are left" end
  end
end

--- Ends the program.
function levels.finish(failures)
  for i = 1, math.min(#failures, 10) do io.stderr:write("soak: ", failures[i], "\n") end
  os.exit(#failures == 0)
end

return levels
