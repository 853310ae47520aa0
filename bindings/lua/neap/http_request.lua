-- SPDX-License-Identifier: MIT
-- http_request.lua - the arguments of a request, checked, and what a redirect makes of it.
local neap, internal = ...

-- Of bytes and seconds. A streamed body has no limit but the one that is asked for.
local MAX_BODY, MAX_HEADERS = 64 * 1024 * 1024, 256 * 1024
local CONNECT_TIMEOUT, IDLE_TIMEOUT, MAX_REDIRECTS = 30, 300, 10

local ERROR_LEVEL = 2

local function refuse(format, ...)
  error(format:format(...), ERROR_LEVEL)
end

local function expect(option, value, expected)
  refuse("bad option '%s' (%s expected, got %s)", option, expected, internal.type_name(value))
end

-- ---- checks of options ----

local function text(value, name)
  if type(value) ~= "string" then expect(name, value, "string") end
  if value:find "[%z\r\n]" then refuse("bad option '%s' (NUL or line end in it)", name) end
  return value
end

local function boolean(value, name)
  if type(value) ~= "boolean" then expect(name, value, "boolean") end
  return value
end

local function number(least)
  return function(value, name)
    if type(value) ~= "number" then expect(name, value, "number") end
    if value ~= value or value < least then refuse("bad option '%s' (not %s)", name, value) end
    return value
  end
end

local function whole(value, name)
  local integer = math.tointeger(value)
  if not integer or integer < 0 then expect(name, value, "non-negative integer") end
  return integer
end

local function any(value)
  return value
end

local function any_table(value, name)
  if type(value) ~= "table" then expect(name, value, "table") end
  return value
end

local VERSIONS = { ["1.1"] = 1, ["2"] = 2, ["2-prior-knowledge"] = 3 }

local CHECKS = {
  method = text, url = text, headers = any_table, query = any_table, body = any, json = any,
  form = any_table, auth = any_table, timeout = number(0), connect_timeout = number(0.001),
  idle_timeout = number(1), redirects = whole, stream = boolean, max_body = whole,
  max_headers = whole, decompress = boolean, verify = boolean, ca_file = text,
  cert_file = text, key_file = text, unix_socket = text,
  proxy = function(value, name) return value == false and "" or text(value, name) end,
  http_version = function(value, name)
    return VERSIONS[value] or refuse("bad option '%s' (no version of HTTP)", name)
  end,
}

local function check_options(what, given)
  if type(given) ~= "table" then
    refuse("bad argument #1 to '%s' (table expected, got %s)", what, internal.type_name(given))
  end
  local options = {}
  for name, value in pairs(given) do
    local check = CHECKS[name]
    if not check then refuse("'%s' has no option '%s'", what, tostring(name)) end
    options[name] = check(value, name)
  end
  return options
end

-- ---- urls ----

local function encode(value, space)
  return (tostring(value):gsub("[^%w%-._~]", function(byte)
    return byte == " " and space or ("%%%02X"):format(byte:byte())
  end))
end

local function sorted_keys(set, name)
  local keys = {}
  for key in pairs(set) do
    if type(key) ~= "string" then refuse("bad option '%s' (a key is no string)", name) end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

