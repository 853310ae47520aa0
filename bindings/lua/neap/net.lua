-- SPDX-License-Identifier: MIT
-- net.lua - connections and servers, composed of what net.c gives.
local neap, internal = ...

local c = internal.net()
local is = neap.is
local report = internal.report

local net = {}

local function type_of(value) return value == nil and "no value" or type(value) end

local function check_string(value, index, what)
  if type(value) ~= "string" then
    error(("bad argument #%d to '%s' (string expected, got %s)")
      :format(index, what, type_of(value)), 3)
  end
end

--- The path of a Unix socket. C checks it too, but knows no caller's line.
local function check_path(value, what)
  local problem = type(value) ~= "string" and "string expected, got " .. type_of(value)
    or value == "" and "the path is empty"
    or #value > c.longest_path and "the path is too long"
    or value:find("\0", 1, true) and "the path contains a zero"
  if problem then error(("bad argument #1 to '%s' (%s)"):format(what, problem), 3) end
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

--- What the options are, with a check for each.
local function is_count(value) return math.type(value) == "integer" and value >= 1 end
local function is_boolean(value) return type(value) == "boolean" end
local function is_delay(value)
  return value == false or type(value) == "number" and value >= 0 and value < math.huge
end
local function is_family(value) return value == "inet" or value == "inet6" end

local COUNT = { is_count, "a positive integer" }
local BOOLEAN = { is_boolean, "a boolean" }

local CONNECT_OPTIONS = {
  family = { is_family, "'inet' or 'inet6'" }, limit = COUNT,
  happy_eyeballs_delay = { is_delay, "seconds or false" },
}
local UNIX_OPTIONS = { limit = COUNT }
local LISTEN_UNIX_OPTIONS = { backlog = COUNT, limit = COUNT, max_connections = COUNT }
local LISTEN_OPTIONS = {
  backlog = COUNT, limit = COUNT, max_connections = COUNT, reuse_port = BOOLEAN,
}
local UDP_OPTIONS = { broadcast = BOOLEAN, reuse_address = BOOLEAN, reuse_port = BOOLEAN }

local function check_options(options, known, index, what)
  if options == nil then return {} end
  if type(options) ~= "table" then
    error(("bad argument #%d to '%s' (table expected, got %s)")
      :format(index, what, type(options)), 3)
  end
  for name, value in pairs(options) do
    local check = known[name]
    if not check then
      error(("'%s' has no option '%s'"):format(what, tostring(name)), 3)
    elseif not check[1](value) then
      error(("bad option '%s' of '%s' (%s expected)"):format(name, what, check[2]), 3)
    end
  end
  return options
end

-- Hosts that are all addresses of this machine. The system's resolver has "*" for the loopback.
local ALL = { [""] = true, ["*"] = true }

