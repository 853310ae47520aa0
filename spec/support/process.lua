-- Child processes for specs: the program, and stock lua5.4 with the module.
--
--   run(words, options)    runs a child to its end: { code =, signal =, stdout =, stderr = },
--                          of which either code or signal is set
--   start(words, options)  starts one beside the spec:
--     child:wait_for(text)   waits until `text` is in its output (stdout or stderr)
--     child:kill(name)       sends a signal: "INT"
--     child:ended()          whether it has ended
--     child:finish()         waits for its end; the same table as of run
--     local child <close>    kills it at the block's end if it still runs
--   write_file(text)       a file that is removed at the block's end; its `path`
--
--   words    {"neap", "-e", "print(1)"}; a first word "neap" is the program that was built,
--            "lua5.4" finds the module, "valgrind" and others are left alone
--   options  stdin  text, "" by default
--            env    { NAME = "value" }
--            limit  seconds, of run; LIMIT by default
--
-- A child that does not end is killed after LIMIT seconds, which shows as signal 9.
local process = {}

local LIMIT = 30
local POLLS = 3000 -- of 10 ms

local build = assert(os.getenv "NEAP_BUILD", "NEAP_BUILD is not set; run ./dev test")
local preload = os.getenv "NEAP_PRELOAD" or ""

local function quote(word)
  return "'" .. tostring(word):gsub("'", [['\'']]) .. "'"
end

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

--- Runs a shell command that must succeed. Nothing but the stock lua5.4 is preloaded with
-- the sanitizer's runtime, in which a shell would be found to leak.
local function shell(command)
  return os.execute("unset LD_PRELOAD; exec " .. command)
end

--- The command that becomes the child, whose stdio are files. timeout(1) stands before it
-- only if it gets no signals: one that comes too early would end timeout(1) alone.
local function command_of(words, options, base)
  local parts = { "exec env" }
  if options.limit then
    parts = { "exec timeout --foreground -s KILL", options.limit, "env" }
  end
  for name, value in pairs(options.env or {}) do
    parts[#parts + 1] = quote(name .. "=" .. value)
  end
  for i, word in ipairs(words) do
    if i == 1 and word == "neap" then word = build .. "/neap" end
    if i == 1 and word == "lua5.4" and preload ~= "" then
      parts[#parts + 1] = quote("LD_PRELOAD=" .. preload)
    end
    parts[#parts + 1] = quote(word)
  end
  parts[#parts + 1] = ("<%s.in >%s.out 2>%s.err"):format(base, base, base)
  return table.concat(parts, " ")
end

local Child = {}
Child.__index = Child

function Child:output()
  return read_file(self.base .. ".out") .. read_file(self.base .. ".err")
end

function Child:wait_for(text)
  for _ = 1, POLLS do
    if self:output():find(text, 1, true) then return end
    shell "sleep 0.01"
  end
  error(("no %q in the output of the child:\n%s"):format(text, self:output()), 2)
end

function Child:kill(name)
  shell(("kill -s %s %d"):format(name, self.pid))
end

-- It has ended, and waits to be asked for its status.
function Child:ended()
  local file <close> = io.open(("/proc/%d/stat"):format(self.pid))
  return file and file:read "a":match ".*%) (%a)" == "Z"
end

local function wait_until_ended(child)
  for _ = 1, POLLS do
    if child:ended() then return end
    shell "sleep 0.01"
  end
  child:kill "KILL"
end

function Child:finish()
  if self.signals then wait_until_ended(self) end
  local _, how, status = self.pipe:close()
  self.pipe = nil
  local result = {
    code = how == "exit" and status or nil,
    signal = how == "signal" and status or nil,
    stdout = read_file(self.base .. ".out"),
    stderr = read_file(self.base .. ".err"),
  }
  for _, suffix in ipairs { "", ".in", ".out", ".err" } do
    os.remove(self.base .. suffix)
  end
  return result
end

function Child:__close()
  if self.pipe then
    self:kill "KILL"
    self:finish()
  end
end

local function start(words, options)
  local base = os.tmpname()
  write(base .. ".in", options.stdin or "")
  write(base .. ".out", "")
  write(base .. ".err", "")
  -- The shell tells its process id, which the child then has.
  local command = command_of(words, options, base)
  local pipe = assert(io.popen("unset LD_PRELOAD; echo $$; " .. command, "r"))
  local pid = assert(pipe:read "n", "the child did not start")
  local child = { base = base, pipe = pipe, pid = pid, signals = options.signals }
  return setmetatable(child, Child)
end

function process.run(words, options)
  options = options or {}
  local child <close> = start(words, {
    stdin = options.stdin,
    env = options.env,
    limit = options.limit or LIMIT,
  })
  return child:finish()
end

function process.start(words, options)
  options = options or {}
  return start(words, { stdin = options.stdin, env = options.env, signals = true })
end

function process.write_file(text)
  local path = os.tmpname()
  write(path, text)
  return setmetatable({ path = path }, { __close = function() os.remove(path) end })
end

return process
