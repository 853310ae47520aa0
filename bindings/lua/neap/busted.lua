-- SPDX-License-Identifier: MIT
-- busted.lua - neap.busted, a helper for busted: test bodies become tasks.
--
-- busted's runner stays outside of the loop. Each body is a task, for which the loop runs
-- until it has ended; what else there is, such as a server that `setup` started, stands still
-- until the next body. busted itself is not changed: it looks up `safe`, which runs every body,
-- and the other functions below in its core table, where ours take their places.
local neap, internal = ...

local drive, late_tree = internal.drive, internal.late_tree
local leaks = internal.source "neap.leaks"

-- Before a test puts a stub in their places:
local is, all_tasks, set_exception_handler = neap.is, neap.all_tasks, neap.set_exception_handler
local virtual_clock, shuffle = neap.testing.virtual_clock, neap.testing.shuffle

local EXIT_CALLED = "os.exit was called"
local INTERRUPTED = 130 -- the exit status after Ctrl-C
local GRACE = 1 -- wall seconds that a body may take to end once its time is up

local BODIES = {
  it = true, finally = true, before_each = true, after_each = true,
  lazy_setup = true, lazy_teardown = true, strict_setup = true, strict_teardown = true,
}
local DEFINITIONS = { file = true, describe = true }
local ELEMENTS = { file = true, describe = true, it = true }

-- ---- options ----

local options = { timeout = 10, virtual_clock = false, shuffle_tasks = false }

local SWITCHES = { ["virtual-clock"] = "virtual_clock", ["shuffle-tasks"] = "shuffle_tasks" }

local function set_option(text)
  local name, value = text:match "^%-*([%w-]+)=?(.*)$"
  if SWITCHES[name] and value == "" then
    options[SWITCHES[name]] = true
  elseif name == "test-timeout" then
    options.timeout = tonumber(value)
      or error("neap.busted: --test-timeout takes a number of seconds", 0)
  else
    error(("neap.busted: '%s' is no option of it"):format(text), 0)
  end
end

-- While busted loads a helper, `arg` is what follows -Xhelper.
if package.loaded["busted.core"] or package.loaded["busted.runner"] then
  for _, text in ipairs(type(arg) == "table" and arg or {}) do set_option(text) end
end

-- ---- one run of busted ----

local busted -- its core
local standard = {} -- its functions
local scopes = {} -- of the elements that run, outermost first
local active = {} -- element -> its scope
local publishing = false -- busted calls subscribers, through `safe`
local body -- the element whose body runs
local late -- the tree of tasks when the time of that body was up
local told -- what that body has published of itself: an error, a failure, that it is pending

local function text_of(lines)
  return "this was left behind, and has been ended:\n  " .. table.concat(lines, "\n  ")
end

local function late_text(tree)
  local text = tree == "" and "No task waited or ran when that was seen: it was inside a function"
    .. " of C, such as os.execute." or "The tasks were:\n" .. tree
  return ("it took longer than %g s. %s"):format(options.timeout, text)
end

local function replay_text()
  return ("\nOrder of tasks: --shuffle-tasks --seed=%s"):format(busted.randomseed)
end

--- While a body runs, or is made to end because its time is up.
local function is_late(element)
  return body ~= nil and body == element and (late or late_tree()) ~= nil
end

--- Reports what is wrong with an element. Without a trace, that is no error which its code raised.
local function report(element, status, message, trace)
  local place = element.trace or { short_src = element.name, currentline = 1 }
  busted.publish({ status, element.descriptor }, element, busted.context.parent(element), message,
    trace or { short_src = place.short_src, currentline = place.currentline, traceback = "" })
end

--- An error that was raised inside neap's own Lua is one of who called it.
local function leave_own_sources(trace)
  if trace and trace.short_src:find "^neap%." then
    for source, line in (trace.traceback or ""):gmatch "\n%s*([^\n]-):(%d+):" do
      if not source:find "^neap%." then
        trace.short_src, trace.currentline = source, tonumber(line)
        return
      end
    end
  end
end

