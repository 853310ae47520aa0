-- The primitives as small models: how each is made, the operations of its programs, what can be
-- seen of it after each event, and what must hold whatever the reference says.
local neap = require "neap"

local kinds = {}

--- op: { name, run(run, who) }; its texts in a log are made once.
local function op(name, run)
  local self = { name = name, run = run, done = {}, failed = {} }
  for who = 1, 3 do
    self.done[who] = who .. " " .. name
    self.failed[who] = who .. " " .. name .. ":"
  end
  return self
end

local function kind(name, fields, ops)
  fields.name, fields.ops = name, ops
  kinds[#kinds + 1] = fields
end

local function method(name, ...)
  local arguments = table.pack(...)
  return op(name, function(run)
    return run.subject[name](run.subject, table.unpack(arguments, 1, arguments.n))
  end)
end

local yield = op("sleep(0)", function(run) run.api.sleep(0) end)

-- Lock, and what has one -----------------------------------------------------------------------

--- Somebody has got the lock: nobody else may have it. Returns the hold.
local function hold(run)
  if run.holder then run:problem "two hold the lock" end
  run.holds = (run.holds or 0) + 1
  run.holder = run.holds
  return run.holder
end

local function let_go(run, mine)
  if run.holder == mine then run.holder = nil end
end

local acquire = op("acquire", function(run)
  run.subject:acquire()
  hold(run)
end)

local release = op("release", function(run)
  run.subject:release()
  run.holder = nil
end)

local with = op("with", function(run)
  run.subject:with(function()
    local mine = hold(run)
    run:point()
    local ok, err = pcall(run.api.sleep, 0)
    let_go(run, mine)
    if not ok then error(err, 0) end
  end)
end)

local function is_locked(run) return run.subject:locked() end

local function check_lock(run)
  if run.holder and not run.subject:locked() then run:problem "held, but not locked" end
end

local function lock_may_wait(run) return run.holder ~= nil end

local function lock_at_end(run)
  if run.subject:locked() ~= (run.holder ~= nil) then
    run:problem "locked() does not say whether somebody holds it"
  end
end

kind("lock", {
  make = function(api) return api.lock() end,
  observe = is_locked, check = check_lock, may_wait = lock_may_wait, at_end = lock_at_end,
}, { acquire, release, with, yield })

local function condition_wait(run)
  local mine, sets = run.holder, run.notices or 0
  run.holder = nil
  run.waiting = run.waiting or {}
  local me = {}
  run.waiting[me] = sets
  local ok, err = pcall(run.subject.wait, run.subject)
  run.waiting[me] = nil
  if not ok and type(err) == "string" then -- misuse: it never let go
    run.holder = mine
    error(err, 0)
  end
  hold(run)
  run.holder = mine or run.holder
  if not ok then error(err, 0) end
end

--- Waits with the lock held for that time alone.
local wait_inside = op("with(wait)", function(run)
  run.subject:with(function()
    hold(run)
    local ok, err = pcall(condition_wait, run)
    run.holder = nil
    if not ok then error(err, 0) end
  end)
end)

local function inside(name, ...)
  local arguments = table.pack(...)
  return op("with(" .. name .. ")", function(run)
    run.subject:with(function()
      run.subject[name](run.subject, table.unpack(arguments, 1, arguments.n))
    end)
  end)
end

local conditions = {
  make = function(api) return api.condition() end,
  observe = is_locked, check = check_lock, at_end = lock_at_end,
  may_wait = function(run, _, what) return what.name:find "wait" or run.holder ~= nil end,
  unblock = function(run) -- or who waits for the lock in the end could not end
    if run.subject:locked() then
      run.subject:release()
      run.holder = nil
    end
  end,
}

local function copy(fields)
  local new = {}
  for key, value in pairs(fields) do new[key] = value end
  return new
end

kind("condition", conditions, { acquire, release, op("wait", condition_wait),
  method("notify", 1) })
kind("condition, inside with", copy(conditions), { wait_inside, inside("notify", 1),
  inside "notify_all", with })

-- Semaphores -----------------------------------------------------------------------------------

local take = op("acquire", function(run)
  run.subject:acquire()
  run.free = run.free - 1
  if run.free < 0 then run:problem "more slots are taken than there are" end
end)

local function given_back(run)
  run.free = run.free + 1
end

local give = op("release", function(run)
  run.subject:release()
  given_back(run)
end)

local take_with = op("with", function(run)
  local taken
  local ok, err = pcall(run.subject.with, run.subject, function()
    taken = true
    run.free = run.free - 1
    if run.free < 0 then run:problem "more slots are taken than there are" end
    run:point()
    run.api.sleep(0)
  end)
  if taken and (ok or neap.is(err, neap.CancelledError)) then given_back(run) end
  if not ok then error(err, 0) end
end)

local function semaphores(maker, n)
  kind(("%s(%d)"):format(maker, n), {
    make = function(api, run)
      run.free = n
      return api[maker](n)
    end,
    observe = is_locked,
    check = function(run)
      if run.free == 0 and not run.subject:locked() then
        run:problem "not locked, with no slot free"
      end
    end,
    may_wait = function(run) return run.free == 0 end,
    at_end = function(run)
      if run.subject:locked() ~= (run.free == 0) then
        run:problem(("locked() is %s, with %d slots free"):format(run.subject:locked(), run.free))
      end
    end,
  }, { take, give, take_with, yield })
end

semaphores("semaphore", 0)
semaphores("semaphore", 1)
semaphores("bounded_semaphore", 1)

-- Event ----------------------------------------------------------------------------------------

kind("event", {
  make = function(api, run)
    run.sets, run.since = 0, {}
    return api.event()
  end,
  observe = function(run) return run.subject:is_set() end,
  may_wait = function(run, who) return run.since[who] == run.sets and not run.subject:is_set() end,
}, {
  op("wait", function(run, who)
    run.since[who] = run.sets
    run.subject:wait()
    if run.sets == 0 then run:problem "went on, though nobody has set it" end
  end),
  op("set", function(run)
    run.subject:set()
    run.sets = run.sets + 1
  end),
  method "clear", yield,
})

-- Barrier --------------------------------------------------------------------------------------

local function barriers(parties)
  kind(("barrier(%d)"):format(parties), {
    make = function(api) return api.barrier(parties) end,
    observe = function(run) return run.subject:broken() end,
    may_wait = function(run)
      local waiting = 0
      for who = 1, #run.program do
        if run.doing[who] then waiting = waiting + 1 end
      end
      return waiting < parties and not run.subject:broken()
    end,
  }, { method "wait", method "reset", method "abort", yield })
end

barriers(2)

-- Queues ---------------------------------------------------------------------------------------

local PRIORITIES = { 3, 1, 2, 1 }

local function next_item(run)
  run.made = run.made + 1
  return PRIORITIES[run.made % 4 + 1] * 1000 + run.made
end

local function was_put(run, item)
  table.insert(run.items, item)
  run.unfinished = run.unfinished + 1
end

local function was_got(run, item)
  local due = run.items[run.kind.pick(run.items)]
  if item ~= due then
    run:problem(("got %s, when %s was due"):format(item, due))
  end
  table.remove(run.items, run.kind.pick(run.items))
  return item
end

local put = op("put", function(run)
  local item = next_item(run)
  run.subject:put(item)
  was_put(run, item)
end)

local put_nowait = op("put_nowait", function(run)
  local item = next_item(run)
  run.subject:put_nowait(item)
  was_put(run, item)
end)

local get = op("get", function(run) return was_got(run, run.subject:get()) end)
local get_nowait = op("get_nowait", function(run)
  return was_got(run, run.subject:get_nowait())
end)

local function finished(run, n)
  run.unfinished = math.max(0, run.unfinished - n)
  if run.unfinished == 0 then run.finishes = (run.finishes or 0) + 1 end
end

local task_done = op("task_done", function(run)
  run.subject:task_done()
  finished(run, 1)
end)

local join = op("join", function(run, who)
  run.joined = run.joined or {}
  run.joined[who] = run.finishes
  run.subject:join()
end)

local function shutdown(immediate)
  return op(immediate and "shutdown(true)" or "shutdown", function(run)
    run.subject:shutdown(immediate)
    run.down = true
    if immediate then
      finished(run, #run.items)
      run.items = {}
    end
  end)
end

local may_wait = {
  get = function(run) return #run.items == 0 and not run.down end,
  put = function(run) return #run.items == run.kind.maxsize and not run.down end,
  join = function(run, who) return run.unfinished > 0 and run.joined[who] == run.finishes end,
}

local picks = {
  queue = function() return 1 end,
  lifo_queue = function(items) return #items end,
  priority_queue = function(items)
    local best = 1
    for i = 2, #items do
      if items[i] < items[best] then best = i end
    end
    return best
  end,
}

local function queues(maker, maxsize, title, ops)
  kind(("%s(%d): %s"):format(maker, maxsize, title), {
    maxsize = maxsize, pick = picks[maker],
    make = function(api, run)
      run.made, run.items, run.unfinished = 0, {}, 0
      return api[maker](maxsize)
    end,
    observe = function(run) return run.subject:qsize() end,
    check = function(run)
      if run.subject:qsize() ~= #run.items then run:problem "an item was lost or doubled" end
    end,
    may_wait = function(run, who, what) return may_wait[what.name](run, who) end,
  }, ops)
end

queues("queue", 1, "put and get", { put, get, put_nowait, get_nowait })
queues("queue", 1, "put, get and time", { put, get, get_nowait, yield })
queues("queue", 1, "put, get and shutdown", { put, get, shutdown(false), shutdown(true) })
queues("queue", 2, "join", { put, get, task_done, join })
queues("queue", 0, "join and shutdown", { put_nowait, task_done, join, shutdown(true) })
queues("lifo_queue", 2, "put and get", { put, get, yield })
queues("priority_queue", 2, "put and get", { put, get, yield })
queues("priority_queue", 0, "put and get", { put_nowait, get, get_nowait })

-- Future ---------------------------------------------------------------------------------------

local function fail_with(run, future)
  future:set_exception(run.kind.failure)
end

kind("future", {
  failure = neap.Error "made to fail",
  make = function(api) return api.future() end,
  observe = function(run) return run.subject:done() end,
  may_wait = function(run) return not run.subject:done() end,
}, {
  op("await", function(run) return run.subject:await() end),
  op("set_result", function(run, who) run.subject:set_result(who) end),
  op("set_exception", function(run) fail_with(run, run.subject) end),
  op("cancel", function(run) return run.subject:cancel() end),
})

-- Tasks: each awaits, cancels and reads the other ----------------------------------------------

local function other(run, who) return run.tasks[who % #run.tasks + 1] end

kind("task", {
  make = function() end,
  observe = function(run) return run.tasks[1]:cancelling() * 10 + run.tasks[2]:cancelling() end,
}, {
  op("cancel the other", function(run, who) return other(run, who):cancel() end),
  op("cancel itself", function(run, who) return run.tasks[who]:cancel() end),
  op("uncancel", function(run, who) return run.tasks[who]:uncancel() end), yield,
})

kind("task that is awaited", {
  make = function(api, run)
    run.tasks_made = {}
    return api
  end,
  observe = function(run) return #run.tasks_made end,
}, {
  op("await a child", function(run)
    local child = run.api.create_task(function()
      run.api.sleep(0)
      run:point()
      run.api.sleep(0)
      return "value"
    end)
    table.insert(run.tasks_made, child)
    return child:await()
  end),
  op("await a child that swallows", function(run)
    local child = run.api.create_task(function()
      return pcall(run.api.sleep, 0)
    end)
    table.insert(run.tasks_made, child)
    return child:await()
  end),
  op("await the last child", function(run)
    local child = run.tasks_made[#run.tasks_made]
    return child and child:await()
  end),
  op("cancel the last child", function(run)
    local child = run.tasks_made[#run.tasks_made]
    return child and child:cancel()
  end),
})

-- Time -----------------------------------------------------------------------------------------

local function elapsed(run) return run.api.time() - run.start end

local function within(run) run.subject:await() end

kind("timeouts", {
  timed = true,
  make = function(api) return api.future() end,
  observe = elapsed,
}, {
  op("timeout(1, await)", function(run)
    return run.api.timeout(1, function() return within(run) end)
  end),
  op("wait_for(future, 1)", function(run)
    local future = run.api.future()
    run.subject = future
    return run.api.wait_for(future, 1)
  end),
  op("set_result", function(run, who) run.subject:set_result(who) end),
  op("sleep(1)", function(run) run.api.sleep(1) end),
})
kind("timeouts in each other", {
  timed = true,
  make = function(api) return api.future() end,
  observe = elapsed,
}, {
  op("timeout(1, timeout(1, await))", function(run)
    return run.api.timeout(1, function()
      return run.api.timeout(1, function() return within(run) end)
    end)
  end),
  op("timeout(0, sleep(0))", function(run)
    return run.api.timeout(0, function() run.api.sleep(0) end)
  end),
  op("move_on_after(1, sleep(1))", function(run)
    return run.api.move_on_after(1, function() run.api.sleep(1) end)
  end),
  op("set_result", function(run, who) run.subject:set_result(who) end),
})

require "spec.models.kinds_of_tasks"(kind, op)

return kinds
