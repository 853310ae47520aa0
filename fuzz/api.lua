-- api.lua - every function and method of neap, with every kind of argument.
--
-- They are found by walking the module, its submodules and the metatables of their objects, so a
-- new one is called without a word here. An input is a sequence of calls, in tasks and outside of
-- a run, on objects that earlier calls have used, closed or returned. Nothing but a Lua error may
-- come of a call, and when it waits it can be cancelled.
--
-- Whatever is called, nobody else is reached: hosts are this one, by its numbers; ports that are
-- connected to belong to a server of the input; HTTP goes to a Unix socket, for any host.
local neap = require "neap"

local SUBMODULES = { "dns", "fs", "http", "json", "net", "process", "signal", "testing", "tls" }

-- What is not called, and why.
local LEFT_OUT = {
  ["neap.set_exception_handler"] = "the fuzzer's own would be gone",
  ["neap.uv"] = "luv is not ours",
  ["fs.mkdtemp"] = "leaves folders behind",
}

-- ---- the functions ----

local functions, seen = {}, {}
local class_of = {} -- by metatable: the name in `makers`

local function add(name, value)
  if type(value) ~= "function" or seen[value] or LEFT_OUT[name] then return end
  seen[value] = true
  functions[#functions + 1] = { name = name, call = value }
end

local function names_of(t)
  local names = {}
  for name in pairs(t) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names) -- the same bytes mean the same in every process
  return names
end

local function add_all(prefix, t)
  for _, name in ipairs(names_of(t)) do add(prefix .. "." .. name, t[name]) end
end

--- The methods of an object; what begins with __ Lua calls, and so do we, by what it is for.
local function add_methods(name, object)
  local meta = debug.getmetatable(object)
  local index = meta and meta.__index
  class_of[meta or false] = name
  if type(index) ~= "table" then return end
  for _, method in ipairs(names_of(index)) do
    if method:sub(1, 2) ~= "__" then add(name .. ":" .. method, index[method]) end
  end
end

-- ---- objects ----

local function nothing() end

local function ended(fn)
  local task = neap.create_task(fn)
  pcall(task.await, task)
  return task
end

local function closed(object)
  object:close()
  return object
end

-- Made in a task, anew for each input.
local makers = {
  { "task", function() return neap.create_task(neap.sleep, 1) end },
  { "task", function() return ended(function() return 1, nil, 3 end) end },
  { "task", function() return ended(function() error "failed" end) end },
  { "task", function()
    local task = neap.create_task(neap.sleep, 1)
    task:cancel()
    return ended(function() task:await() end)
  end },
  { "future", neap.future }, { "lock", neap.lock }, { "event", neap.event },
  { "condition", neap.condition }, { "semaphore", function() return neap.semaphore(1) end },
  { "semaphore", function() return neap.bounded_semaphore(0) end },
  { "barrier", function() return neap.barrier(2) end },
  { "queue", function() return neap.queue(1) end }, { "queue", neap.lifo_queue },
  { "queue", neap.priority_queue },
  { "guard", function() return neap.lock():acquire() end },
  { "scope", function() return neap.timeout(2) end },
  { "handle", function() return neap.call_later(1, nothing) end },
  { "group", function() return neap.task_group() end },
  { "variable", function() return neap.context_var "x" end },
  { "token", function() return neap.context_var("x"):set(1) end },
  { "context", neap.copy_context },
  { "stream", function() return (neap.testing.memory_stream()) end },
  { "stream", function() return closed((neap.testing.memory_stream())) end },
  { "file", function() return neap.fs.open("/dev/null", "r+") end },
  { "file", function() return closed(neap.fs.open "/dev/null") end },
  { "server", function() return closed(neap.net.listen("127.0.0.1", 0, nothing)) end },
  { "clock", function() return closed(neap.testing.virtual_clock()) end },
  { "sequence", function() return neap.testing.sequence() end },
  { "error", function() return neap.Error "an error" end },
  { "class", function() return neap.Error:extend "Class" end },
  { "array", function() return neap.json.array {} end },
}

