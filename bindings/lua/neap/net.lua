-- SPDX-License-Identifier: MIT
-- net.lua - connections and servers, composed of what net.c gives.
local neap, internal = ...

local c = internal.net()
local is = neap.is
local report = internal.report

local net = {}

local function check_string(value, index, what)
  if type(value) ~= "string" then
    error(("bad argument #%d to '%s' (string expected, got %s)")
      :format(index, what, value == nil and "no value" or type(value)), 3)
  end
end

local function check_port(value, what)
  local port = math.tointeger(tonumber(value))
  if not port or port < 0 or port > 65535 then
    error(("bad argument #2 to '%s' (a port expected, got %s)")
      :format(what, type(value) == "number" and value or type(value)), 3)
  end
  return port
end

local function check_current()
  local inside, outside = pcall(internal.check_current)
  if not inside then error(outside, 3) end
end

local function check_handler(value, index, what)
  if type(value) ~= "function" then
    error(("bad argument #%d to '%s' (function expected, got %s)")
      :format(index, what, value == nil and "no value" or type(value)), 3)
  end
end

local function check_options(options, known, index, what)
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("bad argument #%d to '%s' (table expected, got %s)")
      :format(index, what, type(options)), 3)
  end
  for name in pairs(options) do
    if not known[name] then
      error(("'%s' has no option '%s'"):format(what, tostring(name)), 3)
    end
  end
  return options
end

local function check_number(options, name, what)
  local value = options[name]
  if value ~= nil and (math.type(value) ~= "integer" or value < 1) then
    error(("bad option '%s' of '%s' (a positive integer expected)"):format(name, what), 3)
  end
  return value
end

-- Hosts that are all addresses of this machine. The system's resolver has "*" for the loopback.
local ALL = { [""] = true, ["*"] = true }

