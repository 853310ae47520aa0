-- SPDX-License-Identifier: MIT
-- docs.lua - compares the reference in docs/ with what is public, which it finds
-- twice: in the sources, where functions are registered, and by walking the
-- module and an object of each class. Run by tools/docs, with neap.
--
--   - each public function has a heading, "### `neap.sleep(delay, ...)`", and each such
--     heading a function; methods are headed "### `lock:acquire()`"
--   - below it stands "Waits: ..."; that begins with "never" for C functions whose line
--     in their table is not marked "/* waits */", and for no other
--   - what else is public, such as error classes, is named: `neap.Error`
local neap = require "neap"

-- Those that are there.
local PAGES = { "docs/reference.md", "docs/io.md", "docs/http.md", "docs/testing.md" }

-- Files whose tables are no part of the module: what replaces standard functions, and
-- what neap's own Lua calls.
local PRIVATE_FILES = {
  ["internal.c"] = true, ["net.c"] = true, ["server.c"] = true, ["tls.c"] = true,
  ["http_message.c"] = true, ["http_client.c"] = true,
  ["process.c"] = true, ["coroutine.c"] = true, ["exit.c"] = true,
  ["session.c"] = true,
}

-- How the names in a table are written, where the names of file and table do not tell.
local PREFIXES = {
  ["callback.c methods"] = "handle:",
  ["file.c functions"] = "neap.fs.",
  ["future.c common_methods"] = "task:",
  ["future.c future_methods"] = "future:",
  ["testing.c clock_methods"] = "clock:",
  ["signal.c methods"] = "handler:",
  ["udp.c functions"] = "neap.net.",
  ["timeout.c scope_methods"] = "scope:",
  ["watch.c functions"] = "neap.fs.",
}

-- The same for tables in Lua; false for private ones.
local CLASSES = {
  neap = "neap.", Server = "server:", Udp = "udp:", Process = "process:", Group = "group:",
  Sequence = "sequence:", Variable = "variable:", Completion = false, Sequence_meta = false,
  Response = "response:", Request = false, ServerRequest = "request:", Connection = false,
}

local problems = 0

--- Set of the names of submodules, from the list in bindings/parts.c.
local submodules = {}

local function complain(format, ...)
  problems = problems + 1
  io.stderr:write(format:format(...), "\n")
end

