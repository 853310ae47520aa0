-- What the sweeps have found; each scenario at all of its points.
local neap = require "neap"
local net = require "neap.net"
local tls = require "neap.tls"

local certificates = require "spec.support.certificates"
local in_loop = require "spec.support.loop"

local build = assert(os.getenv "NEAP_BUILD")

--- Runs `sweep MODE` on all points of a scenario of spec/sweep/scenarios/FILE.lua.
local function sweep(mode, file, name)
  local command = ("LD_PRELOAD= '%s/sweep' %s spec/sweep/scenarios/%s.lua 0 '%s' 2>&1"):format(
    build, mode, file, name)
  local output <close> = assert(io.popen(command))
  local text = output:read "a"
  assert.is_truthy(text:find(", 0 failures", 1, true), text:sub(1, 2000))
end

describe("found by the sweeps:", function()
  it("a program that may not be killed does not hold the end of a block", function()
    sweep("calls-once", "system", "a block ends before its program")
  end)

  it("a connection and a datagram that there was no memory for are not waited for", function()
    sweep("c-once", "streams", "a line there and back")
    sweep("c-once", "streams", "datagrams")
  end)

  it("no program is left, and no group waits for a task that it could not keep", function()
    sweep("lua-once", "system", "a block ends before its program")
    sweep("lua-once", "system", "a program runs to its end")
  end)

  it("a handshake that cannot be sent is not waited for", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      stream:read_all()
      neap.sleep(1000) -- the peer says nothing, and stays
    end)
    local stream <close> = net.connect(server:sockname())
    stream:shutdown()
    local ok, err = pcall(tls.wrap, stream, { server_name = "localhost" })
    assert.are.same({ false, "EPIPE" }, { ok, err.code })
  end))

  it("the end of a TLS connection that cannot be sent is not waited for", in_loop(function()
    local files = certificates()
    local server <close> = tls.listen("127.0.0.1", 0, function() end,
      { cert_file = files.server, key_file = files.key })
    local stream <close> = tls.connect("localhost", select(2, server:sockname()),
      { ca_file = files.ca })
    neap.testing.settle()
    stream:write "x" -- which is answered: nobody is there
    stream:shutdown()
  end))

  it("who gathers is told that there was no memory for it", function()
    sweep("lua-on", "streams", "several at once")
  end)

  it("a connection whose task has no memory to end with is closed", function()
    sweep("lua-on", "web", "two requests on one connection")
  end)

  it("a server whose accepting task somebody cancels is closed", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function() end)
    local serving = neap.create_task(server.serve_forever, server)
    local _, port = server:sockname()
    neap.sleep(0)
    for _, task in ipairs(neap.all_tasks()) do
      if task ~= neap.current_task() and task ~= serving then task:cancel() end
    end
    serving:await()
    local ok, err = pcall(net.connect, "127.0.0.1", port)
    assert.are.same({ false, "ECONNREFUSED" }, { ok, err.code })
  end))
end)
