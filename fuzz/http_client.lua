-- http_client.lua - neap.http's client, answered by a server in this process with any bytes.
--
-- The first three bytes choose the request and how the answer is cut; the rest is the answer, sent
-- to each connection, also to those of redirects: all lead to one Unix socket. It is asked
-- twice, for an answer in one piece and in several. However it is cut, the same response or an
-- error comes of it; it is within the limits, and has no header that was not sent.
local http = require "neap.http"
local neap = require "neap"
local net = require "neap.net"

local path = os.tmpname()
os.remove(path)

local MOST_PIECES = 40
local MAX_BODY, MAX_HEADERS = 3000, 1500

local function body_in_pieces()
  local left = 3
  return function()
    left = left - 1
    return left >= 0 and ("x"):rep(left * 100 + 1) or nil
  end
end

-- What is asked; "GET" unless it says so.
local requests = {
  function() return {} end,
  function() return { stream = true } end,
  function() return { method = "HEAD" } end,
  function() return { method = "POST", body = "some" } end,
  function() return { method = "PUT", body = body_in_pieces() } end,
  function() return { decompress = false, redirects = 0 } end,
  function() return { method = "POST", form = { a = 1 }, stream = true } end,
  function() return { http_version = "2-prior-knowledge" } end,
}

local HEAD_REQUEST, HTTP2 = 3, 8

local function send(stream, text, most)
  for at = 1, #text, most do
    stream:write(text:sub(at, at + most - 1))
    neap.sleep(0)
  end
  stream:shutdown()
  while stream:read() do end -- luacheck: ignore 542
end

local function get(options)
  local response <close> = http.request(options)
  return response, response:text()
end

local asked = 0

--- response, body; or nil and an error's code.
local function ask(choice, text, most)
  asked = asked + 1
  local server <close> = net.listen_unix(path, function(stream)
    stream:read() -- the request, or the beginning of one
    neap.pcall(send, stream, text, most)
  end)
  local options = requests[choice]()
  -- A host of its own, so that no connection is used again: whether one that its server has just
  -- left can be is a matter of time, and HTTP/2 waits for what those that are kept speak.
  options.url = ("http://host%d.invalid/path"):format(asked)
  options.unix_socket = path
  options.max_body, options.max_headers = MAX_BODY, MAX_HEADERS
  options.redirects = options.redirects or 2
  local ok, response, body = neap.pcall(get, options)
  assert(server)
  if ok then return response, body end
  assert(neap.is(response, http.RequestError), response)
  assert(type(response.code) == "string" and #response.message > 0)
  return nil, response.code
end

-- ---- what must hold ----

local function has_plain_length(response, choice)
  local headers, status = response.headers, response.status
  return choice ~= HEAD_REQUEST and status ~= 204 and status ~= 304
    and not headers["transfer-encoding"] and not headers["content-encoding"]
    and #response:get_all "content-length" == 1 and headers["content-length"]:match "^%d+$"
end

local function check(response, body, choice, text)
  assert(math.type(response.status) == "integer", "no status")
  assert(response.status >= 200 and response.status <= 999, "no status of a response")
  assert(#body <= MAX_BODY, "a body beyond the limit")
  if choice == HTTP2 then return end
  local sent = text:lower()
  for name, value in pairs(response.headers) do
    assert(sent:find("\n" .. name, 1, true), "a header that was not sent: " .. name)
    assert(not value:find "[%z\r\n]", "more than a line in a header")
  end
  local length = has_plain_length(response, choice)
  assert(not length or #body == tonumber(length), "a body of another length")
end

return function(_, bytes)
  local choice = bytes:upto(#requests - 1) + 1
  local most = bytes:byte() * 4 + 1
  local text = bytes:rest()
  local response, body = ask(choice, text, #text + 1)
  local again, same = ask(choice, text, math.max(most, #text // MOST_PIECES + 1))
  if text:find "\n%z" then return end -- libcurl before 8.5 drops what has come after it
  if response then check(response, body, choice, text) end
  if again then check(again, same, choice, text) end
  if choice == HTTP2 then return end -- what comes after its end is a matter of time
  if text:lower():find "location" then return end -- so is what a kept connection still takes
  assert(not response == not again, "an error or none, as it is cut")
  assert(not response or response.status == again.status and body == same,
    "another response, as it is cut")
end
