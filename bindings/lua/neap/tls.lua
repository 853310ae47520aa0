-- SPDX-License-Identifier: MIT
-- tls.lua - connections and servers behind TLS, composed of neap.net and tls.c.
local neap, internal = ...

local c = internal.tls()

local tls = {}

--- What TLS itself refuses: a certificate, a protocol. An OSError whose code is "EPROTO".
local TLSError = neap.OSError:extend "TLSError"
tls.TLSError = TLSError

local OPTIONS = {
  ca_file = "string", cert_file = "string", key_file = "string", key_password = "string",
  verify = "boolean", min_version = "string", alpn = "table", server_name = "string",
}

local function check_options(options, level)
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("the options of TLS are a table, not a %s"):format(type(options)), level + 1)
  end
  for name, value in pairs(options) do
    if not OPTIONS[name] then
      error(("TLS has no option '%s'"):format(tostring(name)), level + 1)
    elseif type(value) ~= OPTIONS[name] then
      error(("option '%s' of TLS: %s expected, got %s")
        :format(name, OPTIONS[name], type(value)), level + 1)
    elseif type(value) == "string" and value:find("\0", 1, true) then
      error(("option '%s' of TLS contains zeros"):format(name), level + 1) -- C would stop there
    end
  end
  return options
end

--- Protocols as OpenSSL wants them: each after a byte with its length.
local function pack_protocols(list, level)
  if not list then return nil end
  local packed = {}
  for i, protocol in ipairs(list) do
    if type(protocol) ~= "string" or #protocol < 1 or #protocol > 255 then
      error("option 'alpn' of TLS: names of 1 to 255 bytes expected", level + 1)
    end
    packed[i] = string.char(#protocol) .. protocol
  end
  return table.concat(packed)
end

local function is_13(version, level)
  if version == nil or version == "1.2" then return false end
  if version == "1.3" then return true end
  error("option 'min_version' of TLS: \"1.2\" or \"1.3\" expected", level + 1)
end

local function new_context(options, is_server, level)
  if is_server and not options.cert_file then
    error("a TLS server needs the option 'cert_file'", level + 1)
  end
  local verify = options.verify
  if verify == nil then verify = not is_server end
  local ok, context = pcall(c.context, {
    ca_file = options.ca_file, cert_file = options.cert_file, key_file = options.key_file,
    key_password = options.key_password, is_server = is_server, verify = verify,
    tls13 = is_13(options.min_version, level + 1),
    alpn = pack_protocols(options.alpn, level + 1),
  })
  if not ok then error(TLSError { message = context, code = "EPROTO", syscall = "TLS" }, 0) end
  return context
end

-- Contexts are costly, since they hold all certificates that are trusted: those of
-- options that are used again are kept as long as the options.
local clients = setmetatable({}, { __mode = "k" })
local DEFAULT = {}

local function client_context(options, key, level)
  if next(options) == nil then key = DEFAULT end
  local context = clients[key]
  if not context then
    context = new_context(options, false, level + 1)
    clients[key] = context
  end
  return context
end

local function shake_hands(context, stream, server_name)
  local done, problem = context:start(stream, server_name)
  if done then return stream end
  if type(problem) ~= "string" then error(problem, 0) end
  error(TLSError {
    message = "TLS handshake: " .. problem, code = "EPROTO", syscall = "TLS handshake",
  }, 0)
end

--- The options of TLS, and those that are left for neap.net.
local function split(options, level)
  local for_tls, for_net = {}, {}
  if type(options) ~= "table" then return check_options(options, level + 1), for_net end
  for name, value in pairs(options) do
    if OPTIONS[name] then for_tls[name] = value else for_net[name] = value end
  end
  return check_options(for_tls, level + 1), for_net
end

--- connect(host, port[, options]) -> Stream
function tls.connect(host, port, options)
  local for_tls, for_net = split(options, 2)
  local context = client_context(for_tls, options, 2)
  local stream = neap.net.connect(host, port, for_net)
  local ok, err = neap.pcall(shake_hands, context, stream, for_tls.server_name or host)
  if ok then return stream end
  stream:close()
  error(err, 0)
end

--- wrap(stream[, options]) -> the same stream, behind TLS
function tls.wrap(stream, options)
  options = check_options(options, 2)
  if not options.server_name and options.verify ~= false then
    error("option 'server_name' of TLS: whose certificate is expected?", 2)
  end
  return shake_hands(client_context(options, options, 2), stream, options.server_name)
end

--- Seconds a client may take to shake hands.
local HANDSHAKE_TIMEOUT = 10

--- listen(host, port, handler[, options]) -> Server
function tls.listen(host, port, handler, options)
  if type(handler) ~= "function" then
    error(("bad argument #3 to 'listen' (function expected, got %s)"):format(type(handler)), 2)
  end
  local for_tls, for_net = split(options, 2)
  local context = new_context(for_tls, true, 2)
  local function serve(stream)
    -- A client that cannot shake hands, or does not want to, is not our error. Many do:
    -- there is no error object for what nobody would see.
    local ok, in_time, done = neap.pcall(neap.move_on_after, HANDSHAKE_TIMEOUT, context.start,
      context, stream)
    if ok and in_time and done then
      handler(stream)
    elseif not ok and not neap.is(in_time, neap.OSError) then
      error(in_time, 0)
    end
  end
  return neap.net.listen(host, port, serve, for_net)
end

--- info(stream) -> { version =, cipher =, protocol = }, or nil without TLS
function tls.info(stream)
  local version, cipher, protocol = c.info(stream)
  return version and { version = version, cipher = cipher, protocol = protocol }
end

return tls
