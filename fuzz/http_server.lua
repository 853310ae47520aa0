-- http_server.lua - neap.http.serve, given any bytes by a client in this process.
--
-- The first two bytes choose what the handler does with a request and how the client cuts what
-- it sends; the rest is sent, twice: whole, and in pieces. However it is cut, the client gets the
-- same answers, each of them well-formed; then the connection ends by itself.
local reports = ...

local http = require "neap.http"
local neap = require "neap"
local net = require "neap.net"

local FIRST = "GET /first HTTP/1.1\r\nHost: x\r\n\r\n"
local OPTIONS = { max_header_bytes = 512, max_body_bytes = 300 }
local MOST_SECONDS = 3600 -- of the virtual clock

-- ---- handlers ----

local function piece_by_piece(request)
  return function() return request:read(5) end
end

local handlers = {
  function(request) return request.path .. "?" .. request.query end,
  function(request) return request.body end,
  function(request) return { body = piece_by_piece(request) } end,
  function(request)
    request:read(3)
    return { status = 204 }
  end,
  function(request)
    neap.sleep(0)
    local ok, value = neap.pcall(request.json, request)
    return { status = ok and 200 or 422, headers = { ["X-Kind"] = type(value) } }
  end,
  function() error(http.HTTPError { status = 404, message = "not here" }) end,
  function() error "a handler that fails" end,
}

local STREAMED, FAILING = 3, 7

-- ---- a server without a network ----

local listener = {
  close = function() end, wait_closed = function() end,
  sockname = function() return "memory" end,
}

local function new_server(handler)
  local serve_connection
  local listen = net.listen
  net.listen = function(_, _, serve)
    serve_connection = serve
    return listener
  end
  local server = http.serve("memory", 0, handler, OPTIONS)
  net.listen = listen
  return server, serve_connection
end

-- ---- a client ----

--- Sends `text`, in pieces of up to `most` bytes.
local function send(stream, text, most)
  local at, seed = 1, most or 0
  while at <= #text do
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    local n = most and seed // 65536 % most + 1 or #text
    stream:write(text:sub(at, at + n - 1))
    at = at + n
    if most then neap.sleep(0.001) end
  end
end

--- What the server answers to `text`, without what is not its own, and the requests that
--- reached the handler.
local function ask(choice, text, most, leave)
  local requests = {}
  local handler = handlers[choice]
  local server, serve_connection = new_server(function(request)
    requests[#requests + 1] = request
    return handler(request)
  end)
  local mine, its = neap.testing.memory_stream(1024)
  local serving = neap.create_task(function()
    local _ <close> = its
    serve_connection(its)
  end)
  local sending = neap.create_task(function()
    local ok, err = neap.pcall(function()
      send(mine, text, most)
      if leave then mine:shutdown() end
    end)
    assert(ok or neap.is(err, neap.OSError), err) -- the server may end before
  end)
  local ended, answer = neap.move_on_after(MOST_SECONDS, mine.read_all, mine)
  assert(ended, "the connection does not end")
  mine:close()
  sending:await()
  local ok, err = pcall(serving.await, serving)
  assert(ok or leave and serving:cancelled(), err) -- whoever leaves cancels the handler
  assert(next(server.connections) == nil, "a connection is left in the server")
  return answer:gsub("date: [^\r]*\r\n", ""), requests
end

-- ---- what it answered ----

local function read_head(answer, at)
  local stop = answer:find("\r\n\r\n", at, true)
  assert(stop, "no end of a head")
  local status, lines = answer:sub(at, stop + 1):match "^HTTP/1%.1 (%d%d%d) [^\r\n]*\r\n(.*)$"
  assert(status, "no head of a response")
  local headers = {}
  for line in lines:gmatch "(.-)\r\n" do
    local name, value = line:match "^([%w-]+): ([^\r\n]*)$"
    assert(name and not headers[name:lower()], "no header: " .. line)
    headers[name:lower()] = value
  end
  return tonumber(status), headers, stop + 4
end

--- A body of chunks whose handler fails is cut off: then the answer ends with it.
local function skip_chunks(answer, at)
  while at <= #answer do
    local size, behind = answer:match("^(%x+)\r\n()", at)
    assert(size, "no size of a chunk")
    size = tonumber(size, 16)
    at = behind + size + 2
    assert(answer:sub(at - 2, at - 1) == "\r\n", "a chunk of another size")
    if size == 0 then break end
  end
  return at
end

local function skip_body(answer, at, status, headers, request)
  if status < 200 or status == 204 or status == 304 then return at end
  if request and request.method == "HEAD" then return at end
  if headers["transfer-encoding"] then return skip_chunks(answer, at) end
  if not headers["content-length"] then return #answer + 1 end
  at = at + tonumber(headers["content-length"])
  assert(at <= #answer + 1, "a body that is shorter than its length")
  return at
end

--- Reads all of it; returns the statuses.
local function check_answer(answer, requests)
  local statuses, at, closed = {}, 1
  while at <= #answer do
    assert(not closed, "a response behind the last one")
    local status, headers
    status, headers, at = read_head(answer, at)
    if status ~= 100 then
      statuses[#statuses + 1] = status
      at = skip_body(answer, at, status, headers, requests[#statuses])
      closed = headers.connection == "close"
    end
  end
  assert(#statuses <= #requests + 1, "more responses than requests")
  return statuses
end

--- Reports of handlers that fail, as some do here, are not findings.
local function take_reports()
  for i = #reports, 1, -1 do reports[i] = nil end
end

return function(_, bytes)
  local choice = bytes:upto(#handlers - 1) + 1
  local most = bytes:byte() + 1
  local leave = most % 4 == 0
  local text = FIRST .. bytes:rest()
  local whole, requests = ask(choice, text, nil, leave)
  local pieces, requests_of_pieces = ask(choice, text, most, leave)
  if choice == STREAMED or choice == FAILING then take_reports() end
  if leave then return end -- what is answered until then is a matter of time
  assert(requests[1].path == "/first", "the first request was not understood")
  local statuses = check_answer(whole, requests)
  assert(#statuses >= 1, "the first request was not answered")
  if choice == STREAMED then -- its chunks are as they come
    whole = table.concat(statuses, " ")
    pieces = table.concat(check_answer(pieces, requests_of_pieces), " ")
  end
  if whole ~= pieces then
    error(("not the same in pieces:\n%s\n-- whole:\n%s"):format(pieces, whole))
  end
end
