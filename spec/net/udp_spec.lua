-- Datagrams.
local neap = require "neap"
local net = require "neap.net"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"

local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function code_of(fn, ...)
  local err = error_of(fn, ...)
  assert.is_true(neap.is(err, neap.OSError), tostring(err))
  return err.code
end

describe("net.udp", function()
  it("sends and receives datagrams, whole and with their sender", in_loop(function()
    local a <close> = net.udp("127.0.0.1", 0)
    local b <close> = net.udp("127.0.0.1", 0)
    local host, port = b:sockname()
    for _, text in ipairs { "one", "", "two\0", ("x"):rep(60000) } do
      a:send(text, host, port)
      local got, from, from_port = b:receive()
      assert.is_true(got == text)
      assert.are.same({ a:sockname() }, { from, from_port })
    end
  end))

  it("needs no address of its own to send from", in_loop(function()
    local b <close> = net.udp("127.0.0.1", 0)
    local a <close> = net.udp()
    a:send("x", b:sockname())
    local text, host, port = b:receive()
    assert.are.equal("x", text)
    b:send("y", host, port)
    assert.are.equal("y", (a:receive()))
  end))

  it("reuse_port lets sockets share a port, if all say so", in_loop(function()
    local a <close> = net.udp("127.0.0.1", 0, { reuse_port = true })
    local _, port = a:sockname()
    assert.are.equal("EADDRINUSE", code_of(net.udp, "127.0.0.1", port))
    local b <close> = net.udp("127.0.0.1", port, { reuse_port = true })
    local sender <close> = net.udp()
    local tasks = { neap.create_task(a.receive, a), neap.create_task(b.receive, b) }
    sender:send("x", "127.0.0.1", port)
    neap.wait(tasks, { return_when = "FIRST_COMPLETED" })
    assert.is_true(tasks[1]:done() ~= tasks[2]:done())
    for _, task in ipairs(tasks) do task:cancel() end
  end))

  it("looks names up", in_loop(function()
    local b <close> = net.udp("127.0.0.1", 0)
    local a <close> = net.udp("127.0.0.1", 0)
    a:send("x", "localhost", select(2, b:sockname()))
    assert.are.equal("x", (b:receive()))
  end))

  it("a connected socket needs no address, and hears that nobody listens", in_loop(function()
    local b = net.udp("127.0.0.1", 0)
    local a <close> = net.udp("127.0.0.1", 0)
    a:connect(b:sockname())
    a:send "x"
    assert.are.equal("x", (b:receive()))
    b:close()
    a:send "y"
    assert.are.equal("ECONNREFUSED", code_of(a.receive, a))
    assert.are.equal("EISCONN", code_of(a.connect, a, "127.0.0.1", 1))
  end))

  it("receivers are served in their order; a cancelled one loses nothing", in_order(function()
    local a <close> = net.udp("127.0.0.1", 0)
    local b <close> = net.udp("127.0.0.1", 0)
    local first = neap.create_task(b.receive, b)
    local second = neap.create_task(b.receive, b)
    local third = neap.create_task(b.receive, b)
    neap.sleep(0)
    first:cancel()
    a:send("1", b:sockname())
    a:send("2", b:sockname())
    assert.are.same({ "1", "2" }, { (second:await()), (third:await()) })
    assert.is_true(first:cancelled())
  end))

  it("close ends who waits, and what follows is an error", in_loop(function()
    local a = net.udp("127.0.0.1", 0)
    local receiver = neap.create_task(a.receive, a)
    neap.sleep(0)
    assert.matches("receive on 127.0.0.1:%d+", neap.format_tasks())
    a:close()
    a:close()
    assert.are.equal("EBADF", code_of(receiver.await, receiver))
    assert.are.equal("EBADF", code_of(a.receive, a))
    assert.are.equal("EBADF", code_of(a.send, a, "x", "127.0.0.1", 1))
    assert.are.equal("EBADF", code_of(a.sockname, a))
    assert.matches("^<Udp closed", tostring(a))
  end))

  it("takes in no more than some while nobody receives", in_loop(function()
    local a <close> = net.udp("127.0.0.1", 0)
    local b <close> = net.udp("127.0.0.1", 0)
    a:send("0", b:sockname())
    assert.are.equal("0", (b:receive()))
    for i = 1, 200 do
      a:send(tostring(i), b:sockname())
      if i % 10 == 0 then
        for _ = 1, 70 do neap.sleep(0) end
      end
    end
    for i = 1, 200 do assert.are.equal(tostring(i), (b:receive())) end
  end))

  it("does not hold a virtual clock while nobody waits for it", in_loop(function()
    local a <close> = net.udp("127.0.0.1", 0)
    a:send("x", a:sockname())
    assert.are.equal("x", (a:receive()))
    neap.sleep(3600)
    assert.are.equal(3600.0, neap.time())
  end))

  it("refuses what the system or nobody can send", in_loop(function()
    local a <close> = net.udp("127.0.0.1", 0)
    assert.are.equal("EMSGSIZE", code_of(a.send, a, ("x"):rep(65508), a:sockname()))
    assert.are.equal("EMSGSIZE", code_of(a.send, a, ("x"):rep(1000000), a:sockname()))
    assert.are.equal("EDESTADDRREQ", code_of(a.send, a, "x"))
    assert.are.equal("EADDRINUSE", code_of(net.udp, a:sockname()))
    assert.are.equal("EAI_NONAME", code_of(a.send, a, "x", "nonexistent.invalid", 1))
    assert.matches("#2 to 'udp' %(a port expected", error_of(net.udp, "127.0.0.1", 70000))
    assert.matches("no option 'x'", error_of(net.udp, "127.0.0.1", 0, { x = 1 }))
    assert.matches("string expected", error_of(a.send, a, {}))
  end))

  it("the tree of tasks says what a receiver waits for", in_loop(function()
    local socket <close> = net.udp("127.0.0.1", 0)
    local task <close> = neap.create_task(socket.receive, socket)
    neap.sleep(0)
    assert.matches("receive", neap.format_tasks(), 1, true)
    assert.is_false(task:done())
  end))

  it("datagrams that nobody has received go with their socket", in_loop(function()
    local socket = net.udp("127.0.0.1", 0)
    for _ = 1, 5 do socket:send("x", socket:sockname()) end
    socket:receive()
    socket:close()
    assert.is_false(pcall(socket.receive, socket))
  end))

  it("left open with a receiver, is collected with the state #plain", function()
    neap.run(function()
      local a = net.udp("127.0.0.1", 0)
      neap.create_task(a.receive, a)
      neap.sleep(0)
    end)
    collectgarbage()
  end)

  it("carries datagrams of IPv6", in_loop(function()
    local a <close> = net.udp("::1", 0)
    local b <close> = net.udp("::1", 0)
    a:send("x", b:sockname())
    local text, host, port = b:receive()
    assert.are.same({ "x", a:sockname() }, { text, host, port })
  end))

  it("broadcast is for sockets that ask for it", in_loop(function()
    local receiver <close> = net.udp("0.0.0.0", 0)
    local _, port = receiver:sockname()
    local plain <close> = net.udp()
    assert.are.equal("EACCES", code_of(plain.send, plain, "x", "127.255.255.255", port))
    local sender <close> = net.udp(nil, nil, { broadcast = true })
    sender:send("x", "127.255.255.255", port)
    assert.are.equal("x", (receiver:receive()))
  end))

  it("reuse_address lets another socket have an address that is in use", in_loop(function()
    local a <close> = net.udp("127.0.0.1", 0, { reuse_address = true })
    local _, port = a:sockname()
    local b <close> = net.udp("127.0.0.1", port, { reuse_address = true })
    assert.are.same({ a:sockname() }, { b:sockname() })
  end))

  it("what it cannot bind to is an error, and leaves nothing", in_loop(function()
    assert.are.equal("EADDRNOTAVAIL", code_of(net.udp, "192.0.2.1", 0))
    assert.are.equal("EADDRNOTAVAIL", code_of(net.udp, "192.0.2.1", 0, { broadcast = true }))
  end))

  it("a receiver that is woken and cancelled leaves the datagram to the next", in_order(function()
    local a <close> = net.udp("127.0.0.1", 0)
    local b <close> = net.udp("127.0.0.1", 0)
    local first = neap.create_task(b.receive, b)
    local second = neap.create_task(b.receive, b)
    neap.sleep(0)
    -- Ahead of the first in the pass for which it is woken.
    local function watch()
      if neap.format_tasks():find("receive.*receive") then
        neap.call_soon(watch)
      else
        first:cancel()
      end
    end
    neap.call_soon(watch)
    a:send("1", b:sockname())
    assert.are.equal("1", (second:await()))
    assert.is_true(first:cancelled())
  end))

  it("does not wait outside of tasks, and sends no more than fits", in_loop(function()
    local a <close> = net.udp("127.0.0.1", 0)
    assert.are.equal("EMSGSIZE", code_of(a.send, a, ("x"):rep(65537), a:sockname()))
    assert.are.equal("EMSGSIZE", code_of(a.send, a, ("x"):rep(65536), a:sockname()))
    local future = neap.future()
    neap.call_soon(function() future:set_result(error_of(a.receive, a)) end)
    assert.matches("outside a task", future:await())
  end))

  it("the state closes with a datagram that nobody received #plain", function()
    neap.run(function()
      local a = net.udp("127.0.0.1", 0)
      a:send("x", a:sockname())
      a:send("y", a:sockname())
      assert.are.equal("x", (a:receive()))
    end)
    collectgarbage()
  end)
end)
