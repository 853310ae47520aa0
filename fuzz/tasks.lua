-- tasks.lua - task programs as bytes: those of spec/differential, made by the fuzzer.
--
-- Whatever tasks do to each other, every task that has begun ends, unless neap says that it was
-- abandoned; nothing fails but in the ways the program asked for; a second run does the same; and
-- with the ready tasks in another order it ends as well.
local neap = require "neap"
local run = require "spec.differential.neap_side"

local TASKS = { "t0", "t1", "t2", "t3" }
local FUTURES = { "f0", "f1" }
local AWAITABLES = { "t0", "t1", "t2", "t3", "f0", "f1" }
local LOCKS = { "l0", "l1", "s0", "s1" }
local EVENTS, QUEUES = { "e0", "e1" }, { "q0", "q1" }
local DELAYS = { 0, 0, 1, 2, 3 }
local TIMEOUTS = { -1, 0, 1, 1, 2, 3 }
local MESSAGES = { "", "m" }
local KINDS = { "any", "cancelled", "error", "timeout" }
local RETURN_WHEN = { "ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION" }
local MOST_STATEMENTS, MOST_DEPTH = 120, 4

-- ---- from bytes to a program ----

local Maker = {}
Maker.__index = Maker

local function one(...)
  local lists = { ... }
  return function(maker)
    local arguments = {}
    for i, list in ipairs(lists) do arguments[i] = maker.bytes:pick(list) end
    return arguments
  end
end

local NUMBERS = { 1, 2, 3, 4 }

local function some(maker)
  local names = {}
  for i = 1, maker.bytes:upto(2) + 1 do names[i] = maker.bytes:pick(AWAITABLES) end
  return names
end

local function later(maker) return maker.body + 1 + maker.bytes:upto(3) end

--- Statements of callbacks: they do not wait.
local plain = {
  { "set_result", one(FUTURES, NUMBERS) }, { "set_exception", one(FUTURES, NUMBERS) },
  { "cancel", one(TASKS, MESSAGES) }, { "set", one(EVENTS) }, { "clear", one(EVENTS) },
  { "put_nowait", one(QUEUES, NUMBERS) }, { "get_nowait", one(QUEUES) },
  { "release", one(LOCKS) }, { "cancel_future", one(FUTURES, MESSAGES) },
}

local function action(maker)
  local made = maker.bytes:pick(plain)
  return { made[1], table.unpack(made[2](maker)) }
end

local function block(maker) return maker:block(maker.bytes:upto(2) + 1) end