--- The addresses of a host, as texts.
local function resolve(host, port, family)
  if c.is_address(host) then return { host } end
  local addresses, known = {}, {}
  local options = { socktype = "stream", family = family }
  for _, entry in ipairs(neap.dns.getaddrinfo(host, port, options)) do
    if not known[entry.addr] then addresses[#addresses + 1] = entry.addr end
    known[entry.addr] = true
  end
  return addresses
end

-- ---- connections ----

--- Seconds until the next address is tried as well (RFC 8305, section 8).
local HAPPY_EYEBALLS_DELAY = 0.25

--- The first address, then one of the other family, and so on in turn.
local function interleave(addresses)
  local families, order = { {}, {} }, {}
  local function is_inet6(address) return address:find(":", 1, true) ~= nil end
  for _, address in ipairs(addresses) do
    local own = is_inet6(address) == is_inet6(addresses[1])
    table.insert(families[own and 1 or 2], address)
  end
  for i = 1, math.max(#families[1], #families[2]) do
    order[#order + 1] = families[1][i]
    order[#order + 1] = families[2][i]
  end
  return order
end

--- One error for all that were raised, in the order of the addresses.
local function combined(errors, host, port)
  if #errors == 1 then return errors[1] end
  local texts = {}
  for i, err in ipairs(errors) do
    texts[i] = is(err, neap.OSError) and err.message or tostring(err)
  end
  return neap.OSError {
    message = ("connect '%s:%d': no address of %d answers: %s")
      :format(host, port, #errors, table.concat(texts, "; ")),
    code = errors[1].code, errno = errors[1].errno, syscall = errors[1].syscall, errors = errors,
  }
end

--- Tries one address after the other; the next one also when the one before has not answered
--- for a while. The first that answers is returned, and the attempts that are left cancelled.
local function race(addresses, port, delay)
  local errors, tasks, winner, running = {}, {}, nil, 0
  local ended = neap.event()
  local function attempt(i)
    local ok, result = neap.pcall(c.connect_tcp, addresses[i], port)
    running = running - 1
    if not ok then
      errors[i] = result
    elseif winner then
      result:close()
    else
      winner = result
    end
    ended:set()
  end
  local function wait_for_one(seconds)
    ended:clear()
    neap.move_on_after(seconds, ended.wait, ended)
  end
  local ok, err = pcall(neap.task_group, function(group)
    for i = 1, #addresses do
      running = running + 1
      tasks[i] = group:create_task(attempt, i)
      wait_for_one(i < #addresses and delay or math.huge)
      if winner then break end
    end
    while not winner and running > 0 do wait_for_one(math.huge) end
    for _, task in ipairs(tasks) do task:cancel() end
  end)
  if ok then return winner, errors end
  if winner then winner:close() end
  error(err, 0)
end

local function connect_to_any(host, port, addresses, delay)
  if #addresses == 1 then return c.connect_tcp(addresses[1], port) end
  if delay == nil then delay = HAPPY_EYEBALLS_DELAY end
  local stream, errors = race(interleave(addresses), port, delay or math.huge)
  if not stream then error(combined(errors, host, port), 0) end
  return stream
end

--- connect(host, port[, options]) -> Stream
function net.connect(host, port, options)
  check_string(host, 1, "connect")
  port = check_port(port, "connect")
  options = check_options(options, CONNECT_OPTIONS, 3, "connect")
  check_current()
  local addresses = resolve(host, port, options.family)
  local stream = connect_to_any(host, port, addresses, options.happy_eyeballs_delay)
  if options.limit then c.set_limit(stream, options.limit) end
  return stream
end

--- connect_unix(path[, options]) -> Stream
function net.connect_unix(path, options)
  check_path(path, "connect_unix")
  options = check_options(options, UNIX_OPTIONS, 2, "connect_unix")
  check_current()
  local stream = c.connect_unix(path)
  if options.limit then c.set_limit(stream, options.limit) end
  return stream
end

-- ---- datagrams ----

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
  if options.reuse_port and not address then
    error("option 'reuse_port' of 'udp' needs an address", 2)
  end
  return c.udp(address, port, options.broadcast, options.reuse_address, options.reuse_port)
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

local function is_out_of_descriptors(err)
  return is(err, neap.OSError) and (err.code == "EMFILE" or err.code == "ENFILE"
    or err.code == "ENOBUFS" or err.code == "ENOMEM" or err.code == "ECONNABORTED")
end

--- Serves one connection, which ends with its handler.
local function serve(handler, stream)
  local connection <close> = stream
  local ok, err = xpcall(handler, internal.traceback_handler, connection)
  if ok or is(err, neap.CancelledError) then return end
  -- That the client has gone in the middle is no error of the handler's.
  if is(err, neap.OSError) and c.is_broken(connection, err.code) then return end
  report("Exception in the handler of a connection", err)
end

--- The task of one socket. However it ends, the server is closed then.
local function accept_all(server, number, handler)
  local ok, result
  repeat
    ok, result = neap.pcall(c.accept, server, number, serve, handler)
    if not ok and is_out_of_descriptors(result) then
      c.pause(server, number)
    elseif not ok then
      report("Exception while connections were accepted", result)
      return
    end
  until not result
end

--- Closes a server whose sockets could not be had.
local function closed_unless(server, ok, ...)
  if ok then return ... end
  server:close()
  error((...), 0)
end

--- A server that listens where `listen`, which is called with it, has it do.
local function new_server(handler, options, listen, ...)
  local server = c.server(options.max_connections, options.limit)
  local count = closed_unless(server, neap.pcall(listen, server, ...))
  for number = 1, count do c.start(server, accept_all, number, handler) end
  return server
end

--- A family that this machine does not have, whatever the resolver says.
local NO_FAMILY = { EAFNOSUPPORT = true, EADDRNOTAVAIL = true }

local function lacks_family(err)
  return is(err, neap.OSError) and NO_FAMILY[err.code]
end

--- Sockets on each address that there is, how many; port 0 is the same free one for all.
local function listen_to_each(server, addresses, port, ...)
  local count, problem = 0, nil
  for _, address in ipairs(addresses) do
    local ok, result = neap.pcall(c.listen_tcp, server, address, port, ...)
    if ok then
      count = result
      if port == 0 then port = select(2, server:sockname()) end
    elseif lacks_family(result) then
      problem = problem or result
    else
      error(result, 0)
    end
  end
  if count == 0 then error(problem, 0) end
  return count
end

--- The sockets of a host; without one, a socket on all addresses.
local function listen_tcp(server, host, port, ...)
  if host ~= nil then return listen_to_each(server, resolve(host, port), port, ...) end
  local ok, result = neap.pcall(c.listen_tcp, server, "::", port, ...)
  if ok then return result end
  if lacks_family(result) then return c.listen_tcp(server, "0.0.0.0", port, ...) end
  error(result, 0)
end

--- listen(host, port, handler[, options]) -> Server
function net.listen(host, port, handler, options)
  if host ~= nil and ALL[host] then host = nil end
  if host ~= nil then check_string(host, 1, "listen") end
  port = check_port(port, "listen")
  check_handler(handler, 3, "listen")
  options = check_options(options, LISTEN_OPTIONS, 4, "listen")
  check_current()
  return new_server(handler, options, listen_tcp, host, port, options.backlog, options.reuse_port)
end

--- listen_unix(path, handler[, options]) -> Server
function net.listen_unix(path, handler, options)
  check_path(path, "listen_unix")
  check_handler(handler, 2, "listen_unix")
  options = check_options(options, LISTEN_UNIX_OPTIONS, 3, "listen_unix")
  check_current()
  return new_server(handler, options, c.listen_unix, path, options.backlog)
end

local Server = c.server_methods

--- server:serve_forever(): until it is closed; closes it if the caller is cancelled
function Server:serve_forever()
  local _ <close> = self
  c.wait_until_closed(self)
end

return net
