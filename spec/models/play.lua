-- Plays small programs on neap and on the reference, and compares what they say event by event.
--
-- A program is a sequence of operations for each task. A task does one after the other, whatever
-- becomes of it, so a cancellation ends an operation, not the task. Between any two operations,
-- and at each pass of the loop, is a point: there a task may be cancelled. A driver counts
-- the passes, and an event is noted with its pass; when nothing happens any more, it notes who is
-- stuck, and cancels those.
local neap = require "neap"

local QUIET = 3 -- passes in which nothing happens: then nothing will
local SECONDS = 2 -- how far the clock moves on for programs with time

local Run = {}
Run.__index = Run

local function note(run, text, value)
  local log, n = run.log, run.length
  log[n + 1], log[n + 2], log[n + 3] = text, run.observe(run), run.passes
  log[n + 4] = value == nil and "" or value
  run.length = n + 4
  run.changed = true
end

--- What must never be; the first is kept.
function Run:problem(text)
  self.wrong = self.wrong or text
end

function Run:note(text, value) note(self, text, value) end

--- A point: the task that is to be cancelled here is.
local function point(run)
  local n = run.points + 1
  run.points = n
  if n == run.cancel_at then
    note(run, run.cancel_text, run.tasks[run.victim]:cancel())
  elseif run.alive then
    for who, task in ipairs(run.tasks) do run.alive[who][n] = not task:done() end
  end
end

Run.point = point

local function outcome(result)
  if type(result) == "table" then return result.name end
  if type(result) == "string" and not result:find "attempt to" then return "misuse" end
  return tostring(result)
end

local function body(run, who)
  local program = run.program[who]
  for i = 1, #program do
    point(run)
    local op = program[i]
    run.doing[who] = op
    local ok, result = pcall(op.run, run, who)
    run.doing[who] = nil
    if ok then
      note(run, op.done[who], result)
    else
      note(run, op.failed[who], outcome(result))
    end
    run:check()
  end
  point(run)
  run.ended = run.ended + 1
end

local function all_done(run)
  for _, task in ipairs(run.tasks) do
    if not task:done() then return false end
  end
  return true
end

--- Lets the tasks go on until nothing happens any more.
local function settle(run, with_points)
  local quiet, seconds = 0, 0
  while not all_done(run) do
    if with_points and quiet < 2 then point(run) end
    run.changed = false
    run.api.sleep(0)
    run.passes = run.passes + 1
    quiet = run.changed and 0 or quiet + 1
    if quiet == QUIET then
      if not run.kind.timed or seconds == SECONDS then break end
      seconds, quiet = seconds + 1, 0
      run.api.sleep(1)
    end
  end
end

local function note_stuck(run)
  for who, task in ipairs(run.tasks) do
    if not task:done() then
      local op = run.doing[who]
      note(run, who .. " is stuck", op and op.name or "nowhere")
      if op and run.kind.may_wait and not run.kind.may_wait(run, who, op) then
        run:problem(("task %d is left waiting (%s)"):format(who, op.name))
      end
    end
  end
end

--- Ends what is stuck: each cancellation ends an operation.
local function finish(run)
  for _ = 1, run.most + 2 do
    if all_done(run) then break end
    note_stuck(run)
    if run.kind.unblock then run.kind.unblock(run) end
    for _, task in ipairs(run.tasks) do task:cancel() end
    settle(run, false)
  end
  for who, task in ipairs(run.tasks) do
    note(run, who .. " ended", task:done() and (task:cancelled() and "cancelled" or "done"))
  end
  if not all_done(run) then run:problem "a task cannot be ended" end
end

local function drive(run)
  run.start = run.api.time()
  run.subject = run.kind.make(run.api, run)
  for who = 1, #run.program do
    run.tasks[who] = run.api.create_task(body, run, who)
  end
  settle(run, true)
  finish(run)
  if run.kind.at_end then run.kind.at_end(run) end
  return run
end

-- Logs that are done with: to grow a new one costs more than to play a program.
local spare_logs = {}

--- A run of a program with the cancellation of task `victim` at a point; at 0, none.
local function new_run(api, kind, program, cancel_at, victim)
  local most = 0
  for _, ops in ipairs(program) do most = math.max(most, #ops) end
  local run = setmetatable({
    api = api, kind = kind, program = program, observe = kind.observe,
    cancel_at = cancel_at, victim = victim, cancel_text = victim .. " is cancelled",
    points = 0, passes = 0, ended = 0, length = 0, most = most,
    log = table.remove(spare_logs) or {}, tasks = {}, doing = {},
  }, Run)
  run.check = kind.check or function() end
  return run
end

--- The runs of a program on neap: one without a cancellation, then one for each.
local function all_runs(kind, program)
  local first = new_run(neap, kind, program, 0, 0)
  local alive = {}
  for who = 1, #program do alive[who] = {} end
  first.alive = alive
  local runs = { drive(first) }
  for who, at in ipairs(alive) do
    for n = 1, #at do
      if at[n] then runs[#runs + 1] = drive(new_run(neap, kind, program, n, who)) end
    end
  end
  return runs
end

local function names(program)
  local texts = {}
  for who, ops in ipairs(program) do
    local list = {}
    for i, op in ipairs(ops) do list[i] = op.name end
    texts[who] = ("  task %d: %s"):format(who, table.concat(list, ", "))
  end
  return table.concat(texts, "\n")
end

local function show(log, length, at)
  local lines = {}
  for i = 1, length, 4 do
    lines[#lines + 1] = ("%s %3d %-28s %-12s %s"):format(i == at and ">" or " ",
      log[i + 2], log[i], tostring(log[i + 3]), tostring(log[i + 1]))
  end
  return table.concat(lines, "\n")
end

local function story(run, other, at, problem)
  return ("%s:\n%s\n  cancelled at point %d: task %d\nneap:\n%s\nreference:\n%s\n%s"):format(
    run.kind.name, names(run.program), run.cancel_at, run.victim,
    show(run.log, run.length, at), show(other.log, other.length, at), problem)
end

--- nil, or what is wrong with a run.
local function judge(run, reference)
  local other = new_run(reference, run.kind, run.program, run.cancel_at, run.victim)
  reference.run(drive, other)
  if run.wrong then return story(run, other, 0, run.wrong) end
  local mine, theirs = run.log, other.log
  for i = 1, math.max(run.length, other.length) do
    if i > run.length or i > other.length or mine[i] ~= theirs[i] then
      return story(run, other, i - (i - 1) % 4, "they differ")
    end
  end
  table.insert(spare_logs, mine)
  table.insert(spare_logs, theirs)
end

local play = {}

--- Plays a program. Returns the number of its cancellations, and what is wrong, or nil.
function play.program(kind, program, reference)
  local runs = neap.run(all_runs, kind, program)
  for _, run in ipairs(runs) do
    local problem = judge(run, reference)
    if problem then return #runs - 1, problem end
  end
  return #runs - 1
end

--- All sequences of up to so many of these operations, the short ones first.
function play.sequences(ops, most)
  local all, first = { {} }, 1
  for _ = 1, most do
    local last = #all
    for i = first, last do
      for _, op in ipairs(ops) do
        local longer = table.move(all[i], 1, #all[i], 1, {})
        longer[#longer + 1] = op
        all[#all + 1] = longer
      end
    end
    first = last + 1
  end
  return all
end

return play
