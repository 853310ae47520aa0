-- ends.lua KIND END: starts one operation of a kind, or one of every kind, and ends the state with
-- it in flight.
local neap = require "neap"
local dns = require "neap.dns"
local fs = require "neap.fs"
local http = require "neap.http"
local net = require "neap.net"
local process = require "neap.process"
local signal = require "neap.signal"
local tls = require "neap.tls"

local function spawn(fn, ...)
  local task = neap.create_task(fn, ...)
  neap.sleep(0)
  return task
end

local function silent(stream)
  stream:read()
  neap.sleep(1000)
end

local function silent_server()
  return net.listen("127.0.0.1", 0, silent):sockname()
end

local kinds = {
  accept = function() spawn(silent_server) end,
  connect = function() spawn(net.connect, silent_server()) end,
  read = function()
    local stream = net.connect(silent_server())
    spawn(stream.read, stream)
  end,
  write = function()
    local host, port = net.listen("127.0.0.1", 0, function() neap.sleep(1000) end):sockname()
    local stream = net.connect(host, port)
    spawn(stream.write, stream, ("x"):rep(2 ^ 24))
  end,
  tls = function()
    local host, port = silent_server()
    spawn(tls.connect, host, port)
  end,
  http = function()
    local host, port = silent_server()
    spawn(http.get, ("http://%s:%d/"):format(host, port))
  end,
  udp = function()
    local socket = net.udp("127.0.0.1", 0)
    spawn(socket.receive, socket)
  end,
  memory = function()
    local stream = neap.testing.memory_stream()
    spawn(stream.read, stream)
  end,
  file = function()
    local file = fs.open "/etc/passwd"
    spawn(file.read, file)
  end,
  stat = function() for _ = 1, 20 do spawn(fs.stat, "/") end end,
  dns = function() for _ = 1, 20 do spawn(dns.getaddrinfo, "localhost") end end,
  watch = function()
    local watch = fs.watch "/tmp"
    spawn(watch.next, watch)
  end,
  child = function()
    local child = process.spawn { "sleep", "0.01", stdin = "pipe", stdout = "pipe" }
    spawn(child.wait, child)
    spawn(child.stdout.read, child.stdout)
  end,
  run = function() spawn(process.run, { "sleep", "0.01" }) end,
  signal = function()
    spawn(signal.wait, "SIGUSR1")
    signal.on("SIGUSR1", print)
  end,
  sleep = function() spawn(neap.sleep, 1000) end,
  suspend = function() spawn(neap.suspend, function() end) end,
}

local ends = {
  ["return"] = function() end,
  error = function() error("ended", 0) end,
  exit = function() os.exit(0, true) end,
  ["exit at once"] = function() os.exit(0, false) end,
  interrupt = function()
    io.popen("unset LD_PRELOAD; kill -INT $PPID"):close() -- os.execute ignores it meanwhile
    neap.sleep(1000)
  end,
  -- The state is closed with the handles neither closed nor used since.
  drop = function()
    collectgarbage()
    os.exit(0, true)
  end,
}

local kind, how = arg[1], arg[2]
local function main()
  for name, start in pairs(kinds) do
    if kind == name or kind == "all" then start() end
  end
  io.write "started\n"
  ends[how]()
end

if not kind then
  for name in pairs(kinds) do print(name) end
elseif neap.current_task() then
  main()
else -- stock lua5.4
  local ok, err = pcall(neap.run, main)
  if not ok and how ~= "error" then error(err, 0) end
end
