-- Every primitive under random programs: a few tasks that use it at random instants of the
-- virtual clock and cancel each other meanwhile. Whatever they do is logged, and a plain model
-- reads the log (spec/support/model.lua). One program in three runs with the tasks shuffled.
--
--   NEAP_SEED=n            runs the programs of this seed only
--   NEAP_MODEL_PROGRAMS=n  how many programs of each primitive there are

local neap = require "neap"
local testing = require "neap.testing"
local model = require "spec.support.model"
local queue_model = require "spec.support.queue_model"

local PROGRAMS = tonumber(os.getenv "NEAP_MODEL_PROGRAMS") or 1000
local SEED = tonumber(os.getenv "NEAP_SEED")
local QUIET = 1000 -- seconds; by then every task has ended or waits for ever

-- random(n): an integer from 1 to n. A seed gives the same numbers everywhere.
local function random_numbers(seed)
  local state = (seed * 0x9E3779B97F4A7C15) ~ 0x2545F4914F6CDD1D
  return function(n)
    state = state ~ (state << 13)
    state = state ~ (state >> 7)
    state = state ~ (state << 17)
    return (state >> 33) % n + 1
  end
end

-- Running a program --------------------------------------------------------------------------

local Run = {}
Run.__index = Run

function Run:note(phase, who, op, what)
  local log = self.log
  log[#log + 1] = {
    time = neap.time(), phase = phase, who = who, op = op, what = what, seen = self.observe(),
  }
end

-- Logs how an operation ended, as pcall has told.
function Run:ended(who, op, ok, result)
  if ok then
    self:note("done", who, op, result)
  elseif neap.is(result, neap.CancelledError) then
    self:note("cancelled", who, op)
  elseif neap.is(result, neap.Error) then
    self:note("error", who, op, result.name)
  else
    self:note("error", who, op, type(result) == "string" and "misuse" or tostring(result))
  end
end

-- Operation op of a task, which may wait: fn(...); it is given what.
function Run:attempt(who, op, what, fn, ...)
  self:note("call", who, op, what)
  local ok, result = pcall(fn, ...)
  self:ended(who, op, ok, result)
  return ok, result
end

