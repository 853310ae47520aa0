-- The scripts that use the network, each against a real peer.
local process = require "spec.support.process"

--- Starts a server's script on a free port.
local function start_server(...)
  local child = process.start { ... }
  child:wait_for "listening on"
  child.port = child:output():match "listening on 127.0.0.1:(%d+)"
  return child
end

local function client(port, script)
  return process.run { "neap", "-e", ("local neap = require 'neap' local port = %s "):format(port)
    .. script }
end

describe("scripts/echo_server.lua and echo_client.lua", function()
  for _, program in ipairs { "neap", "lua5.4" } do
    it("talk to each other under " .. program, function()
      local server <close> = start_server(program, "scripts/echo_server.lua", "0")
      local result = process.run { program, "scripts/echo_client.lua", server.port }
      assert.are.same({ code = 0, stdout = "hello\nhow are you\ngood bye\n", stderr = "" }, result)
    end)
  end

  it("the client says so if nobody listens", function()
    local result = process.run { "neap", "scripts/echo_client.lua", "1" }
    assert.are.equal(1, result.code)
    assert.matches("^echo_client: connect '127.0.0.1:1': connection refused", result.stderr)
  end)
end)

describe("scripts/chat_server.lua", function()
  it("passes on what is said, and ends gracefully", function()
    local server <close> = start_server("neap", "scripts/chat_server.lua", "0")
    local result = client(server.port, [[
      local function join(name)
        local stream = neap.net.connect("127.0.0.1", port)
        assert(stream:read_until "? " == "your name? ")
        stream:write(name, "\n")
        return stream
      end
      local ann = join "Ann"
      neap.sleep(0.05)
      local bob = join "Bob"
      print(ann:read_line())
      bob:write "hi\n"
      print(ann:read_line())
      ann:write "hello\n"
      print(bob:read_line())
      ann:close()
      print(bob:read_line())
      os.execute "kill -TERM ]] .. server.pid .. [["
      print(bob:read_line(), bob:read_line())]])
    assert.are.same({ code = 0, stderr = "", stdout = "Bob is here\nBob: hi\nAnn: hello\n"
      .. "Ann has left\nthe server is closing\tnil\n" }, result)
    local ended = server:finish()
    assert.are.equal(0, ended.code, ended.stderr)
    assert.matches("everybody has left", ended.stdout)
    assert.are.equal("", ended.stderr)
  end)
end)

describe("scripts/port_scanner.lua", function()
  it("finds a port that is open", function()
    local server <close> = start_server("neap", "scripts/echo_server.lua", "0")
    local port = tonumber(server.port)
    local result = process.run { "neap", "scripts/port_scanner.lua", "127.0.0.1", port, port }
    assert.are.same({ code = 0, stderr = "",
      stdout = ("%d is open\n1 of 1 ports are open\n"):format(port) }, result)
    result = process.run { "neap", "scripts/port_scanner.lua", "127.0.0.1", 1, 300 }
    assert.matches("of 300 ports are open\n$", result.stdout)
    assert.are.equal("", result.stderr)
  end)
end)
