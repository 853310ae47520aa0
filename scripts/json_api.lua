-- A JSON API: a list of notes in memory.
--
--   neap scripts/json_api.lua [port]
--   curl localhost:8080/notes -d '{"text": "buy milk"}'
--   curl localhost:8080/notes
--   curl -X DELETE localhost:8080/notes/1
local neap = require "neap"
local http = require "neap.http"
local json = require "neap.json"

local notes = {} -- id -> note
local last_id = 0

local function fail(status, message)
  error(http.HTTPError { status = status, message = message })
end

local function reply(status, value)
  return {
    status = status,
    headers = { ["content-type"] = "application/json" },
    body = json.encode(value) .. "\n",
  }
end

local function list()
  local all = {}
  for id = 1, last_id do all[#all + 1] = notes[id] end
  return reply(200, { notes = all, count = #all })
end

local function add(request)
  local ok, note = pcall(request.json, request)
  if not ok or type(note) ~= "table" or type(note.text) ~= "string" then
    fail(400, 'a note looks like {"text": "..."}')
  end
  last_id = last_id + 1
  notes[last_id] = { id = last_id, text = note.text }
  return reply(201, notes[last_id])
end

local function remove(_, id)
  if not notes[id] then fail(404, ("there is no note %d"):format(id)) end
  notes[id] = nil
  return { status = 204 }
end

local routes = {
  { "GET", "^/notes$", list },
  { "POST", "^/notes$", add },
  { "DELETE", "^/notes/(%d+)$", remove },
}

local function handle(request)
  for _, route in ipairs(routes) do
    local id = request.path:match(route[2])
    if id and request.method == route[1] then
      return route[3](request, math.tointeger(tonumber(id)))
    end
  end
  fail(404, ("%s %s: no such thing"):format(request.method, request.path))
end

local function main(port)
  local server <close> = http.serve("127.0.0.1", port or 8080, handle)
  print(("listening on %s:%d"):format(server:sockname()))
  io.stdout:flush()
  neap.signal.wait "SIGTERM" -- Ctrl-C ends it as well
  server:shutdown(5)
  print "bye"
end

local port = arg and tonumber(arg[1])
if neap.current_task() then main(port) else neap.run(main, port) end