-- Operation op, which does not wait. It is logged with `what`.
function Run:at_once(who, op, what, fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then result = what end
  self:ended(who, op, ok, result)
  return ok
end

-- Takes something by hold(inside), sleeps in there, and gives it back on leaving.
function Run:hold(who, hold)
  local inside = false
  self:note("call", who, "acquire")
  local ok, err = pcall(hold, function()
    inside = true
    self:note("done", who, "acquire")
    neap.sleep(self.random[who](3) - 1)
  end)
  if inside then
    local released = ok or neap.is(err, neap.CancelledError)
    self:ended(who, "release", released, not released and err or nil)
  else
    self:ended(who, "acquire", ok, err)
  end
end

function Run:sleep(who)
  pcall(neap.sleep, self.random[who](4) - 1)
end

function Run:cancel_somebody(who)
  local other = self.random[who](#self.tasks)
  if other ~= who and self.busy[other] then
    self:note("cancel", other, "by task " .. who)
    self.tasks[other]:cancel()
  end
end

local function body(run, who)
  local random, steps = run.random[who], run.steps
  run.busy[who] = true
  for _ = 1, random(8) + 2 do
    if run.over then break end
    steps[random(#steps)](run, who)
  end
  run.leave(run, who)
  run.busy[who] = nil
end

local function drive(run)
  for who = 1, #run.random do
    run.tasks[who] = neap.create_task(body, run, who)
  end
  neap.sleep(QUIET)
  run:note("quiet", 0, "")
  run.over = true
  for who, task in ipairs(run.tasks) do
    if run.busy[who] then
      run:note("cancel", who, "at the end")
      task:cancel()
    end
  end
  neap.sleep(QUIET)
  run:note("quiet", 0, "")
  for who, task in ipairs(run.tasks) do
    if not task:done() then error(("task %d does not end"):format(who), 0) end
    task:result()
  end
end

local function play(kind, seed, shuffled)
  local random = random_numbers(seed)
  local run = setmetatable({
    log = {}, tasks = {}, busy = {}, random = {}, held = {},
    steps = kind.steps, leave = kind.leave,
  }, Run)
  for who = 1, random(5) + 1 do
    run.random[who] = random_numbers(seed * 8 + who)
  end
  local expected = kind.make(run, random)
  expected.fifo = not shuffled
  testing.shuffle(shuffled and seed or 0)
  local ok, err = pcall(neap.run, drive, run)
  testing.shuffle(0)
  return run.log, expected, not ok and tostring(err) or nil
end

local function show(event)
  return ("  %8.3f  task %d  %-9s  %s %s"):format(event.time, event.who, event.phase, event.op,
    event.what == nil and "" or tostring(event.what))
end

local function story(title, seed, log, last, problem)
  local lines = { ("%s, program %d:"):format(title, seed) }
  for i = 1, last do
    lines[#lines + 1] = show(log[i])
  end
  lines[#lines + 1] = problem
  lines[#lines + 1] = ("again with: NEAP_SEED=%d busted spec/sync/model_spec.lua"):format(seed)
  return table.concat(lines, "\n")
end

local function check(title, kind)
  local _ <close> = testing.virtual_clock()
  for seed = SEED or 1, SEED or PROGRAMS do
    local log, expected, failure = play(kind, seed, seed % 3 == 0)
    local last, problem = expected:judge(log)
    if problem or failure then
      error(story(title, seed, log, last or #log, problem or failure), 0)
    end
  end
end

-- The programs -------------------------------------------------------------------------------

-- The steps that a program draws from, each as often as the number before it says.
local function steps(...)
  local all = { Run.sleep, Run.sleep, Run.cancel_somebody }
  local list = table.pack(...)
  for i = 1, list.n, 2 do
    for _ = 1, list[i] do
      all[#all + 1] = list[i + 1]
    end
  end
  return all
end

local function nothing() end

local function hold_by_guard(run, who)
  run:hold(who, function(inside)
    local _ <close> = run.subject:acquire()
    inside()
  end)
end

local function hold_by_with(run, who)
  run:hold(who, function(inside) run.subject:with(inside) end)
end

-- What a task acquires it releases before it acquires again.
local function release(run, who)
  if run.held[who] then
    run.held[who] = nil
    run:at_once(who, "release", nil, run.subject.release, run.subject)
  end
end

local function acquire(run, who)
  release(run, who)
  local function take() run.subject:acquire() end
  if run:attempt(who, "acquire", nil, take) then
    run.held[who] = true
  end
end

local function leave_one_in_eight_held(run, who)
  if run.random[who](8) > 1 then release(run, who) end
end

local function unless_held(step)
  return function(run, who)
    release(run, who)
    step(run, who)
  end
end

local function release_unheld(run, who)
  if not next(run.held) and not run.subject:locked() then
    run:at_once(who, "misuse", nil, run.subject.release, run.subject)
  end
end

local lock = {
  make = function(run)
    run.subject = neap.lock()
    run.observe = function() return run.subject:locked() end
    return model.lock()
  end,
  leave = leave_one_in_eight_held,
  steps = steps(4, acquire, 3, release, 1, unless_held(hold_by_guard),
    1, unless_held(hold_by_with), 1, release_unheld),
}

-- Semaphores ---------------------------------------------------------------------------------

local function release_any(run, who)
  run:at_once(who, "release", nil, run.subject.release, run.subject)
end

local function semaphores(bounded)
  return {
    make = function(run, random)
      local n = random(4) - 1
      run.subject = (bounded and neap.bounded_semaphore or neap.semaphore)(n)
      run.observe = function() return run.subject:locked() end
      return model.semaphore(n, bounded and n or nil)
    end,
    leave = leave_one_in_eight_held,
    steps = steps(4, acquire, 3, release, 1, release_any, 1, hold_by_guard, 1, hold_by_with),
  }
end

-- Event --------------------------------------------------------------------------------------

local function method_at_once(name)
  return function(run, who)
    run:at_once(who, name, nil, run.subject[name], run.subject)
  end
end

local function method(name)
  return function(run, who)
    run:attempt(who, name, nil, run.subject[name], run.subject)
  end
end

local event = {
  make = function(run)
    run.subject = neap.event()
    run.observe = function() return run.subject:is_set() end
    return model.event()
  end,
  leave = nothing,
  steps = steps(5, method "wait", 2, method_at_once "set", 2, method_at_once "clear"),
}

-- Condition ----------------------------------------------------------------------------------

local function holding(step)
  return function(run, who)
    if not run.held[who] then acquire(run, who) end
    if run.held[who] then step(run, who) end
  end
end

local wait_for_notice = holding(function(run, who)
  run:attempt(who, "wait", nil, run.subject.wait, run.subject)
end)

local notify = holding(function(run, who)
  local n = run.random[who](3) - 1
  run:at_once(who, "notify", n, run.subject.notify, run.subject, n)
end)

local notify_all = holding(function(run, who)
  run:at_once(who, "notify", math.huge, run.subject.notify_all, run.subject)
end)

local condition = {
  make = function(run)
    run.subject = neap.condition()
    run.observe = function() return run.subject:locked() end
    return model.condition()
  end,
  leave = release,
  steps = steps(1, acquire, 4, release, 4, wait_for_notice, 2, notify, 1, notify_all,
    1, unless_held(hold_by_guard), 1, unless_held(hold_by_with)),
}

-- Barrier ------------------------------------------------------------------------------------

local function one_time_in(n, step)
  return function(run, who)
    if run.random[who](n) == 1 then step(run, who) end
  end
end

local barrier = {
  make = function(run, random)
    local n = random(4)
    run.subject = neap.barrier(n)
    run.observe = function()
      return { broken = run.subject:broken(), waiting = run.subject:n_waiting() }
    end
    return model.barrier(n)
  end,
  leave = nothing,
  steps = steps(6, method "wait", 1, one_time_in(3, method_at_once "reset"),
    1, one_time_in(8, method_at_once "abort")),
}

-- Queues -------------------------------------------------------------------------------------

-- Items are integers: a priority in the hundreds, and a number that no other item has.
local function new_item(run, who)
  run.items = run.items + 1
  return run.random[who](4) * 100 + run.items
end

local function priority(item)
  return item // 100
end

local function more_urgent(a, b)
  return priority(a) < priority(b)
end

local function put(run, who)
  local item = new_item(run, who)
  run:attempt(who, "put", item, run.subject.put, run.subject, item)
end

local function put_nowait(run, who)
  local item = new_item(run, who)
  run:at_once(who, "put_nowait", item, run.subject.put_nowait, run.subject, item)
end

local function get_nowait(run, who)
  run:ended(who, "get_nowait", pcall(run.subject.get_nowait, run.subject))
end

-- One turn of `for item in queue:items() do`, whose end means that the queue is shut down.
local function take_next(run, who)
  local next_item, state, control = run.subject:items()
  run:note("call", who, "get")
  local ok, item = pcall(next_item, state, control)
  if ok and item == nil then
    run:note("error", who, "get", "QueueShutDown")
  else
    run:ended(who, "get", ok, item)
  end
end

local function shut_down(immediate)
  return one_time_in(8, function(run, who)
    run:at_once(who, "shutdown", immediate, run.subject.shutdown, run.subject, immediate)
  end)
end

local function queues(new, pick, key, less)
  return {
    make = function(run, random)
      local maxsize = random(4) - 1
      run.items = 0
      run.subject = new(maxsize, less)
      run.observe = function() return run.subject:qsize() end
      return queue_model(maxsize, pick, key)
    end,
    leave = nothing,
    steps = steps(5, put, 3, method "get", 2, take_next, 1, put_nowait, 1, get_nowait,
      2, method_at_once "task_done", 1, method "join", 1, shut_down(false), 1, shut_down(true)),
  }
end

local function oldest() return 1 end

local function newest(items) return #items end

local function least(items)
  local best = 1
  for i = 2, #items do
    if items[i] < items[best] then best = i end
  end
  return best
end

describe("every random program agrees with the model: #plain", function()
  local kinds = {
    { "lock", lock },
    { "event", event },
    { "condition", condition },
    { "semaphore", semaphores(false) },
    { "bounded semaphore", semaphores(true) },
    { "barrier", barrier },
    { "queue", queues(neap.queue, oldest) },
    { "LIFO queue", queues(neap.lifo_queue, newest) },
    { "priority queue", queues(neap.priority_queue, least) },
    { "priority queue with less", queues(neap.priority_queue, least, priority, more_urgent) },
  }
  for _, entry in ipairs(kinds) do
    local title, kind = entry[1], entry[2]
    it(title, function() check(title, kind) end)
  end
end)
