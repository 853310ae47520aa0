-- neap.dns: what the system's resolver says; nothing here needs a network.
local neap = require "neap"
local dns = require "neap.dns"
local in_loop = require "spec.support.loop"
local process = require "spec.support.process"

describe("dns.getaddrinfo", function()
  it("resolves names and services", in_loop(function()
    local list = dns.getaddrinfo("localhost", "http", { family = "inet" })
    -- Where /etc/hosts has "localhost" for ::1 as well, it comes twice.
    assert.are.same({ addr = "127.0.0.1", port = 80, family = "inet", socktype = "stream" },
      list[1])
  end))

  it("takes addresses, and ports as numbers", in_loop(function()
    assert.are.same({ { addr = "::1", port = 53, family = "inet6", socktype = "dgram" } },
      dns.getaddrinfo("::1", 53, { socktype = "dgram", numeric_host = true }))
    assert.are.equal(0, dns.getaddrinfo("127.0.0.1")[1].port)
    local list = dns.getaddrinfo(nil, 80, { passive = true, family = "inet" })
    assert.are.equal("0.0.0.0", list[1].addr)
    assert.are.equal("string", type(dns.getaddrinfo("127.0.0.1", nil,
      { canonname = true })[1].canonname))
  end))

  it("raises what the resolver answers", in_loop(function()
    for _, call in ipairs {
      { "EAI_NONAME", "name", nil, { numeric_host = true } },
      { "EAI_SERVICE", "127.0.0.1", "no-such-service" },
    } do
      local ok, err = pcall(dns.getaddrinfo, table.unpack(call, 2, 4))
      assert.is_false(ok)
      assert.is_true(neap.is(err, neap.OSError))
      assert.are.equal(call[1] .. " getaddrinfo", err.code .. " " .. err.syscall)
      assert.matches("^OSError: getaddrinfo '", tostring(err))
    end
  end))

  it("refuses what is no name", in_loop(function()
    for _, call in ipairs {
      {}, { "a\0b" }, { "a", "b\0" }, { ("x"):rep(256) }, { {} }, { "a", {} }, { "a", "b", 1 },
      { "a", "b", { family = "ipx" } }, { "a", "b", { socktype = 1 } },
      { "a", "b", { family = {} } }, { "a", "b", { socktype = true } },
    } do
      local ok, err = pcall(dns.getaddrinfo, table.unpack(call, 1, 3))
      assert.is_false(ok)
      assert.matches("bad argument #", err)
    end
    assert.is_false(pcall(dns.getaddrinfo, ("x"):rep(255), nil, { numeric_host = true }))
  end))

  it("can be cancelled, and many at once", in_loop(function()
    local tasks = {}
    for i = 1, 100 do
      tasks[i] = neap.create_task(dns.getaddrinfo, "localhost")
    end
    neap.sleep(0)
    assert.matches("waits in dns.getaddrinfo 'localhost'", neap.format_tasks())
    for i = 1, 100, 2 do tasks[i]:cancel() end
    neap.sleep(0)
    for i = 1, 100 do
      if i % 2 == 1 then
        assert.is_true(tasks[i]:cancelled())
      else
        assert.is_true(#tasks[i]:await() > 0)
      end
    end
  end))
end)

describe("dns.getnameinfo", function()
  it("names addresses and ports", in_loop(function()
    local host, service = dns.getnameinfo("127.0.0.1", 80)
    assert.are.same({ "localhost", "http" }, { host, service })
    assert.are.same({ "127.0.0.1", "80" },
      { dns.getnameinfo("127.0.0.1", 80, { numeric_host = true, numeric_service = true }) })
    assert.are.same({ "::1", "53" },
      { dns.getnameinfo("::1", 53, { numeric_host = true, numeric_service = true, dgram = true }) })
  end))

  it("refuses what is no address", in_loop(function()
    for _, call in ipairs {
      {}, { "localhost", 80 }, { "127.0.0.1", -1 }, { "127.0.0.1", 65536 }, { "::1\0", 1 },
      { "127.0.0.1", 1, "x" }, { {} },
    } do
      local ok, err = pcall(dns.getnameinfo, table.unpack(call, 1, 3))
      assert.is_false(ok)
      assert.matches("bad argument #", err)
    end
  end))
end)

describe("dns at the end", function()
  it("the state closes with look-ups in flight", function()
    local result = process.run { "neap", "-e", [[
      local neap, dns = require "neap", require "neap.dns"
      for i = 1, 20 do
        neap.create_task(dns.getaddrinfo, "localhost")
        neap.create_task(dns.getnameinfo, "127.0.0.1", i)
      end
      neap.sleep(0)
    ]] }
    assert.are.same({ code = 0, stdout = "", stderr = "" }, result)
  end)
end)