--- The addresses of a host, as texts.
local function resolve(host, port)
  if c.is_address(host) then return { host } end
  local addresses = {}
  for _, entry in ipairs(neap.dns.getaddrinfo(host, port, { socktype = "stream" })) do
    addresses[#addresses + 1] = entry.addr
  end
  return addresses
end

-- ---- connections ----

--- connect(host, port[, options]) -> Stream
function net.connect(host, port, options)
  check_string(host, 1, "connect")
  port = check_port(port, "connect")
  check_options(options, {}, 3, "connect")
  check_current()
  local first
  for _, address in ipairs(resolve(host, port)) do
    local ok, stream = neap.pcall(c.connect_tcp, address, port)
    if ok then return stream end
    first = first or stream
  end
  error(first, 0)
end

--- connect_unix(path) -> Stream
function net.connect_unix(path)
  return c.connect_unix(path)
end

-- ---- datagrams ----

local UDP_OPTIONS = { broadcast = true, reuse_address = true }

--- udp([host, port[, options]]) -> Udp
function net.udp(host, port, options)
  options = check_options(options, UDP_OPTIONS, 3, "udp")
  check_current()
  local address
  if host ~= nil then
    check_string(host, 1, "udp")
    port = check_port(port, "udp")
    address = ALL[host] and "0.0.0.0" or resolve(host, port)[1]
  end
  return c.udp(address, port, options.broadcast, options.reuse_address)
end

--- Calls method(udp, ..., address, port) with the first address of a host that will do.
local function with_address(method, host, port, ...)
  if type(host) ~= "string" or c.is_address(host) then return method(...) end
  local arguments = table.pack(...)
  local ok, err
  for _, address in ipairs(resolve(host, port)) do
    arguments[arguments.n - 1] = address
    ok, err = neap.pcall(method, table.unpack(arguments, 1, arguments.n))
    if ok then return end
  end
  error(err, 0)
end

local Udp = c.udp_methods
local send, connect = Udp.send, Udp.connect

--- udp:send(data[, host, port])
function Udp:send(data, host, port)
  return with_address(send, host, port, self, data, host, port)
end

--- udp:connect(host, port)
function Udp:connect(host, port)
  return with_address(connect, host, port, self, host, port)
end

-- ---- servers ----

local Server = { __name = "neap.net.Server", __metatable = false }
Server.__index = Server

--- Seconds before accept is tried again when the system had no descriptor to spare.
local ACCEPT_PAUSE = 0.05

local function is_out_of_descriptors(err)
  return is(err, neap.OSError) and (err.code == "EMFILE" or err.code == "ENFILE"
    or err.code == "ENOBUFS" or err.code == "ENOMEM" or err.code == "ECONNABORTED")
end

--- Serves one connection, which ends with its handler.
local function serve(server, stream)
  local connection <close> = stream
  local ok, err = xpcall(server.handler, internal.traceback_handler, connection)
  if not ok and not is(err, neap.CancelledError) then
    report("Exception in the handler of a connection", err)
  end
end

--- A connection's task has ended, or was cancelled before it began.
local function forget(server, task)
  server.tasks[task]:close()
  server.tasks[task] = nil
  server.count = server.count - 1
  if server.count < server.max_connections then server.room:set() end
  if server.count == 0 then server.idle:set() end
end

local function accept_all(server)
  local listener = server.listener
  while not server.closing do
    if server.count >= server.max_connections then
      server.room:clear()
      server.room:wait()
    end
    local ok, stream = neap.pcall(listener.accept, listener)
    if ok then
      server.count = server.count + 1
      server.idle:clear()
      local task = neap.create_task(serve, server, stream)
      server.tasks[task] = stream
      task:add_done_callback(server.forget)
    elseif server.closing then
      return
    elseif is_out_of_descriptors(stream) then
      neap.sleep(ACCEPT_PAUSE)
    else
      report("Exception while connections were accepted", stream)
      return
    end
  end
end

local function new_server(listener, handler, options)
  local server = setmetatable({
    listener = listener, handler = handler, tasks = {}, count = 0, closing = false,
    max_connections = options.max_connections or math.huge,
    idle = neap.event(), room = neap.event(), closed = neap.event(),
  }, Server)
  server.forget = function(task) forget(server, task) end
  server.idle:set()
  server.acceptor = neap.create_task(accept_all, server)
  return server
end

local LISTEN_OPTIONS = { backlog = true, max_connections = true }

local NO_IPV6 = { EAFNOSUPPORT = true, EADDRNOTAVAIL = true }

--- The listener of a host; without one, of all addresses.
local function listen_tcp(host, port, backlog)
  if host ~= nil then return c.listen_tcp(resolve(host, port)[1], port, backlog) end
  local ok, listener = neap.pcall(c.listen_tcp, "::", port, backlog)
  if ok then return listener end
  if is(listener, neap.OSError) and NO_IPV6[listener.code] then
    return c.listen_tcp("0.0.0.0", port, backlog)
  end
  error(listener, 0)
end

--- listen(host, port, handler[, options]) -> Server
function net.listen(host, port, handler, options)
  if host ~= nil and ALL[host] then host = nil end
  if host ~= nil then check_string(host, 1, "listen") end
  port = check_port(port, "listen")
  check_handler(handler, 3, "listen")
  options = check_options(options, LISTEN_OPTIONS, 4, "listen")
  check_number(options, "max_connections", "listen")
  check_current()
  local listener = listen_tcp(host, port, check_number(options, "backlog", "listen"))
  return new_server(listener, handler, options)
end

--- listen_unix(path, handler[, options]) -> Server
function net.listen_unix(path, handler, options)
  check_string(path, 1, "listen_unix")
  check_handler(handler, 2, "listen_unix")
  options = check_options(options, LISTEN_OPTIONS, 3, "listen_unix")
  check_number(options, "max_connections", "listen_unix")
  check_current()
  local listener = c.listen_unix(path, check_number(options, "backlog", "listen_unix"))
  return new_server(listener, handler, options)
end

--- server:close(): no more connections are taken; those that are there go on
function Server:close()
  if self.closing then return end
  self.closing = true
  self.listener:close()
  self.acceptor:cancel()
  self.closed:set()
end

--- server:wait_closed(): until it is closed and its last connection has ended
function Server:wait_closed()
  self.closed:wait()
  self.idle:wait()
end

--- server:sockname() -> host, port; or path
function Server:sockname()
  return self.listener:sockname()
end

--- server:serve_forever(): until it is closed; closes it if the caller is cancelled
function Server:serve_forever()
  local _ <close> = self
  self.closed:wait()
end

--- At a block's end: closed, its connections cancelled and waited for.
function Server:__close()
  self:close()
  for task in pairs(self.tasks) do task:cancel() end
  self.idle:wait()
end

function Server:__tostring()
  return ("<Server%s, connections: %d>"):format(self.closing and " closed" or "", self.count)
end

return net
