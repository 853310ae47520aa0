-- SPDX-License-Identifier: MIT
-- http_server.lua - HTTP/1.1 for handlers that are tasks.
--
-- One task serves one connection: it reads the head of a request, calls the handler,
-- writes the response, and begins again. Heads are parsed in C (http_message.c); the
-- framing of bodies is here. RFC 9110 and 9112.
local neap, internal = ...

local message = internal.http_message()
local read_request, write_response = message.read_request, message.write_response
local neap_pcall, is, report = neap.pcall, neap.is, internal.report
local watch = internal.watch

-- Seconds and bytes; each is an option of serve.
local DEFAULTS = {
  max_connections = 10000,
  max_header_bytes = 16 * 1024,
  max_body_bytes = 1024 * 1024,
  header_timeout = 10, -- from the connection or the request's first byte to the end of its head
  idle_timeout = 60,   -- between two requests
  body_timeout = 30,   -- without one byte of a body
  write_timeout = 60,  -- without one byte taken by the client
}

-- What is still read of a body that the handler left, so that the connection can be kept.
local MOST_DRAINED = 256 * 1024

-- ---- requests ----

local ServerRequest = { __name = "neap.http.Request" }

--- An error that makes a response of its own: raised by body reads, and by handlers.
local HTTPError = neap.Error:extend "HTTPError"

local function refuse(status, text)
  local err = HTTPError(text)
  err.status = status
  error(err, 0)
end

-- Fields of a request that begin with "_" are the server's.

--- The size of the next chunk: a line of hexadecimal digits, and extensions, which
--- are ignored. Lines are read here, since http_parser takes a bare LF for their end.
local function read_chunk_size(stream)
  local line = stream:read_until("\r\n", 1024)
  local digits = line:match "^(%x+)[ \t]*\r\n$" or line:match "^(%x+)[ \t]*;[^%c]*\r\n$"
  if not digits or #digits > 12 then refuse(400, "malformed size of a chunk") end
  return tonumber(digits, 16)
end

local function read_trailers(request)
  local bytes = 0
  repeat
    local line = request._stream:read_until("\r\n", 8 * 1024)
    bytes = bytes + #line
    if bytes > request._server.options.max_header_bytes then refuse(431, "trailers too large") end
    if line ~= "\r\n" and not line:find "^[%w!#$%%&'*+%-.^_`|~]+:[^%c]*\r\n$" then
      refuse(400, "malformed trailer")
    end
  until line == "\r\n"
end

local function next_of_chunked(request, max)
  local stream = request._stream
  if request._left == 0 then
    request._left = read_chunk_size(stream)
    if request._bytes + request._left > request._server.options.max_body_bytes then
      refuse(413, "the body is too large")
    end
    if request._left == 0 then
      read_trailers(request)
      return nil
    end
  end
  local data = stream:read(math.min(max, request._left))
  if not data then refuse(400, "the body is incomplete") end
  request._left = request._left - #data
  if request._left == 0 and stream:read_exactly(2) ~= "\r\n" then
    refuse(400, "a chunk is longer than its size")
  end
  return data
end

local function next_of_length(request, max)
  if request._left == 0 then return nil end
  local data = request._stream:read(math.min(max, request._left))
  if not data then refuse(400, "the body is incomplete") end
  request._left = request._left - #data
  return data
end

local function next_piece(request, max)
  local connection = request._connection
  if request._expects then
    request._expects = false
    -- Not into a response that has begun; that tells the client to go on, too.
    if not connection.responding then connection:write("HTTP/1.1 100 Continue\r\n\r\n") end
  end
  connection:allow(request._server.options.body_timeout)
  local data = request._next(request, max)
  connection:allow(nil)
  if not data then
    request._ended = true
    return nil
  end
  request._bytes = request._bytes + #data
  return data
end

--- request:read([max]) -> string, or nil at the body's end
function ServerRequest:read(max)
  if max ~= nil and (math.type(max) ~= "integer" or max < 1) then
    error("bad argument #1 to 'read' (a positive integer expected)", 2)
  end
  if self._ended then return nil end
  local ok, data = neap_pcall(next_piece, self, max or 65536)
  if not ok then
    self._broken = true
    if is(data, neap.IncompleteReadError) then refuse(400, "the body is incomplete") end
    if is(data, neap.LimitOverrunError) then refuse(400, "malformed size of a chunk") end
    error(data, 0)
  end
  return data