--- The statements; of those with a body, only bodies behind their own, or programs never end.
local statements = {
  { "sleep", one(DELAYS) }, { "cancel_self", one(MESSAGES) }, { "cancelling", one(TASKS) },
  { "uncancel", one(TASKS) }, { "await", one(AWAITABLES) }, { "result", one(AWAITABLES) },
  { "exception", one(AWAITABLES) }, { "shield", one(AWAITABLES) },
  { "wait_for", one(AWAITABLES, TIMEOUTS) }, { "wait_for_shield", one(AWAITABLES, TIMEOUTS) },
  { "gather", function(m) return { some(m), m.bytes:chance() } end },
  { "wait", function(m) return { some(m), m.bytes:pick(TIMEOUTS), m.bytes:pick(RETURN_WHEN) } end },
  { "as_completed", function(m) return { some(m), m.bytes:pick(TIMEOUTS) } end },
  { "done_callback", one(AWAITABLES, NUMBERS) }, { "raise", one(NUMBERS) },
  { "raise_cancelled", one() }, { "return", one(NUMBERS) },
  { "acquire", one(LOCKS) }, { "locked", one(LOCKS) }, { "condition_wait", one() },
  { "notify", one(NUMBERS) }, { "event_wait", one(EVENTS) }, { "put", one(QUEUES, NUMBERS) },
  { "get", one(QUEUES) }, { "task_done", one(QUEUES) }, { "join", one(QUEUES) },
  { "shutdown", function(m) return { m.bytes:pick(QUEUES), m.bytes:chance() } end },
  { "barrier_wait", one() }, { "barrier_reset", one() }, { "barrier_abort", one() },
  { "new_future", one(FUTURES) }, { "reschedule", one(TIMEOUTS) }, { "cancel_handle", one() },
  { "call_soon", function(m) return { action(m) } end },
  { "call_later", function(m) return { m.bytes:pick(DELAYS), action(m) } end },
  { "create", function(m) return { m.bytes:pick(TASKS), later(m) } end, calls = true },
  { "create", function(m) return { m.bytes:pick(TASKS), later(m) } end, calls = true },
  { "eager", function(m) return { m.bytes:pick(TASKS), later(m) } end, calls = true },
  { "group_create", function(m) return { m.bytes:pick(TASKS), later(m) } end, calls = true },
  { "wait_for_body", function(m) return { later(m), m.bytes:pick(TIMEOUTS) } end, calls = true },
  { "gather_bodies", function(m) return { later(m), later(m) } end, calls = true },
  { "group", function(m) return { block(m) } end, nests = true },
  { "timeout", function(m) return { m.bytes:pick(TIMEOUTS), block(m) } end, nests = true },
  { "try", function(m)
    return { m.bytes:pick(KINDS), block(m), block(m), m.bytes:chance() }
  end, nests = true },
  { "finally", function(m) return { block(m), block(m) } end, nests = true },
  { "with_lock", function(m) return { m.bytes:pick(LOCKS), block(m) } end, nests = true },
  { "with_condition", function(m) return { block(m) } end, nests = true },
}
table.move(plain, 1, #plain, #statements + 1, statements)

function Maker:statement()
  local made = self.bytes:pick(statements)
  local too_deep = made.nests and self.depth == MOST_DEPTH
  local last = made.calls and self.body + 4 > self.bodies
  if too_deep or last then return { "sleep", 0 } end
  self.depth = self.depth + 1
  local statement = { made[1], table.unpack(made[2](self)) }
  self.depth = self.depth - 1
  return statement
end

function Maker:block(size)
  local statements_made = {}
  for i = 1, size do
    if self.left == 0 or not self.bytes:more() then break end
    self.left = self.left - 1
    statements_made[i] = self:statement()
  end
  return statements_made
end

--- A program has four bodies more than call others, so that each call has one behind it.
local function make_program(bytes)
  local limits = {
    bytes:upto(2), bytes:upto(1) + 1, bytes:upto(2) + 1, bytes:upto(2), bytes:upto(2),
    bytes:chance() and "lifo" or "priority",
  }
  local maker = setmetatable({
    bytes = bytes, depth = 0, body = 0, bodies = 7, left = MOST_STATEMENTS,
  }, Maker)
  local program = { limits }
  for body = 0, maker.bodies do
    maker.body = body
    program[body + 2] = maker:block(bytes:upto(7))
  end
  return program
end

-- ---- what must hold ----

local ABANDONED = "a task ignored its cancellation and was abandoned"

local expected = {
  [ABANDONED] = true,
  ["Task exception was never retrieved"] = true,
  ["Future exception was never retrieved"] = true,
}

local function check_report(report)
  local text = tostring(report.exception)
  local shielded = report.message:find "exception in shielded future$"
  local at_end = report.message:find "shutdown"
  assert(expected[report.message] or shielded or at_end, report.message .. ": " .. text)
  assert(not text:find "attempt to", text)
end

--- The log of a run; whether any task was abandoned.
local function play(program)
  local log, abandoned, begun, too_long = {}, false, 0, false
  run(program, function(line)
    log[#log + 1] = line
    if line:find " begins\n" then begun = begun + 1 end
    if line:find " ends " then begun = begun - 1 end
    assert(not line:find("BUG", 1, true), line)
  end, function(report)
    check_report(report)
    abandoned = abandoned or report.message == ABANDONED
  end, function()
    too_long = true
    error("too long", 0)
  end)
  if not too_long then
    assert(abandoned or begun == 0, begun .. " bodies have not ended")
  end
  collectgarbage "step"
  return table.concat(log)
end

return function(_, bytes)
  local seed = bytes:byte()
  local program = make_program(bytes)
  local log = play(program)
  local again = play(program)
  if log ~= again then error(("not the same again:\n%s\n-- at first:\n%s"):format(again, log)) end
  neap.testing.shuffle(seed)
  local _ <close> = setmetatable({}, { __close = function() neap.testing.shuffle(0) end })
  play(program)
end, { guided = false, plain = true }