-- ---- servers, and who connects to them ----

local unix_path = os.tmpname()

local function answer(stream)
  local request = stream:read()
  stream:write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    request and request:sub(1, 5) or "")
end

--- Outside of a run nothing connects.
local function is_outside() return neap.current_task() == nil end

local function port_of(call)
  if is_outside() then return 1 end
  if not call.port then
    local server = neap.net.listen("127.0.0.1", 0, answer)
    call.port = select(2, server:sockname())
    call.objects[#call.objects + 1] = server
  end
  return call.port
end

local function open_unix(call)
  if call.has_unix or is_outside() then return end
  os.remove(unix_path)
  call.objects[#call.objects + 1] = neap.net.listen_unix(unix_path, answer)
  call.has_unix = true
end

--- What costs more, and so is made for some inputs only.
local rare = {
  { "server", function() return neap.net.listen("127.0.0.1", 0, answer) end },
  { "server", function() return neap.http.serve("127.0.0.1", 0, nothing) end },
  { "stream", function(call) return neap.net.connect("127.0.0.1", port_of(call)) end },
  { "udp", function() return neap.net.udp("127.0.0.1", 0) end },
  { "udp", function() return closed(neap.net.udp()) end },
  { "process", function() return neap.process.spawn { "cat", stderr = "null" } end },
  { "response", function(call)
    open_unix(call)
    return neap.http.get("http://host.invalid/", { unix_socket = unix_path, proxy = false,
      stream = true })
  end },
}

local function find_functions()
  add_all("neap", neap)
  for _, name in ipairs(SUBMODULES) do add_all(name, neap[name]) end
  add_all("coroutine", coroutine)
  for _, name in ipairs { "pcall", "xpcall", "require" } do add(name, _G[name]) end
  for _, maker in ipairs(makers) do add_methods(maker[1], maker[2]()) end
  local call = { objects = {} }
  for _, maker in ipairs(rare) do
    local made <close> = maker[2](call)
    add_methods(maker[1], made)
  end
  for _, made in ipairs(call.objects) do made:close() end
end

neap.run(find_functions)
collectgarbage()

-- ---- arguments ----

local function deep(n)
  local t = {}
  for _ = 1, n do t = { t, key = t } end
  return t
end

local function cyclic()
  local t = {}
  t[1], t.key = t, t
  return setmetatable(t, t)
end

local function hostile_table()
  local function fail() error "a metamethod that fails" end
  return setmetatable({}, {
    __index = fail, __newindex = fail, __len = fail, __tostring = fail, __eq = fail,
    __lt = fail, __call = fail, __close = fail, __pairs = fail, __name = 7,
  })
end

local function dead_coroutine()
  local co = coroutine.create(function() end)
  coroutine.resume(co)
  return co
end

local function waiting_coroutine()
  local co = coroutine.create(function() coroutine.yield(1) end)
  coroutine.resume(co)
  return co
end

local STRINGS = {
  "", "a", "\0", "%s%n", ("x"):rep(5000), "/nonexistent/a", "r", "127.0.0.1", "SIGUSR1",
  "ALL_COMPLETED", "\xff\xfe", "1", "nan",
}

local NAMES = {
  "timeout", "return_when", "return_exceptions", "name", "eager_start", "context", "errors",
  "message", "host", "port", "stdin", "cwd", "env", "check", "limit", "backlog", "key", "n",
  "method", "headers", "body", "form", "json", "query", "stream", "redirects", "max_body",
  "decompress", "auth", "verify", "server_name", "alpn", "min_version", "cert_file", "ca_file",
  "family", "socktype", "reuse_port", "happy_eyeballs_delay", "max_connections", "numeric_host",
}

local Call = {}
Call.__index = Call

local value

local function random_table(call)
  local t = {}
  for _ = 1, call.bytes:upto(3) do
    if call.bytes:chance() then
      t[#t + 1] = value(call)
    else
      t[call.bytes:pick(NAMES)] = value(call)
    end
  end
  return t
end

local function object(call)
  return call.objects[call.bytes:upto(#call.objects - 1) + 1]
end

local FUNCTIONS = {
  nothing,
  function(...) return ... end,
  function() error "a function that fails" end,
  function() error(neap.CancelledError()) end,
  function() neap.sleep(0) end,
  function() neap.sleep(1) end,
  function() coroutine.yield(1) end,
  function() neap.current_task():cancel() end,
  coroutine.wrap(function() while true do coroutine.yield() end end),
  setmetatable, neap.sleep, neap.current_task,
}

local kinds = {
  function() return nil end,
  function(call) return call.bytes:chance() end,
  function(call) return call.bytes:number() end,
  function(call) return call.bytes:integer() end,
  function(call) return call.bytes:pick(STRINGS) end,
  function(call) return call.bytes:pick(FUNCTIONS) end,
  object, object, object,
  random_table, random_table,
  function(call) return deep(call.bytes:upto(200)) end,
  cyclic, hostile_table, dead_coroutine, waiting_coroutine,
  function() return coroutine.create(function() neap.sleep(0) end) end,
  coroutine.running,
  function() return io.stderr end,
}

function value(call)
  call.depth = call.depth + 1
  local made
  if call.depth < 4 then made = call.bytes:pick(kinds)(call) end
  call.depth = call.depth - 1
  return made
end

-- ---- calls ----

local MOST_CALLS, MOST_PASSES = 40, 20

local function is_error(err)
  local kind = type(err)
  return kind == "string" or kind == "table" or kind == "number" or kind == "boolean"
    or kind == "nil" or kind == "function" or kind == "thread" or kind == "userdata"
end

--- What Lua itself calls of an object.
local operators = {
  tostring, function(x) return #x end, function(x) return x == x, x ~= {} end,
  function(x) return x.key end, function(x) x.key = 1 end, function(x) return x[1] end,
  function(x) return x() end, function(x) return x < x end, function(x) return x .. "" end,
  function(x)
    local _ <close> = x
  end,
  function(x)
    local _ <close> = x
    error "through the end of a block"
  end,
  function(x) return pairs(x) end,
}

local function add_object(call, made)
  call.objects[#call.objects + 1] = made
  local class = class_of[debug.getmetatable(made)]
  if not class then return end
  local own = call.by_name[class] or {}
  call.by_name[class] = own
  own[#own + 1] = made
end

local function keep(call, ok, ...)
  assert(ok or is_error((...)))
  for i = 1, math.min(3, select("#", ...)) do
    local result = select(i, ...)
    local kind = type(result)
    if ok and (kind == "userdata" or kind == "table") and #call.objects < 60 then
      add_object(call, result)
    end
  end
end

local PATHS = { ["fs.copy"] = 2, ["fs.rename"] = 2, ["fs.symlink"] = 2 }

local function may_exist(path)
  if type(path) == "number" then return true end
  return type(path) == "string" and path ~= "" and not path:find "\0" and #path <= 4096
end

--- No file is made, or lost: a path that could be one is not there.
local function guard_paths(name, arguments)
  if not name:find "^fs%." and not name:find "_unix$" then return end
  for i = 1, PATHS[name] or 1 do
    if may_exist(arguments[i]) then arguments[i] = "/nonexistent/a" end
  end
end

-- Where the host is among the arguments; a port follows it.
local HOSTS_AT = {
  ["net.connect"] = 1, ["net.udp"] = 1, ["tls.connect"] = 1, ["udp:connect"] = 2, ["udp:send"] = 3,
  ["net.listen"] = 1, ["tls.listen"] = 1, ["http.serve"] = 1, ["dns.getaddrinfo"] = 1,
  ["dns.getnameinfo"] = 1,
}
local HOSTS = { "127.0.0.1", "::1", "", "127.0.0.1\0", "127.0.0.1", 127 }

local function guard_hosts(call, name, arguments)
  local at = HOSTS_AT[name]
  if not at then return end
  local kind = type(arguments[at])
  if kind == "string" or kind == "number" then arguments[at] = call.bytes:pick(HOSTS) end
  local connects = name:find "connect$" or name == "udp:send"
  if connects and math.type(tonumber(arguments[at + 1])) then
    local port = tonumber(arguments[at + 1])
    if port > 0 and port < 65536 then arguments[at + 1] = port_of(call) end
  end
end

local URLS = { "http://host.invalid/", "http://127.0.0.1:1/%zz?a#b", "https://host.invalid/",
  "http://", "HTTP://a@b:c@[::1]:99999/", "ftp://host.invalid/", "", "\0" }

local function is_client(name)
  return name:find "^http%.[a-z]+$" and name ~= "http.serve"
end

local function guard_urls(call, name, arguments)
  if not is_client(name) then return 0 end
  local at = name == "http.request" and 1 or 2
  local options = type(arguments[at]) == "table" and arguments[at] or {}
  open_unix(call)
  rawset(options, "unix_socket", unix_path)
  rawset(options, "proxy", false)
  arguments[at] = options
  local url = call.bytes:pick(URLS)
  if at == 1 then
    rawset(options, "url", url)
  elseif type(arguments[1]) ~= "table" then
    arguments[1] = url
  end
  return at
end

local function one_call(call)
  local bytes = call.bytes
  if bytes:upto(7) == 0 then
    keep(call, pcall(bytes:pick(operators), object(call)))
    return
  end
  local fn = bytes:pick(functions)
  local arguments, n = {}, bytes:upto(4)
  for i = 1, n do arguments[i] = value(call) end
  if n > 0 and bytes:upto(3) > 0 then
    local own = call.by_name[fn.name:match "^(%w+):"]
    if own then arguments[1] = bytes:pick(own) end
  end
  guard_paths(fn.name, arguments)
  guard_hosts(call, fn.name, arguments)
  n = math.max(n, guard_urls(call, fn.name, arguments))
  keep(call, pcall(fn.call, table.unpack(arguments, 1, n)))
end

--- In a task of its own, which is cancelled if it waits for long.
local function call_in_task(call)
  local task = neap.create_task(one_call, call)
  for _ = 1, MOST_PASSES do
    if task:done() then break end
    neap.sleep(0)
  end
  for _ = 1, 5 do
    if task:done() then break end
    task:cancel()
    neap.wait({ task }, { timeout = 1 })
  end
  assert(task:done(), "a call that cannot be cancelled")
  pcall(task.result, task)
end

local function make_objects(call)
  for _, maker in ipairs(makers) do add_object(call, maker[2]()) end
  for _, maker in ipairs(rare) do
    if call.bytes:upto(7) == 0 then add_object(call, maker[2](call)) end
  end
end

--- What a call may have opened.
local function close_all(call)
  for _, made in ipairs(call.objects) do
    pcall(function() made:close() end)
    pcall(function() made:kill "SIGKILL" end)
  end
end

local function put_back()
  neap.testing.shuffle(0)
  neap.set_debug(false)
  neap.slow_step = 0.1
end

local function calls_in_run(call)
  make_objects(call)
  for _ = 1, MOST_CALLS do
    if not call.bytes:more() then break end
    call_in_task(call)
  end
  close_all(call)
end

return function(_, bytes)
  local call = setmetatable({ bytes = bytes, depth = 0, objects = {}, by_name = {} }, Call)
  local outside = bytes:upto(3)
  neap.set_exception_handler(function(report) assert(type(report.message) == "string") end)
  local ok, err = pcall(neap.run, calls_in_run, call)
  assert(ok or neap.is(err, neap.CancelledError), err)
  for _ = 1, outside do one_call(call) end
  close_all(call)
  put_back()
end, { guided = false, plain = true }