end

--- for piece in request:chunks() do
function ServerRequest:chunks()
  return function() return self:read() end
end

--- request:text() -> string: the whole body, the same each time
function ServerRequest:text()
  local whole = rawget(self, "_whole")
  if not whole then
    local pieces = {}
    for piece in self:chunks() do pieces[#pieces + 1] = piece end
    whole = table.concat(pieces)
    self._whole = whole
  end
  return whole
end

--- request:json() -> value
function ServerRequest:json()
  return neap.json.decode(self:text())
end

--- request:peername() -> host, port
function ServerRequest:peername()
  return self._stream:peername()
end

-- request.body is request:text(), read when it is first asked for.
function ServerRequest:__index(key)
  if key == "body" then return ServerRequest.text(self) end
  return ServerRequest[key]
end

function ServerRequest:__tostring()
  return ("<Request %s %s>"):format(self.method, self.target)
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- The path without escapes, and the query as it came.
local function split_target(target)
  local path, query = target:match "^([^?]*)%??(.*)$"
  path = path:match "^%a[%w+.-]*://[^/]*(.*)$" or path -- the form that is for proxies
  return unescape(path == "" and "/" or path), query
end

-- ---- connections ----

local Connection = {}
Connection.__index = Connection

--- From now on the connection may take `seconds` more; nil: for ever.
function Connection:allow(seconds)
  self.scope:reschedule(seconds and neap.time() + seconds)
end

function Connection:write(...)
  self:allow(self.server.options.write_timeout)
  self.stream:write(...)
  self:allow(nil)
end

local function text_response(status, text)
  return {
    status = status,
    headers = { ["content-type"] = "text/plain; charset=utf-8" },
    body = text .. "\n",
  }
end

local function has_no_body(status)
  return status < 200 or status == 204 or status == 304
end

local NAMED = "connection: keep-alive\r\n"
local CLOSE = "connection: close\r\n"

--- What the handler says of the length of a body, or nil.
local function stated_length(headers)
  for name, value in pairs(headers or {}) do
    if type(name) == "string" and name:lower() == "content-length" then
      local digits = tostring(value):match "^%d+$"
      if not digits or #digits > 18 then
        error(("'%s' is not a Content-Length"):format(tostring(value)), 0)
      end
      return math.tointeger(tonumber(digits))
    end
  end
end

--- How long a body is; nil: unknown.
local function length_of(request, response)
  local body = response.body
  if type(body) == "function" then return stated_length(response.headers) end
  if not body and request.method == "HEAD" then return stated_length(response.headers) or 0 end
  return #(body or "")
end

--- The lines that say how the body ends and whether the connection is kept; and whether
--- pieces of the body are to be framed as chunks, or how long they are together.
local function framing_of(request, response, keep)
  local connection = keep and (request.version == "1.0" and NAMED or "") or CLOSE
  if has_no_body(response.status) then return connection, false end
  local length = length_of(request, response)
  if length then return ("content-length: %d\r\n%s"):format(length, connection), false, length end
  if request.version == "1.0" then return CLOSE, false end
  return "transfer-encoding: chunked\r\n" .. connection, true
end

--- Writes the pieces that `next_part` returns until nil: `length` bytes, if that is known.
function Connection:stream_body(next_part, chunked, length)
  local left = length or math.huge
  for part in next_part do
    if type(part) ~= "string" then
      error(("a part of a response's body is a %s"):format(type(part)), 0)
    end
    left = left - #part
    if left < 0 then error("a response's body is longer than its Content-Length", 0) end
    if not chunked then
      self:write(part)
    elseif part ~= "" then -- an empty chunk would end the body
      self:write(("%x\r\n"):format(#part), part, "\r\n")
    end
  end
  if length and left > 0 then error("a response's body is shorter than its Content-Length", 0) end
  if chunked then self:write("0\r\n\r\n") end
end

local function check_response(response)
  if type(response) == "string" then response = { body = response } end
  if type(response) ~= "table" then
    error(("a handler returned a %s, not a response"):format(type(response)), 0)
  end
  local status, body = response.status or 200, response.body
  if math.type(status) ~= "integer" or status < 200 or status > 999 then
    error(("%s is not a response's status"):format(tostring(status)), 0)
  end
  if body ~= nil and type(body) ~= "string" and type(body) ~= "function" then
    error(("a response's body is a %s"):format(type(body)), 0)
  end
  return { status = status, headers = response.headers, body = body }
end

--- Sends it; returns whether the connection can be kept.
function Connection:respond(request, response, keep)
  local body = response.body
  local streamed = type(body) == "function"
  local framing, chunked, length = framing_of(request, response, keep)
  if streamed and not chunked and not length then keep = false end -- its end is the body's
  local head = write_response(response.status, response.headers, framing)
  self.responding, self.owes = true, false
  if request.method == "HEAD" or has_no_body(response.status) then
    self:write(head)
  elseif streamed then
    self:write(head)
    self:stream_body(body, chunked, length)
  else
    self:write(head, body or "")
  end
  self.responding = false
  return keep
end

-- ---- one request ----

--- The head of the next request, or nil if there is none.
function Connection:read_head()
  local options = self.server.options
  local stream = self.stream
  local text = stream:read_until("\r\n\r\n", options.max_header_bytes)
  -- Some clients send an empty line after a body (RFC 9112, 2.2).
  while text:sub(1, 2) == "\r\n" do
    text = text:sub(3)
    if text == "\r\n" then
      text = text .. stream:read_until("\r\n\r\n", options.max_header_bytes)
    end
  end
  return text
end

--- A request, or nil, status and why.
function Connection:read_request()
  local ok, text = neap_pcall(self.read_head, self)
  if not ok then
    if is(text, neap.LimitOverrunError) then return nil, 431, "the head is too large" end
    if is(text, neap.IncompleteReadError) and text.partial == "" then return nil end
    if is(text, neap.IncompleteReadError) then return nil, 400, "the head is incomplete" end
    error(text, 0)
  end
  local request, status, why = read_request(text)
  if not request then return nil, status, why end
  if (request.length or 0) > self.server.options.max_body_bytes then
    return nil, 413, "the body is too large"
  end
  return self:complete_request(request)
end

function Connection:complete_request(request)
  request.path, request.query = split_target(request.target)
  request._connection, request._server, request._stream = self, self.server, self.stream
  request._expects = request.expects_continue
  request._bytes = 0
  request._left = not request.chunked and request.length or 0
  request._next = request.chunked and next_of_chunked or next_of_length
  request._ended = not request.chunked and request._left == 0
  return setmetatable(request, ServerRequest)
end

--- Answers what is no request. What the client still sends is read and dropped for a
--- moment: a socket closed with bytes unread would take the answer with it.
function Connection:refuse(status, why)
  self:respond({ version = "1.1" }, text_response(status, why), false)
  self.stream:shutdown()
  neap.move_on_after(1, function()
    local left = MOST_DRAINED
    while left > 0 do
      local data = self.stream:read()
      if not data then return end
      left = left - #data
    end
  end)
end

--- The handler's response, or the one that its error makes.
function Connection:call_handler(request)
  local ok, response = neap_pcall(self.server.handler, request)
  if ok then ok, response = pcall(check_response, response) end
  if ok then return response, true end
  local status = is(response, HTTPError) and math.type(response.status) == "integer"
    and response.status
  if status and status >= 400 and status <= 599 then
    return text_response(status, response.message), true
  end
  report("Exception in the handler of an HTTP request", response)
  return text_response(500, "Internal Server Error"), true
end

--- Reads what the handler left of the body; false: too much, so the connection ends.
local function drain(request)
  local left = MOST_DRAINED
  if request._expects then return request._ended end -- the client may never send it
  while not request._ended do
    if request._broken then return false end
    local ok, data = neap_pcall(ServerRequest.read, request)
    if not ok then return false end
    left = left - #(data or "")
    if left < 0 then return false end
  end
  return true
end

--- Sends the response; false: the connection is to be closed.
function Connection:finish(request, response)
  local keep = request.keep_alive and not self.server.closing and not request._broken
    and (request._ended or not request._expects)
  local sent, kept = neap_pcall(self.respond, self, request, response, keep)
  if sent then return kept and drain(request) end
  local err = kept
  if not is(err, neap.OSError) then
    report("Exception while an HTTP response was written", err)
    if not self.responding then
      self:respond(request, text_response(500, "Internal Server Error"), false)
    end
  end
  return false
end

--- Serves one request; false: the connection is to be closed.
function Connection:serve_one()
  local request, status, why = self:read_request()
  self.idle, self.owes = false, true
  if not request then
    if status then self:refuse(status, why) end
    return false
  end
  self:allow(nil)
  watch(self.stream, true, self.server.options.allow_half_open)
  local response = self:call_handler(request)
  watch(self.stream, false)
  return self:finish(request, response)
end

function Connection:serve()
  local options = self.server.options
  local scope <close> = neap.timeout(options.header_timeout)
  self.scope = scope
  while self:serve_one() do
    if self.server.closing then return end
    self.idle = true
    self:allow(options.idle_timeout)
  end
end

-- ---- servers ----

local Server = { __name = "neap.http.Server", __metatable = false }
Server.__index = Server

--- A request that did not arrive in time is told so, if the client listens.
local function say_timeout(stream)
  local head = write_response(408, nil, "content-length: 0\r\n" .. CLOSE)
  neap_pcall(neap.move_on_after, 1, stream.write, stream, head)
end

local function handle(server, stream)
  local connection = setmetatable({
    server = server, stream = stream, task = neap.current_task(), idle = false,
    owes = true, -- a response, if only that it took too long
  }, Connection)
  server.connections[connection] = true
  local _ <close> = setmetatable({}, { __close = function()
    server.connections[connection] = nil
  end })
  local ok, err = neap_pcall(connection.serve, connection)
  if ok or server.closing then return end
  if is(err, neap.TimeoutError) then
    if connection.owes then say_timeout(stream) end
  elseif not is(err, neap.OSError) then
    error(err, 0)
  end
end

--- server:close(): takes no more connections; those that wait for a request end, and
--- those that serve one end after its response.
function Server:close()
  self.closing = true
  self.listener:close()
  for connection in pairs(self.connections) do
    if connection.idle then connection.stream:close() end
  end
end

--- server:wait_closed(): until it is closed and all its connections have ended
function Server:wait_closed()
  self.listener:wait_closed()
end

--- server:shutdown([grace]): close, and wait; what is not done after `grace` seconds
--- (nil: no limit) is cancelled
function Server:shutdown(grace)
  self:close()
  if grace and not neap.move_on_after(grace, self.wait_closed, self) then
    for connection in pairs(self.connections) do connection.task:cancel() end
  end
  self:wait_closed()
end

--- server:sockname() -> host, port
function Server:sockname()
  return self.listener:sockname()
end

--- server:serve_forever(): until it is closed, or the caller is cancelled
function Server:serve_forever()
  local _ <close> = self
  self.listener:serve_forever()
end

function Server:__close()
  self:close()
  self:wait_closed()
end

function Server:__tostring()
  local count = 0
  for _ in pairs(self.connections) do count = count + 1 end
  return ("<HTTP server%s, connections: %d>"):format(self.closing and " closing" or "", count)
end

local function check_type(options, name, expected)
  local value = options[name]
  if value ~= nil and type(value) ~= expected then
    error(("bad option '%s' of 'serve' (%s expected, got %s)")
      :format(name, expected, type(value)), 4)
  end
  return value
end

local function check_options(options)
  local checked = {
    tls = check_type(options, "tls", "table"), backlog = options.backlog,
    allow_half_open = check_type(options, "allow_half_open", "boolean"),
  }
  for name, default in pairs(DEFAULTS) do
    local value = options[name]
    if value == nil then value = default end
    if type(value) ~= "number" or value ~= value or value <= 0 then
      error(("bad option '%s' of 'serve' (a positive number expected)"):format(name), 3)
    end
    checked[name] = value
  end
  for name in pairs(options) do
    if checked[name] == nil then
      error(("'serve' has no option '%s'"):format(tostring(name)), 3)
    end
  end
  return checked
end

--- serve(host, port, handler[, options]) -> Server
local function serve(host, port, handler, options)
  if type(handler) ~= "function" then
    error(("bad argument #3 to 'serve' (function expected, got %s)"):format(type(handler)), 2)
  end
  options = check_options(options or {})
  local server = setmetatable({
    handler = handler, options = options, connections = {}, closing = false,
  }, Server)
  local function serve_connection(stream) return handle(server, stream) end
  local listen = options.tls and neap.tls.listen or neap.net.listen
  local listen_options = {
    max_connections = options.max_connections, backlog = options.backlog,
  }
  for name, value in pairs(options.tls or {}) do listen_options[name] = value end
  server.listener = listen(host, port, serve_connection, listen_options)
  return server
end

return { serve = serve, HTTPError = HTTPError }
