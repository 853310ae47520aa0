-- Starts one operation of every kind, drops every reference to what it is done with, collects
-- garbage at every pass, and prints how each ended.
local neap = require "neap"
local dns = require "neap.dns"
local fs = require "neap.fs"
local net = require "neap.net"
local process = require "neap.process"
local signal = require "neap.signal"

local results = {}

local function start(name, fn, ...)
  neap.create_task(function(...)
    local got = fn(...)
    results[#results + 1] = ("%s: %s"):format(name, tostring(got))
  end, ...)
end

local function serve(handler)
  local server = net.listen("127.0.0.1", 0, handler)
  return server:sockname()
end

-- The server and both ends of its connection are held by nobody.
start("stream", function()
  local host, port = serve(function(stream)
    local line = stream:read_line()
    neap.sleep(0.02)
    stream:write(line, " again\n")
  end)
  local connected = net.connect(host, port)
  connected:write "said\n"
  return connected:read_line()
end)
start("accept", function()
  local future = neap.future()
  local host, port = serve(function() future:set_result "accepted" end)
  neap.call_later(0.02, function()
    neap.create_task(function() net.connect(host, port) end)
  end)
  return future:await()
end)
start("udp", function()
  local host, port
  local text = neap.future()
  neap.create_task(function()
    local socket = net.udp("127.0.0.1", 0)
    host, port = socket:sockname()
    text:set_result((socket:receive()))
  end)
  repeat neap.sleep(0) until port
  neap.sleep(0.02)
  net.udp("127.0.0.1", 0):send("datagram", host, port)
  return text:await()
end)
start("read", function() return #fs.open "/etc/passwd":read(1) end)
start("stat", function() return fs.stat("/").type end)
start("dns", function() return dns.getaddrinfo("127.0.0.1")[1].addr end)
start("wait", function() return process.spawn { "sleep", "0.02" }:wait() end)
start("pipe", function()
  return process.spawn({ "sh", "-c", "sleep 0.02; echo out", stdout = "pipe" }).stdout:read_all()
end)
start("run", function() return process.run({ "echo", "out" }).stdout end)
start("signal", function() return signal.wait "SIGUSR2" end)
start("timer", function()
  local future = neap.future()
  neap.call_later(0.02, future.set_result, future, "called")
  return future:await()
end)
start("watch", function()
  local path = fs.mkdtemp()
  neap.call_later(0.02, function() neap.create_task(fs.write_file, path .. "/file", "") end)
  local _, name = fs.watch(path):next()
  os.execute("unset LD_PRELOAD; rm -r " .. path)
  return name
end)

neap.call_later(0.03, os.execute, "unset LD_PRELOAD; kill -USR2 $PPID")
local deadline = neap.time() + 20
repeat
  collectgarbage()
  neap.sleep(0)
until #results == 12 or neap.time() > deadline
table.sort(results)
print((table.concat(results, "\n"):gsub("\n\n", "\n")))
