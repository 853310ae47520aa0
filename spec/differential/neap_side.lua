-- Runs task programs (programs.py) on neap, one for each line of the standard input, as
-- asyncio_side.py does on asyncio, statement by statement. Prints each one's log and
-- then a line with a dot.
local neap = require "neap"

local MOST_LINES = 3000
local ProgramError = neap.Error:extend "ProgramError"

local NAMES = {
  TimeoutError = "TE", InvalidStateError = "ISE", QueueEmpty = "QE", QueueFull = "QF",
  QueueShutDown = "QS", BrokenBarrierError = "BB", DeadlockError = "DEADLOCK",
}

local describe

local function describe_all(values, n)
  local texts = {}
  for i = 1, n do texts[i] = describe(values[i]) end
  return "[" .. table.concat(texts, ",") .. "]"
end

-- An error of Lua itself ("attempt to index ...") is never what a program asked for.
local function describe_text(text)
  if text:find("await itself", 1, true) and text:find("cycle", 1, true) then return "CYCLE" end
  return text:find("attempt to", 1, true) and "BUG " .. text or "ARG"
end

function describe(value)
  if type(value) == "string" then return describe_text(value) end
  if not neap.is(value, neap.Error) then return tostring(value) end
  if neap.is(value, neap.CancelledError) then return ("CE(%s)"):format(value.message) end
  if neap.is(value, neap.ExceptionGroup) then
    return "EG" .. describe_all(value.errors, #value.errors)
  end
  if neap.is(value, ProgramError) then return "E" .. value.message end
  return NAMES[value.name] or "BUG " .. tostring(value)
end

local function matches(kind, err)
  local cancelled = neap.is(err, neap.CancelledError)
  if kind == "cancelled" then return cancelled end
  if kind == "error" then return not cancelled end
  return kind == "any" or neap.is(err, neap.TimeoutError)
end

local function on_close(fn)
  return setmetatable({}, { __close = function(_, err) fn(err) end })
end

-- The state of one program.
local Program = {}
Program.__index = Program

local ops = {}

function Program.new(program, write, too_long)
  local s0, s1, b0, q0, q1, kind = table.unpack(program[1])
  local of_kind = kind == "lifo" and neap.lifo_queue or neap.priority_queue
  local self = {
    bodies = program, write = write, too_long = too_long,
    count = 0, lines = 0, forms = 0, scopes = {},
    at = {
      l0 = neap.lock(), l1 = neap.lock(), e0 = neap.event(), e1 = neap.event(),
      s0 = neap.semaphore(s0), s1 = neap.bounded_semaphore(s1), b0 = neap.barrier(b0),
      c0 = neap.condition(), q0 = neap.queue(q0), q1 = of_kind(q1),
      f0 = neap.future(), f1 = neap.future(),
    },
  }
  return setmetatable(self, Program)
end

function Program:note(who, ...)
  local words = table.pack(...)
  for i = 1, words.n do words[i] = tostring(words[i]) end
  self.lines = self.lines + 1
  if self.lines > MOST_LINES then self.too_long() end
  self.write(("%g %s %s\n"):format(neap.time(), who, table.concat(words, " ")))
end

function Program:number()
  self.count = self.count + 1
  return self.count
end

--- Alternates between two forms of the same thing.
function Program:other_form()
  self.forms = self.forms + 1
  return self.forms % 2 == 0
end

function Program:body(index, me)
  self:note(me, "begins")
  local ok, result = pcall(self.block, self, me, self.bodies[index + 2])
  if not ok then
    self:note(me, "ends", describe(result))
    error(result, 0)
  end
  result = result or 0
  self:note(me, "ends", result)
  return result
end

function Program:block(me, block)
  for _, statement in ipairs(block) do
    local result = ops[statement[1]](self, me, table.unpack(statement, 2))
    if result ~= nil then return result end
  end
end

-- ---- tasks ----

local function new_task(self, me, name, index, make, ...)
  local number = self:number()
  self.at[name] = make(...)(self.body, self, index, number)
  self:note(me, "made", number)
end

local function with_options(options)
  return function(...) return neap.create_task(options, ...) end
end

function ops.create(self, me, name, index)
  new_task(self, me, name, index, function() return neap.create_task end)
end

function ops.eager(self, me, name, index)
  new_task(self, me, name, index, with_options, { eager_start = true })
end

function ops.group_create(self, me, name, index)
  local group = self.group
  if group then
    new_task(self, me, name, index, function()
      return function(...) return group:create_task(...) end
    end)
  end
end

function ops.cancel(self, me, name, message)
  local task = self.at[name]
  if task then
    local made = task:cancel(message ~= "" and message or nil)
    self:note(me, "cancel", made, task:done(), task:cancelled())
  end
end

ops.cancel_future = ops.cancel

function ops.cancel_self(self, me, message)
  self:note(me, "cancel", neap.current_task():cancel(message ~= "" and message or nil))
end

-- A statement about something that may not be there yet.
local function about(op)
  return function(self, me, name, ...)
    local subject = self.at[name]
    if subject then return op(self, me, subject, ...) end
  end
end

ops.cancelling = about(function(self, me, task) self:note(me, "cancelling", task:cancelling()) end)
ops.uncancel = about(function(self, me, task) self:note(me, "uncancel", task:uncancel()) end)
ops.await = about(function(self, me, aw) self:note(me, "awaited", aw:await()) end)
ops.result = about(function(self, me, aw) self:note(me, "result", aw:result()) end)
ops.shield = about(function(self, me, aw) self:note(me, "shielded", neap.shield(aw):await()) end)

ops.exception = about(function(self, me, aw)
  local err = aw:exception()
  self:note(me, "exception", err == nil and "nil" or describe(err))
end)

ops.done_callback = about(function(self, _, aw, tag)
  aw:add_done_callback(function(future)
    local state = "finished"
    if future:cancelled() then
      state = "cancelled"
    elseif future:exception() ~= nil then
      state = "failed"
    end
    self:note("loop", "called", tag, state)
  end)
end)

-- ---- waiting ----

function ops.sleep(self, me, delay)
  self:note(me, "slept", neap.sleep(delay, delay))
end

ops.wait_for = about(function(self, me, aw, timeout)
  self:note(me, "in time", neap.wait_for(aw, timeout))
end)

ops.wait_for_shield = about(function(self, me, aw, timeout)
  self:note(me, "in time", neap.wait_for(neap.shield(aw), timeout))
end)

function ops.wait_for_body(self, me, index, timeout)
  local function body() return self:body(index, me) end
  self:note(me, "in time", neap.wait_for(body, timeout))
end

--- What is there under these names: the things, each once, and their names.
local function found(self, names)
  local list, known, seen = {}, {}, {}
  for _, name in ipairs(names) do
    local aw = self.at[name]
    if aw and not seen[name] then known[#known + 1] = { name = name, aw = aw } end
    if aw and not seen[aw] then list[#list + 1] = aw end
    seen[name] = true
    if aw then seen[aw] = true end
  end
  return list, known
end

function ops.gather(self, me, names, errors)
  local list = { return_exceptions = errors }
  for _, name in ipairs(names) do list[#list + 1] = self.at[name] end
  if #list > 0 then
    local results = neap.gather(list)
    self:note(me, "gathered", describe_all(results, results.n))
  end
end

function ops.gather_bodies(self, me, first, second)
  local one, two = self:number(), self:number()
  local results = table.pack(neap.gather(
    function() return self:body(first, one) end,
    function() return self:body(second, two) end))
  self:note(me, "gathered", describe_all(results, results.n))
end

local function limit(timeout)
  if timeout >= 0 then return timeout end
end

function ops.wait(self, me, names, timeout, return_when)
  local list, known = found(self, names)
  if #list == 0 then return end
  local done = neap.wait(list, { timeout = limit(timeout), return_when = return_when })
  local is_done, words = {}, {}
  for _, aw in ipairs(done) do is_done[aw] = true end
  for _, pair in ipairs(known) do
    if is_done[pair.aw] then words[#words + 1] = pair.name end
  end
  self:note(me, "done", table.unpack(words))
end

local function end_of(task)
  local ok, result = pcall(task.await, task)
  if not ok and not neap.is(result, ProgramError) then error(result, 0) end
  return describe(result)
end

function ops.as_completed(self, me, names, timeout)
  local list = found(self, names)
  if #list == 0 then return end
  local already, ends = 0, {}
  for _, aw in ipairs(list) do already = already + (aw:done() and 1 or 0) end
  for task in neap.as_completed(list, { timeout = limit(timeout) }) do
    ends[#ends + 1] = end_of(task)
    if #ends >= already then
      local sorted = table.move(ends, 1, #ends, 1, {})
      table.sort(sorted)
      self:note(me, "completed", table.unpack(sorted))
    end
  end
end

-- ---- errors ----

ops["raise"] = function(_, _, number) error(ProgramError(tostring(number))) end
function ops.raise_cancelled() error(neap.CancelledError()) end
ops["return"] = function(_, _, value) return value end

ops["try"] = function(self, me, kind, block, handler, again)
  local ok, result = pcall(self.block, self, me, block)
  if ok then return result end
  if not matches(kind, result) then error(result, 0) end
  self:note(me, "caught", describe(result))
  local value = self:block(me, handler)
  if again and value == nil then error(result, 0) end
  return value
end

local function clean_up(self, me, cleanup)
  self:note(me, "cleans up")
  self:block(me, cleanup)
  self:note(me, "cleaned up")
end

ops["finally"] = function(self, me, block, cleanup)
  if self:other_form() then
    local _ <close> = on_close(function() clean_up(self, me, cleanup) end)
    return self:block(me, block)
  end
  local ok, result = pcall(self.block, self, me, block)
  clean_up(self, me, cleanup)
  if not ok then error(result, 0) end
  return result
end

-- ---- structure ----

function ops.group(self, me, block)
  local _ <close> = on_close(function() self:note(me, "group left") end)
  if self:other_form() then
    local group <close> = neap.task_group()
    self.group = group
    return self:block(me, block)
  end
  return neap.task_group(function(group)
    self.group = group
    return self:block(me, block)
  end)
end

function ops.timeout(self, me, delay, block)
  local scope
  local _ <close> = on_close(function() self:note(me, "expired", scope:expired()) end)
  local bound <close> = neap.timeout(delay)
  scope = bound
  local stack = self.scopes[me] or {}
  self.scopes[me] = stack
  stack[#stack + 1] = scope
  local _ <close> = on_close(function() stack[#stack] = nil end)
  return self:block(me, block)
end

function ops.reschedule(self, me, delay)
  local stack = self.scopes[me]
  if stack and #stack > 0 then stack[#stack]:reschedule(neap.time() + delay) end
end

-- ---- synchronisation ----

local function hold(self, me, name, block)
  local _ <close> = self.at[name]:acquire()
  self:note(me, "holds", name)
  return self:block(me, block)
end

function ops.with_lock(self, me, name, block)
  local result
  if self:other_form() then
    result = hold(self, me, name, block)
  else
    result = self.at[name]:with(function()
      self:note(me, "holds", name)
      return self:block(me, block)
    end)
  end
  self:note(me, "released", name)
  return result
end

ops.with_semaphore = ops.with_lock

function ops.with_condition(self, me, block)
  return ops.with_lock(self, me, "c0", block)
end

function ops.acquire(self, me, name)
  self.at[name]:acquire()
  self:note(me, "holds", name)
end

function ops.release(self, me, name)
  self.at[name]:release()
  self:note(me, "released", name)
end

function ops.locked(self, me, name) self:note(me, "locked", self.at[name]:locked()) end

function ops.condition_wait(self, me)
  self.at.c0:wait()
  self:note(me, "notified")
end

function ops.notify(self, me, count)
  self.at.c0:notify(count)
  self:note(me, "notifies")
end

function ops.event_wait(self, me, name)
  self.at[name]:wait()
  self:note(me, "saw", name)
end

function ops.set(self, _, name) self.at[name]:set() end
function ops.clear(self, _, name) self.at[name]:clear() end

function ops.put(self, me, name, item)
  self.at[name]:put(item)
  self:note(me, "put", self.at[name]:qsize())
end

function ops.put_nowait(self, me, name, item)
  self.at[name]:put_nowait(item)
  self:note(me, "put", self.at[name]:qsize())
end

function ops.get(self, me, name) self:note(me, "got", self.at[name]:get()) end
function ops.get_nowait(self, me, name) self:note(me, "got", self.at[name]:get_nowait()) end
function ops.task_done(self, _, name) self.at[name]:task_done() end

function ops.join(self, me, name)
  self.at[name]:join()
  self:note(me, "joined")
end

function ops.shutdown(self, _, name, immediate) self.at[name]:shutdown(immediate) end
function ops.barrier_wait(self, me) self:note(me, "passed", self.at.b0:wait()) end
function ops.barrier_reset(self) self.at.b0:reset() end
function ops.barrier_abort(self) self.at.b0:abort() end

-- ---- futures and callbacks ----

function ops.set_result(self, _, name, value) self.at[name]:set_result(value) end

function ops.set_exception(self, _, name, number)
  self.at[name]:set_exception(ProgramError(tostring(number)))
end

function ops.new_future(self, _, name) self.at[name] = neap.future() end

local function call(self, action)
  local ok, err = pcall(ops[action[1]], self, "loop", table.unpack(action, 2))
  if not ok then self:note("loop", "raised", describe(err)) end
end

function ops.call_soon(self, _, action) self.handle = neap.call_soon(call, self, action) end

function ops.call_later(self, _, delay, action)
  self.handle = neap.call_later(delay, call, self, action)
end

function ops.cancel_handle(self)
  if self.handle then self.handle:cancel() end
end

-- ---- the run ----

local function exit_as_too_long()
  io.write "too long\n"
  os.exit(3)
end

--- Runs one program; write(text) gets its log. on_report gets what neap reports, and too_long()
--- is called when it has more to say than MOST_LINES.
local function run(program, write, on_report, too_long)
  local _ <close> = neap.testing.virtual_clock()
  neap.set_exception_handler(on_report or function() end)
  pcall(neap.run, function()
    return Program.new(program, write, too_long or exit_as_too_long):body(0, 0)
  end)
end

if ... == "spec.differential.neap_side" then return run end

io.stdout:setvbuf "full"
for line in io.lines() do
  run(assert(load("return " .. line))(), function(text) io.write(text) end)
  assert(neap.stats().tasks.pending == 0)
  io.write ".\n"
  io.flush()
end