--- "a=1&b=2" of a table, whose values may be sequences.
local function encode_fields(fields, space, name)
  local parts = {}
  for _, key in ipairs(sorted_keys(fields, name)) do
    local value = fields[key]
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      parts[#parts + 1] = encode(key, space) .. "=" .. encode(one, space)
    end
  end
  return table.concat(parts, "&")
end

local function check_url(url)
  if url == nil then refuse "no url" end
  if not url:find "^[Hh][Tt][Tt][Pp][Ss]?://[^/?#]" then
    refuse("bad url (http:// or https:// and a host expected): %q", url)
  end
  if url:find "[%c ]" then
    refuse("bad url (percent-encode spaces and control characters): %q", url)
  end
  return url
end

local function add_query(url, query)
  local fields = encode_fields(query, "%20", "query")
  if fields == "" then return url end
  local base, fragment = url:match "^([^#]*)(.*)$"
  return base .. (base:find("?", 1, true) and "&" or "?") .. fields .. fragment
end

local DEFAULT_PORTS = { http = ":80", https = ":443" }

--- "https://example.org": what credentials are for.
local function origin(url)
  local scheme, authority = url:match "^(%a[%w+.-]*):/*([^/?#]*)"
  if not scheme then return url, "" end
  scheme = scheme:lower()
  authority = authority:lower():gsub("^.*@", "")
  local port = DEFAULT_PORTS[scheme]
  if port and authority:sub(-#port) == port then authority = authority:sub(1, -#port - 1) end
  return scheme .. "://" .. authority, scheme
end

-- ---- headers ----

local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"

local function check_value(name, value)
  if type(value) == "number" then value = tostring(value) end
  if type(value) ~= "string" then
    refuse("bad header '%s' (string expected, got %s)", name, internal.type_name(value))
  end
  if value:find "[%z\r\n]" then refuse("bad header '%s' (NUL or line end in it)", name) end
  return value
end

--- lower-case name -> { name =, values }
local function check_headers(given)
  local headers = {}
  for name, value in pairs(given or {}) do
    if type(name) ~= "string" or not name:find(TOKEN) then
      refuse("bad name of a header: %q", tostring(name))
    end
    local key, header = name:lower(), { name = name }
    if headers[key] then refuse("the header '%s' is there twice", name) end
    for i, one in ipairs(type(value) == "table" and value or { value }) do
      header[i] = check_value(name, one)
    end
    headers[key] = header
  end
  if headers["transfer-encoding"] then
    refuse "the header 'Transfer-Encoding' is for the client to set"
  end
  return headers
end

local function set_default(headers, name, value)
  local key = name:lower()
  if not headers[key] then headers[key] = { name = name, value } end
end

-- ---- bodies ----

local function check_body(options, headers)
  local body, count = options.body, 0
  for _, name in ipairs { "body", "json", "form" } do
    count = count + (options[name] ~= nil and 1 or 0)
  end
  if count > 1 then refuse "only one of the options 'body', 'json' and 'form' can be given" end
  if options.json ~= nil then
    set_default(headers, "Content-Type", "application/json")
    return neap.json.encode(options.json)
  end
  if options.form then
    set_default(headers, "Content-Type", "application/x-www-form-urlencoded")
    return encode_fields(options.form, "+", "form")
  end
  if body ~= nil and type(body) ~= "string" and type(body) ~= "function" then
    expect("body", body, "string or function")
  end
  return body
end

--- How many bytes a function will give, if a header says so; -1: nobody knows.
local function upload_size(headers, body)
  local header = headers["content-length"]
  if not header then return -1 end
  headers["content-length"] = nil -- libcurl writes it
  local length = header[1]:match "^%d+$" and math.tointeger(tonumber(header[1]))
  if #header ~= 1 or not length then refuse "bad header 'Content-Length'" end
  if type(body) ~= "function" and length ~= #(body or "") then
    refuse "the header 'Content-Length' is not the length of the body"
  end
  return length
end

-- ---- the request ----

local Request = {}
Request.__index = Request

--- The lines of the headers. Without a value they take away what libcurl would add.
function Request:lines()
  local lines, headers = {}, self.headers
  for _, key in ipairs(sorted_keys(headers, "headers")) do
    for _, value in ipairs(headers[key]) do
      lines[#lines + 1] = headers[key].name .. (value == "" and ";" or ": " .. value)
    end
  end
  if not headers.expect then lines[#lines + 1] = "Expect:" end
  if not headers["content-type"] then lines[#lines + 1] = "Content-Type:" end
  return lines
end

local REDIRECTS = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

function Request:follows(status, location)
  return location and REDIRECTS[status] and self.max_redirects > 0
end

local function drop_body(request)
  request.method = "GET"
  request.body = nil
  for key in pairs(request.headers) do
    if key:find "^content%-" then request.headers[key] = nil end
  end
end

--- Credentials are for the origin that they were given for.
local function drop_credentials(request)
  local headers, settings = request.headers, request.settings
  headers.authorization, headers.cookie, headers.host = nil, nil, nil
  settings.user, settings.password = nil, nil
  settings.cert_file, settings.key_file = nil, nil
end

--- code, message: why a redirect is not followed.
local function why_not(request, from_scheme, to_scheme, count)
  if count > request.max_redirects then return "TOO_MANY_REDIRECTS", "too many redirects" end
  if not DEFAULT_PORTS[to_scheme] then
    return "UNSUPPORTED_PROTOCOL", "a redirect to another protocol"
  end
  if from_scheme == "https" and to_scheme == "http" then
    return "INSECURE_REDIRECT", "a redirect from https to http"
  end
end

local function becomes_get(status, method)
  if status == 303 then return method ~= "HEAD" end
  return method == "POST" and (status == 301 or status == 302)
end

--- Makes it the request that follows a redirect; or returns why not: code, message.
function Request:redirect(status, from, to, count)
  local from_origin, from_scheme = origin(from)
  local to_origin, to_scheme = origin(to)
  local code, message = why_not(self, from_scheme, to_scheme, count)
  if code then return code, message end
  if becomes_get(status, self.method) then drop_body(self) end
  if type(self.body) == "function" then
    return "SEND_FAIL_REWIND", "a redirect after a body that cannot be sent again"
  end
  if from_origin ~= to_origin then drop_credentials(self) end
  self.url = to
end

-- As for options that are not given.
local DEFAULTS = {
  stream = false, max_headers = MAX_HEADERS, connect_timeout = CONNECT_TIMEOUT,
  idle_timeout = IDLE_TIMEOUT, decompress = true, verify = true, http_version = VERSIONS["2"],
}

local SETTINGS = { "ca_file", "cert_file", "key_file", "proxy", "unix_socket" }

--- All that http_client.c reads.
local function make_settings(options, headers, body)
  local settings, auth = {}, options.auth
  for name, value in pairs(DEFAULTS) do
    if options[name] == nil then settings[name] = value else settings[name] = options[name] end
  end
  for _, name in ipairs(SETTINGS) do settings[name] = options[name] end
  settings.max_body = options.max_body or (settings.stream and math.huge or MAX_BODY)
  settings.upload_size = upload_size(headers, body)
  if auth then
    settings.user, settings.password = text(auth[1], "auth"), text(auth[2], "auth")
  end
  return settings
end

local NEEDS_LENGTH = { POST = true, PUT = true, PATCH = true }

local function check_method(method)
  if method == nil then return "GET" end
  method = method:upper()
  if not method:find(TOKEN) or method == "CONNECT" then refuse("bad method: %q", method) end
  return method
end

local function request_of(what, given)
  local options = check_options(what, given)
  local url = check_url(options.url)
  local method = check_method(options.method)
  local headers = check_headers(options.headers)
  local body = check_body(options, headers)
  if body == nil and NEEDS_LENGTH[method] then body = "" end
  set_default(headers, "User-Agent", "neap/" .. neap._VERSION)
  return setmetatable({
    url = options.query and add_query(url, options.query) or url,
    method = method,
    headers = headers,
    body = body,
    timeout = options.timeout,
    max_redirects = options.redirects or MAX_REDIRECTS,
    settings = make_settings(options, headers, body),
  }, Request)
end

return request_of
