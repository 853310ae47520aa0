-- A system call that fails, and what happens to tasks meanwhile. The host's
-- sweep_fail(call, error, times) makes the next calls of that name fail.
local dns = require "neap.dns"
local fs = require "neap.fs"
local neap = require "neap"
local net = require "neap.net"
local process = require "neap.process"
local testing = require "neap.testing"

local fail = _G.sweep_fail

--- At a block's end nothing is to fail any more: a child must be ended then.
local until_end = setmetatable({}, { __close = function() fail() end })

local directory = os.getenv "NEAP_SWEEP_DIR" or "/tmp"

--- Calls body(a, b) with two sockets. The system has no room for the next datagram of the
-- first one; `later` is how it fails to get it.
local function with_full(body, later)
  return function()
    local a <close> = net.udp("127.0.0.1", 0)
    local b <close> = net.udp("127.0.0.1", 0)
    a:connect(b:sockname())
    fail("sendmsg", "EAGAIN")
    if later then fail("sendmmsg", later) end
    body(a, b)
  end
end

--- A task that has begun to send, and waits.
local function sending(socket, text)
  return neap.create_task({ eager_start = true }, socket.send, socket, text)
end

--- What went wrong on purpose, or on another's.
local function is_error(err, code)
  return err.code == code or not neap.is(err, neap.OSError)
end

local scenarios = {
  ["a datagram waits for room"] = with_full(function(a, b)
    sending(a, "x"):await()
    assert(b:receive() == "x")
  end),
  ["a datagram waits for room that never comes"] = with_full(function(a)
    local task = sending(a, "x")
    local ok, err = pcall(task.await, task)
    assert(not ok and is_error(err, "EPERM"))
  end, "EPERM"),
  ["waiting for room for a datagram is given up"] = with_full(function(a)
    local task = sending(a, "x")
    task:cancel()
    assert(not pcall(task.await, task))
    testing.settle() -- it is libuv's, and goes
  end),
  ["a socket is closed that has no room for a datagram"] = with_full(function(a)
    local task = sending(a, "x")
    a:close()
    local ok, err = pcall(task.await, task)
    assert(not ok and is_error(err, "ECANCELED"))
  end),
  ["two datagrams wait for room"] = with_full(function(a, b)
    local first = sending(a, "1")
    local second = sending(a, "2") -- behind it
    first:await()
    second:await()
    assert(b:receive() == "1" and b:receive() == "2")
  end),
  ["an address whose name cannot be found out"] = function()
    fail("getnameinfo", "EAI_FAIL")
    local ok, err = pcall(dns.getnameinfo, "127.0.0.1", 80)
    assert(not ok and is_error(err, "EAI_FAIL"))
  end,
  ["a child gets no descriptors, on a system that cannot close many"] = function()
    local file <close> = assert(io.open "/dev/null") -- Lua's own, which children would get
    local _ <close> = fs.open "/dev/null"
    fail("close_range", "ENOSYS")
    local script = "for fd in 3 4 5 6 7 8 9; do if [ -e /dev/fd/$fd ]; then echo $fd; fi; done"
    local result = process.run { "/bin/sh", "-c", script }
    assert(io.type(file) == "file" and result.stdout == "", result.stdout)
  end,
  ["a child that may not be killed now"] = function()
    local child <close> = process.spawn { "sleep", "0.5" }
    local _ <close> = until_end
    fail("kill", "EPERM")
    local ok, err = pcall(child.kill, child)
    assert(not ok and is_error(err, "EPERM"))
    child:kill "SIGKILL"
    child:wait()
  end,
  ["a child that may not be stopped is left"] = function()
    local child <close> = process.spawn { "sleep", "0.5" }
    local _ <close> = until_end
    local ok, err = pcall(function()
      local _ <close> = child
      fail("kill", "EPERM")
    end)
    assert(not ok and is_error(err, "EPERM"))
    child:kill "SIGKILL"
    child:wait()
  end,
  ["a connection cannot be accepted"] = function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream) stream:write "x" end)
    fail("accept4", "ECONNABORTED")
    local stream <close> = net.connect(server:sockname())
    assert(stream:read() == "x") -- it was tried again
  end,
  ["an option of a socket that cannot be set"] = function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream) stream:read() end)
    local stream <close> = net.connect(server:sockname())
    testing.settle()
    fail("setsockopt", "ENOMEM")
    local ok, err = pcall(stream.set_nodelay, stream, false)
    assert(not ok and is_error(err, "ENOMEM"))
  end,
  ["a watch that cannot be made"] = function()
    fail("inotify_add_watch", "ENOSPC")
    local ok, err = pcall(fs.watch, directory)
    assert(not ok and is_error(err, "ENOSPC"))
  end,
}

return scenarios
