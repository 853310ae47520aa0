-- SPDX-License-Identifier: MIT
-- http_client.lua - requests and their responses, composed of transfers (http_client.c).
--
-- A transfer is one request and one response. Redirects are followed here, so that each
-- step is looked at: where it goes, what it takes along.
local neap, internal = ...

local c = internal.http_client()
local request_of = internal.source "neap.http_request"

local http = {}

--- A transfer that failed: code ("ECONNREFUSED", "COULDNT_RESOLVE_HOST"), url.
http.RequestError = neap.OSError:extend "RequestError"

--- A response whose status says failure: status, response.
http.StatusError = neap.Error:extend "StatusError"

local MOST_ITEMS = 64 * 1024 * 1024 -- bytes that text() collects of a stream

-- ---- errors ----

local function without_credentials(url)
  return (url:gsub("^(%a+://)[^/?#]*@", "%1"))
end

local function fail(url, code, message, errno)
  url = without_credentials(url)
  message = ("%s: %s"):format(url, message)
  if code == "OPERATION_TIMEDOUT" then
    error(neap.TimeoutError { message = message, url = url }, 0)
  end
  error(http.RequestError {
    message = message, code = code, errno = errno, syscall = errno and "connect", url = url,
  }, 0)
end

-- ---- headers ----

-- Names are lower case; any case finds them.
local Headers = {
  __name = "neap.http.Headers",
  __index = function(self, name)
    local key = type(name) == "string" and name:lower()
    return key ~= name and rawget(self, key) or nil
  end,
}

--- name -> sequence of values, of the text of a head. A line that begins with a space
-- goes on with the one before. A CR that ends no line is a space (RFC 9112, 2.2).
local function parse_lists(head)
  local lists, last = {}, nil
  if head:find "\r[^\n]" then head = head:gsub("\r+([^\r\n])", " %1") end
  for line in head:gmatch("([^\r\n]*)\r*\n", head:find("\n", 1, true)) do -- but for the status
    local name, value = line:match "^([^%s:]+)[ \t]*:[ \t]*(.-)[ \t]*$"
    if name then
      last = name:lower()
      local list = lists[last] or {}
      lists[last] = list
      list[#list + 1] = value
    elseif last and line:find "^[ \t]" then
      local list = lists[last]
      list[#list] = list[#list] .. " " .. line:match "^[ \t]+(.-)[ \t]*$"
    end
  end
  return lists
end

-- ---- responses ----

local Response = { __name = "neap.http.Response" }

Response.__index = Response

--- All values of a header, in their order.
function Response:get_all(name)
  local list = self._lists[name:lower()] or {}
  return table.move(list, 1, #list, 1, {})
end

--- The next piece of a streamed body, nil at its end.
function Response:read()
  local transfer = self._transfer
  if not transfer then return nil end
  local chunk, code, message, errno = transfer:read()
  if not chunk then
    self:close()
    if chunk == false then fail(self.url, code, message, errno) end
  end
  return chunk
end

--- Iterator over the body as it comes; leaving the loop ends the transfer.
function Response:chunks()
  if self.body then
    local body = self.body ~= "" and self.body or nil
    return function()
      local chunk = body
      body = nil
      return chunk
    end
  end
  return function() return self:read() end, nil, nil, self
end

--- The body as a string; that of a stream is collected.
function Response:text()
  if not self.body then
    local parts, size = {}, 0
    for chunk in self:chunks() do
      size = size + #chunk
      if size > MOST_ITEMS then
        fail(self.url, "BODY_TOO_LARGE", "the body is too large to be collected; read chunks()")
      end
      parts[#parts + 1] = chunk
    end
    self.body = table.concat(parts)
  end
  return self.body
end

--- The value of a JSON body.
function Response:json()
  return neap.json.decode(self:text())
end

--- Returns the response if its status is below 400; raises StatusError.
function Response:raise_for_status()
  if self.ok then return self end
  error(http.StatusError {
    message = ("%d %s: %s"):format(self.status, self.reason, without_credentials(self.url)),
    status = self.status, response = self,
  }, 0)
end

--- Ends the transfer, if it still runs.
function Response:close()
  local transfer = self._transfer
  if transfer then
    self._transfer = nil
    transfer:close()
  end
end

Response.__close = Response.close

function Response.__tostring(self)
  return ("<Response %d %s>"):format(self.status, without_credentials(self.url))
end

local function make_response(status, head, url, version, history)
  local lists, headers = parse_lists(head), setmetatable({}, Headers)
  for name, list in pairs(lists) do headers[name] = table.concat(list, ", ") end
  return setmetatable({
    status = status,
    reason = head:match "^HTTP/[%d.]+ %d+ ([^\r\n]*)" or "",
    ok = status < 400,
    url = url,
    version = version,
    history = history,
    headers = headers,
    _lists = lists,
  }, Response)
end

-- ---- one request ----

-- Closes a transfer at the end of a block, unless it was handed on.
local Guard = { __close = function(self)
  if self.transfer then self.transfer:close() end
end }

local function send_body(transfer, body)
  repeat
    local chunk = body()
    if chunk ~= nil and type(chunk) ~= "string" then
      error(("the function given as body returned a %s (string or nil expected)")
        :format(internal.type_name(chunk)), 0)
    end
  until chunk ~= "" and (not transfer:send(chunk) or chunk == nil)
end

--- The response, and where it redirects to. That of a redirect has no transfer.
local function exchange(request, history)
  local body = request.body
  local streamed_up = type(body) == "function"
  local transfer = c.start(request.url, request.method, request:lines(),
    streamed_up or body, request.settings)
  local guard <close> = setmetatable({ transfer = transfer }, Guard)
  if streamed_up then send_body(transfer, body) end
  local status, head, url, location, version = transfer:head()
  if not status then fail(request.url, head, url, location) end
  local response = make_response(status, head, url, version, history)
  if request:follows(status, location) then return response, location end
  if request.settings.stream then
    response._transfer = transfer
    guard.transfer = nil
  else
    response.body = transfer:read() or ""
  end
  return response
end

local function follow(request)
  local history = {}
  while true do
    local response, location = exchange(request, history)
    if not location then return response end
    history[#history + 1] = response.url
    local code, message = request:redirect(response.status, response.url, location, #history)
    if code then fail(location, code, message) end
  end
end

local function perform(what, options)
  local request = request_of(what, options)
  if request.timeout then return neap.timeout(request.timeout, follow, request) end
  return follow(request)
end

-- ---- functions ----

--- request{method =, url =, ...} -> Response
function http.request(options)
  return perform("request", options)
end

local function with_method(method, name)
  return function(url, options)
    local all = { method = method, url = url }
    if options ~= nil and type(options) ~= "table" then
      error(("bad argument #2 to '%s' (table expected, got %s)")
        :format(name, internal.type_name(options)), 2)
    end
    for key, value in pairs(options or {}) do
      if key ~= "method" and key ~= "url" then all[key] = value end
    end
    return perform(name, all)
  end
end

for _, name in ipairs { "get", "head", "post", "put", "patch", "delete" } do
  http[name] = with_method(name:upper(), name)
end

return http