local function read_file(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function files(pattern)
  local pipe <close> = assert(io.popen("ls " .. pattern))
  return pipe:read("a"):gmatch "[^\n]+"
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

for name in read_file("bindings/parts.c"):match("#define SUBMODULES.-\n\n"):gmatch "X%((%w+)," do
  submodules[name] = true
end

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  local i = 0
  return function()
    i = i + 1
    return names[i], set[names[i]]
  end
end

-- ---- the sources ----

local function prefix_of(path, list)
  local file, stem = path:match "(([^/]+)%.c)$"
  local prefix = PREFIXES[file .. " " .. list]
  if prefix then return prefix end
  if list == "functions" then return submodules[stem] and "neap." .. stem .. "." or "neap." end
  if list == "methods" then return stem .. ":" end
  complain("%s: whose functions are in the table '%s'? Say so in tools/docs.lua", path, list)
end

local function add_table(found, path, list, body)
  local prefix = prefix_of(path, list)
  if not prefix then return end
  for name, rest in body:gmatch '{"([%w_]+)",([^\n]*)' do
    found[prefix .. name] = { path = path, waits = rest:find("/* waits */", 1, true) ~= nil }
  end
end

local function add_c_file(found, path)
  for list, body in read_file(path):gmatch "luaL_Reg ([%w_]+)%[%] = (%b{})" do
    if not list:find "metamethods$" then add_table(found, path, list, body) end
  end
end

local function add_lua_file(found, path)
  for class, name in read_file(path):gmatch "\nfunction ([%w_]+)[.:]([%w_]+)" do
    local prefix = CLASSES[class]
    if submodules[class] then prefix = "neap." .. class .. "." end
    if prefix == nil then
      complain("%s: what is '%s'? Say so in tools/docs.lua", path, class)
    elseif prefix and not name:find "^__" then
      found[prefix .. name] = { path = path }
    end
  end
end

--- name -> { path =, waits = } of what the sources register; waits is nil if unknown.
local function registered()
  local found = {}
  for path in files "bindings/*.c" do
    if not PRIVATE_FILES[path:match "[^/]+$"] then add_c_file(found, path) end
  end
  for path in files "bindings/lua/neap/*.lua" do add_lua_file(found, path) end
  return found
end

-- ---- the module ----

local function a_response()
  local server <close> = neap.net.listen("127.0.0.1", 0, function(stream)
    stream:write "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    stream:read_all()
  end)
  return neap.http.get(("http://%s:%d/"):format(server:sockname()))
end

local function a_request()
  local found
  local server <close> = neap.http.serve("127.0.0.1", 0, function(request)
    found = request
    return ""
  end)
  neap.http.get("http://127.0.0.1:" .. select(2, server:sockname()))
  return found
end

--- One object of each class that has methods.
local function objects()
  return {
    { "task:", neap.create_task(neap.sleep, 0) },
    { "future:", neap.future() },
    { "handle:", neap.call_soon(print, "") },
    { "scope:", neap.timeout() },
    { "group:", neap.task_group() },
    { "lock:", neap.lock() },
    { "event:", neap.event() },
    { "condition:", neap.condition() },
    { "semaphore:", neap.semaphore() },
    { "semaphore:", neap.bounded_semaphore() },
    { "barrier:", neap.barrier(1) },
    { "queue:", neap.queue() },
    { "queue:", neap.lifo_queue() },
    { "queue:", neap.priority_queue() },
    { "variable:", neap.context_var "x" },
    { "neap.Error:", neap.Error() },
    { "file:", neap.fs.open "/dev/null" },
    { "handler:", neap.signal.on("SIGUSR1", print) },
    { "process:", neap.process.spawn { "true" } },
    { "watch:", (neap.fs.watch "/dev/null") },
    { "stream:", (neap.testing.memory_stream()) },
    { "udp:", neap.net.udp() },
    { "server:", neap.net.listen("127.0.0.1", 0, print) },
    { "server:", neap.http.serve("127.0.0.1", 0, print) },
    { "request:", a_request() },
    { "response:", a_response() },
    { "sequence:", neap.testing.sequence() },
  }
end

local function is_callable(value)
  return type(value) == "function"
end

local function add_methods(found, prefix, object)
  local metatable = debug.getmetatable(object)
  local methods = type(metatable.__index) == "table" and metatable.__index or metatable
  for name, value in pairs(methods) do
    -- A Future's other methods are a Task's.
    local is_shared = prefix == "future:" and found["task:" .. name]
    if is_callable(value) and not name:find "^__" and not is_shared then
      found[prefix .. name] = true
    end
  end
end

local function add_module(found, others, prefix, module)
  for name, value in pairs(module) do
    if is_callable(value) then
      found[prefix .. name] = true
    else
      others[prefix .. name] = true
    end
  end
end

--- Two sets of names: of functions, and of what else is there.
local function walked()
  local found, others = {}, {}
  add_module(found, others, "neap.", neap)
  for name in sorted(submodules) do
    local made, module = pcall(require, "neap." .. name)
    if made then
      add_module(found, others, "neap." .. name .. ".", module)
    else
      complain("neap.%s: %s", name, module)
    end
  end
  for _, object in ipairs(objects()) do add_methods(found, object[1], object[2]) end
  local clock = debug.getregistry()["neap.VirtualClock"] -- a new one would change the time
  for name in pairs(clock.__index) do found["clock:" .. name] = true end
  return found, others
end

-- ---- the reference ----

local function read_page(page, found)
  local current, number = {}, 0
  for line in io.lines(page) do
    number = number + 1
    if line:find "^#" then current = {} end
    if line:find "^### `" then
      for name in line:gmatch "`([%w_]+[.:][%w_.:]+)" do
        local entry = found[name] or { place = ("%s:%d"):format(page, number) }
        found[name] = entry
        current[#current + 1] = entry
      end
    end
    local word = line:match "Waits: (%w+)"
    for _, entry in ipairs(word and current or {}) do entry.waits = word end
  end
end

--- name -> { place =, waits = "never" or another word } of the headings, and the text.
local function documented()
  local found, texts = {}, {}
  for _, page in ipairs(PAGES) do
    if exists(page) then
      read_page(page, found)
      texts[#texts + 1] = read_file(page)
    end
  end
  return found, table.concat(texts)
end

-- ---- the comparison ----

local function check_waits(name, entry, source)
  if not entry.waits then
    complain("%s: %s: when does it wait? 'Waits: ...' is missing", entry.place, name)
  elseif source and source.waits ~= nil and source.waits ~= (entry.waits ~= "never") then
    complain("%s: %s: 'Waits: %s' contradicts its line in %s", entry.place, name, entry.waits,
      source.path)
  end
end

local function check_public(public, sources, headings)
  for name in sorted(public) do
    local path = sources[name] and sources[name].path or "the module"
    if not headings[name] then
      complain("%s: %s has no heading in docs/", path, name)
    end
  end
  for name, source in sorted(sources) do
    if not public[name] then
      complain("%s: %s is registered, but is not in the module", source.path, name)
    end
  end
end

local sources = registered()
local public, others = walked()
local headings, text = documented()

check_public(public, sources, headings)
for name, entry in sorted(headings) do
  if public[name] then
    check_waits(name, entry, sources[name])
  else
    complain("%s: %s does not exist", entry.place, name)
  end
end
for name in sorted(others) do
  if not text:find("`" .. name .. "[` ]") then
    complain("the module: %s is not named in docs/", name)
  end
end

os.exit(problems == 0)