--- What an ExceptionGroup holds.
local function details(err, indent)
  if not is(err, neap.ExceptionGroup) then return "" end
  local lines = {}
  for _, inner in ipairs(err.errors) do
    lines[#lines + 1] = "\n" .. indent .. "- " .. leaks.message_of(inner)
      .. details(inner, indent .. "  ")
  end
  return table.concat(lines)
end

local function rewrite_message(element, message, trace)
  if is_late(element) then return late_text(late or late_tree()) end
  leave_own_sources(trace)
  local text = standard.rewriteMessage(element, message, trace) .. details(message, "  ")
  if DEFINITIONS[element.descriptor] then
    text = text:gsub("call this inside neap%.run", "call this in a test, before_each or setup")
  end
  return text
end

local BAD = { failure = true, error = true }

local function publish(channel, element, parent, message, trace, ...)
  if body and element == body and channel[2] == element.descriptor then
    told = told or { status = channel[1], message = message, trace = trace }
    return
  end
  if BAD[channel[1]] then
    if options.shuffle_tasks then message = (message or "no message") .. replay_text() end
    -- The JSON of a report has this, but no userdata, such as a group's tasks.
    if trace and is(trace.message, neap.Error) then trace.message = message end
  end
  return standard.publish(channel, element, parent, message, trace, ...)
end

-- ---- bodies ----

local function leave_context(element)
  while busted.context.get() ~= element do busted.context.pop() end
  busted.context.pop()
end

local REASONS = { late = "the time limit of the test", stopped = "interrupted" }

--- Ends a body that does not end.
local function end_body(task, why)
  if not task:done() then
    task:cancel(why)
    drive(GRACE, task)
  end
  internal.abandon(task)
end

--- What became of a body that has published nothing: status and message, or nothing.
local function silent_verdict(task, failure, tree)
  if tree then return failure, late_text(tree) end
  if internal.guard_exit(true) then return "error", EXIT_CALLED end
  if task:cancelled() then return "error", "its task was cancelled" end
  local err = task:exception()
  if err ~= nil then return "error", tostring(err) end
end

--- What became of a body: status, message and trace, or nothing if it has succeeded.
local function verdict(element, task, tree)
  -- Whoever takes too long has failed, as one whose assertion did.
  local failure = element.descriptor == "it" and "failure" or "error"
  if not told then return silent_verdict(task, failure, tree) end
  local status = tree and told.status == "error" and failure or told.status
  return status, told.message or tree and late_text(tree), told.trace
end

local function run_body(descriptor, run, element)
  local results
  local hook, mask, count = debug.gethook()
  body = element
  local how, task = drive(options.timeout, function()
    if type(hook) == "function" then debug.sethook(hook, mask, count) end -- of a coverage tool
    results = table.pack(standard.safe(descriptor, run, element))
  end)
  late = how == "late" and late_tree() or nil
  if how ~= "done" then end_body(task, REASONS[how]) end
  if not results then leave_context(element) end
  local status, message, trace = verdict(element, task, late)
  body, late, told = nil, nil, nil
  if status then report(element, status, message, trace) end
  if internal.interrupted() or how == "stopped" then busted.skipAll = true end
  internal.guard_exit(true)
  if results and not status then return table.unpack(results, 1, results.n) end
  return busted.status(status)
end

-- ---- elements: tests, blocks and files ----

local function enter(element)
  local scope = {
    element = element, clocks = internal.clocks(), mark = leaks.mark(),
    handler = internal.exception_handler(),
  }
  scopes[#scopes + 1] = scope
  active[element] = scope
  if element.descriptor == "it" then
    if options.virtual_clock then virtual_clock() end
    if options.shuffle_tasks then shuffle(busted.randomseed << 1 | 1) end
  end
end

--- What lazy_setup has made belongs to its block, not to the test before which it ran.
local function give_to_block(block)
  for i = #scopes, 1, -1 do
    local scope = scopes[i]
    if scope.element == block then return end
    scope.mark, scope.clocks = leaks.mark(), internal.clocks()
    scope.handler = internal.exception_handler()
  end
end

--- The test is over, with its after_each: says so, as busted would have done before them.
local function finish_test(scope, lines)
  local ending = scope.ending
  if not ending then return end
  if lines[1] and ending[4] == "success" then
    report(scope.element, "failure", text_of(lines))
    ending[4] = "failure"
  end
  standard.safe_publish(ending[1], ending[2], scope.element, ending[3], ending[4])
end

local function leave(element)
  local scope = table.remove(scopes)
  local lines = leaks.sweep(scope.mark)
  internal.close_clocks(scope.clocks)
  set_exception_handler(scope.handler)
  if element.descriptor == "it" then
    shuffle(0)
    publishing = true
    finish_test(scope, lines)
    publishing = false
  elseif lines[1] then
    report(element, "error", text_of(lines))
  end
end

local function run_element(descriptor, run, element)
  enter(element)
  local results = table.pack(standard.safe(descriptor, function()
    run()
    leave(element)
  end, element))
  active[element] = nil
  return table.unpack(results, 1, results.n)
end

--- What a block or a file does outside of its tests: there is no loop.
local function run_definition(descriptor, run, element)
  local results = table.pack(standard.safe(descriptor, run, element))
  if internal.guard_exit(true) and results[1]:success() then
    report(element, "error", EXIT_CALLED)
    return busted.status "error"
  end
  return table.unpack(results, 1, results.n)
end

local function safe(descriptor, run, element)
  if publishing then return standard.safe(descriptor, run, element) end
  if ELEMENTS[element.descriptor] and not active[element] then
    return run_element(descriptor, run, element)
  end
  if DEFINITIONS[descriptor] and run == element.run then
    return run_definition(descriptor, run, element)
  end
  if not BODIES[descriptor] or (descriptor == "it" and run ~= element.run) then
    return standard.safe(descriptor, run, element)
  end
  local results = table.pack(run_body(descriptor, run, element))
  if descriptor == "lazy_setup" then give_to_block(busted.context.parent(element)) end
  return table.unpack(results, 1, results.n)
end

local function safe_publish(descriptor, channel, element, ...)
  -- busted's JSON is made of this too, and cannot be with the function that is in it
  if element.descriptor == "pending" then element.attributes = {} end
  local scope = active[element]
  if scope and channel[1] == "test" and channel[2] == "end" then
    local parent, status = ...
    scope.ending = { descriptor, channel, parent, status }
    return true
  end
  publishing = true
  local ok = standard.safe_publish(descriptor, channel, element, ...)
  publishing = false
  return ok
end

-- ---- into busted ----

local function install(core)
  busted = core
  local ours = {
    safe = safe, safe_publish = safe_publish, publish = publish, rewriteMessage = rewrite_message,
  }
  for name, fn in pairs(ours) do
    standard[name] = assert(core[name], "neap.busted does not know this version of busted")
    core[name] = fn
  end
end

-- The runner, which has busted's core, gives it to this module once all files are loaded.
package.loaded["busted.execute"] = function(core)
  package.loaded["busted.execute"] = nil
  local execute = require "busted.execute"(core)
  install(core)
  return function(...)
    if options.virtual_clock then virtual_clock() end
    internal.guard_exit(true)
    execute(...)
    internal.guard_exit(false)
    internal.close_clocks(0)
    leaks.end_tasks(all_tasks())
    if internal.interrupted() then
      local exit = os.exit
      os.exit = function(_, close) exit(INTERRUPTED, close) end -- luacheck: ignore 122
    end
  end
end

return {}
