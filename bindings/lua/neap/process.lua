-- SPDX-License-Identifier: MIT
-- process.lua - running programs, on top of process.c.
local neap, internal = ...

local c = internal.process()

local process = {}

-- Seconds between SIGTERM and SIGKILL.
local GRACE = 2

local STDIO = { "stdin", "stdout", "stderr" }
local HOW = { pipe = true, inherit = true, null = true }

-- ---- arguments ----

local function refuse(what, format, ...)
  error(("bad argument #1 to '%s' (" .. format .. ")"):format(what, ...), 0)
end

--- Calls what checks or starts for a public function: a message gets the position of that one's
--- caller.
local function call(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if not results[1] then error(results[2], 3) end
  return table.unpack(results, 2, results.n)
end

local function check_text(what, name, value)
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    refuse(what, "%s: string expected, got %s", name, internal.type_name(value))
  elseif value:find("\0", 1, true) then
    refuse(what, "%s: a text without NUL expected", name)
  end
  return value
end

local function check_words(what, options)
  local words = {}
  for i = 1, math.max(1, #options) do
    words[i] = check_text(what, i == 1 and "the program" or "argument " .. i - 1, options[i])
  end
  if words[1] == "" then refuse(what, "the program: its name is empty") end
  return words
end

local function check_environment(what, env)
  if env == nil then return nil end
  if type(env) ~= "table" then refuse(what, "env: table expected, got %s", type(env)) end
  local list = {}
  for name, value in pairs(env) do
    if type(name) ~= "string" or name == "" or name:find "[=\0]" then
      refuse(what, "env: no name of a variable: %s", tostring(name))
    end
    list[#list + 1] = name .. "=" .. check_text(what, "env." .. name, value)
  end
  table.sort(list)
  return list
end

local function check_number(what, options, name)
  local value = options[name]
  if value ~= nil and (type(value) ~= "number" or value ~= value) then
    refuse(what, "%s: number expected, got %s", name, type(value))
  end
  return value
end

local function check_stdio(what, name, value)
  if not HOW[value] and math.type(value) ~= "integer"
      and internal.type_name(value) ~= "neap.File" then
    refuse(what, "%s: 'pipe', 'inherit', 'null', a File or a descriptor expected", name)
  end
  return value
end

local KNOWN = { stdin = true, stdout = true, stderr = true, env = true, cwd = true, grace = true }
local KNOWN_TO_RUN = { timeout = true, check = true, max_output = true }

local function check_names(what, options)
  for name in pairs(options) do
    local known = math.type(name) == "integer" or KNOWN[name]
      or what == "run" and KNOWN_TO_RUN[name]
    if not known then refuse(what, "no such option: %s", tostring(name)) end
  end
end

-- ---- Process ----

local Process = {}
Process.__index = Process
Process.__name = "neap.Process"

function Process:__tostring()
  local state = "running"
  if self._child:ended() then
    local code, signal = self._child:wait()
    state = signal and "ended by " .. signal or "exited with " .. code
  end
  return ("<Process %d %s>"):format(self.pid, state)
end

--- process:wait() -> code, or nil, signal
--- Waits until it has ended.
function Process:wait()
  return self._child:wait()
end

--- process:kill(signal) -> boolean
--- Sends a signal, SIGTERM by default; false if it has ended.
function Process:kill(signal)
  local ok, result = pcall(self._child.kill, self._child, signal == nil and "SIGTERM" or signal)
  if ok then return result end
  if type(result) == "string" then result = result:gsub("#2 to '[^']*'", "#1 to 'kill'", 1) end
  error(result, 2)
end

local function close_streams(self)
  for _, name in ipairs(STDIO) do
    if self[name] then self[name]:close() end
  end
end

-- It is there until it has ended: a second cancellation only makes it hurry.
local function stop_and_reap(child, grace)
  local interruption
  child:stop(grace)
  repeat
    local ok, err = pcall(child.wait, child)
    if not ok then
      interruption = err
      child:kill "SIGKILL"
      if not neap.is(err, neap.CancelledError) then break end -- nothing can wait here
    end
  until ok
  return interruption
end

--- At the end of a block: ends the process, if it still runs, and waits for that; one that
--- cannot be ended, such as another user's, is left.
function Process:__close()
  if self._child == false then return end -- it could not be started
  local _, interruption
  if not self._child:ended() then
    _, interruption = pcall(stop_and_reap, self._child, self._grace)
  end
  close_streams(self)
  if interruption ~= nil then error(interruption, 0) end
end

local function check_table(what, options)
  if type(options) ~= "table" then
    refuse(what, "table expected, got %s", internal.type_name(options))
  end
  check_names(what, options)
end

--- What a child is started with.
local function check_start(what, options, stdio)
  local words = check_words(what, options)
  local env = check_environment(what, options.env)
  local cwd = options.cwd ~= nil and check_text(what, "cwd", options.cwd) or nil
  local grace = check_number(what, options, "grace") or GRACE
  for i, name in ipairs(STDIO) do check_stdio(what, name, stdio[i]) end
  return { words = words, env = env, cwd = cwd, grace = grace, stdio = stdio }
end

--- Not started yet. All of its fields are there: a child that runs is not lost for want of
--- memory to put it into.
local function new_process(with)
  return setmetatable({
    pid = false, stdin = false, stdout = false, stderr = false, _child = false,
    _grace = with.grace,
  }, Process)
end

local function start(self, with)
  self._child, self.pid, self.stdin, self.stdout, self.stderr =
    c.spawn(with.words, with.env, with.cwd, table.unpack(with.stdio, 1, 3))
end

--- spawn{program, argument, ..., options} -> Process
function process.spawn(options)
  call(check_table, "spawn", options)
  local with = call(check_start, "spawn", options,
    { options.stdin or "pipe", options.stdout or "pipe", options.stderr or "pipe" })
  local self = new_process(with)
  local ok, err = pcall(start, self, with)
  if not ok then error(err, 2) end
  return self
end

-- ---- run ----

-- Reads to the end; past `limit` it keeps what it has and ends the child.
local function collect(stream, limit, child, overrun)
  local chunks, size = {}, 0
  for chunk in function() return stream:read() end do
    chunks[#chunks + 1] = chunk
    size = size + #chunk
    if size > limit then
      overrun.size = limit
      child:kill "SIGKILL"
      break
    end
  end
  return table.concat(chunks)
end

-- A child need not read all that it is given.
local function feed(stream, text)
  local ok, err = pcall(stream.write, stream, text)
  stream:close()
  if not ok and not neap.is(err, neap.OSError) then error(err, 0) end
end

local function communicate(self, text, limit)
  local result, overrun = {}, {}
  local group <close> = neap.task_group()
  for _, name in ipairs { "stdout", "stderr" } do
    if self[name] then
      group:create_task(function()
        result[name] = collect(self[name], limit, self, overrun)
      end)
    end
  end
  if text then group:create_task(feed, self.stdin, text) end
  result.code, result.signal = self:wait()
  return result, overrun
end

local function raise_failure(words, result)
  local how = result.signal and "was ended by " .. result.signal
    or "exited with status " .. result.code
  local err = neap.ProcessError(("'%s' %s"):format(words[1], how))
  for name, value in pairs(result) do err[name] = value end
  error(err, 0)
end

local function run_child(with, text, limit)
  local self <close> = new_process(with)
  start(self, with)
  return communicate(self, text, limit)
end

-- A string is what the child reads.
local function stdio_of_run(options)
  local text = options.stdin
  local stdio = { text or "null", options.stdout or "pipe", options.stderr or "pipe" }
  if type(text) ~= "string" then return stdio, nil end
  stdio[1] = "pipe"
  return stdio, text
end

--- run{program, argument, ..., options} -> { code =, signal =, stdout =, stderr = }
--- Runs a program to its end and returns what it wrote.
function process.run(options)
  call(check_table, "run", options)
  call(internal.check_current)
  local timeout = call(check_number, "run", options, "timeout")
  local limit = call(check_number, "run", options, "max_output") or math.huge
  local stdio, text = stdio_of_run(options)
  local with = call(check_start, "run", options, stdio)
  local result, overrun
  if timeout then
    result, overrun = neap.timeout(timeout, run_child, with, text, limit)
  else
    result, overrun = run_child(with, text, limit)
  end
  if overrun.size then
    error(neap.LimitOverrunError(("'%s' wrote more than %d bytes"):format(options[1],
      overrun.size)), 0)
  end
  if options.check and result.code ~= 0 then raise_failure(options, result) end
  return result
end

return process
