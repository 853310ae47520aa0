-- What every stream does, on each of what carries its bytes; and what is said of some of them.
local certificates = require "spec.support.certificates"
local contract = require "spec.support.stream_contract"
local fs = require "neap.fs"
local in_loop = require "spec.support.loop"
local in_order = require "spec.support.order"
local neap = require "neap"
local net = require "neap.net"
local process = require "neap.process"
local testing = require "neap.testing"
local tls = require "neap.tls"

--- Two connected streams, and what closes what they needed.
local function connected(listen, connect)
  local accepted = neap.future()
  local ended = neap.event()
  local server = listen(function(stream)
    accepted:set_result(stream)
    ended:wait()
  end)
  local a = connect(server)
  local b = accepted:await()
  return a, b, function()
    a:close()
    ended:set()
    server:close()
    server:wait_closed()
  end
end

local function unix_path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

local function tls_options()
  local files = certificates()
  return { cert_file = files.server, key_file = files.key }
end

local ALL = { both = true, waits = true, slow = true, ends = true }
local ONE_WAY = { waits = true, slow = true, ends = true }

-- can: of what the contract's tests need; make() -> a, b, close
local KINDS = {
  memory = { can = ALL, make = function()
    local a, b = testing.memory_stream()
    return a, b, function()
      a:close()
      b:close()
    end
  end },
  tcp = { can = ALL, make = function()
    return connected(function(handler) return net.listen("127.0.0.1", 0, handler) end,
      function(server) return net.connect(server:sockname()) end)
  end },
  unix = { can = ALL, make = function()
    local path = unix_path()
    return connected(function(handler) return net.listen_unix(path, handler) end,
      function() return net.connect_unix(path) end)
  end },
  TLS = { can = ALL, make = function()
    return connected(
      function(handler) return tls.listen("127.0.0.1", 0, handler, tls_options()) end,
      function(server)
        local host, port = server:sockname()
        return tls.connect(host, port, { ca_file = certificates().ca })
      end)
  end },
  ["pipes of a child"] = { can = ONE_WAY, make = function()
    local child = process.spawn { "cat", env = { PATH = os.getenv "PATH" } }
    return child.stdin, child.stdout, function() child:__close() end
  end },
}

local function fits(test, can)
  for need in pairs(test.needs) do
    if not can[need] then return false end
  end
  return true
end

for _, name in ipairs { "memory", "tcp", "unix", "TLS", "pipes of a child" } do
  describe("a stream: " .. name, function()
    for _, test in ipairs(contract) do
      if fits(test, KINDS[name].can) then
        it(test.title, in_loop(function()
          local a, b, close = KINDS[name].make()
          test.body(a, b)
          close()
        end))
      end
    end
  end)
end

-- ---- standard descriptors: the tests run in children ----

--- What comes from a child goes back to it, however much.
local function send_back(words)
  local child <close> = process.spawn(words)
  local queue = neap.queue()
  local group <close> = neap.task_group()
  group:create_task(function()
    for data in function() return child.stdout:read() end do queue:put_nowait(data) end
    queue:shutdown()
  end)
  group:create_task(function()
    local ok, data = pcall(queue.get, queue)
    while ok do
      if not pcall(child.stdin.write, child.stdin, data) then return end
      ok, data = pcall(queue.get, queue)
    end
    child.stdin:close()
  end)
end

local CHILD = ("'%s/neap' spec/support/stream_contract_child.lua"):format(os.getenv "NEAP_BUILD")

local DESCRIPTORS = {
  ["pipes of the program"] = { can = { waits = true, slow = true }, run = function(command, dir)
    local fifo = dir .. "/fifo"
    process.run { "sh", "-c", ("mkfifo '%s' && exec %s <>'%s' >'%s'")
      :format(fifo, command, fifo, fifo), check = true, timeout = 60 }
  end },
  ["a terminal"] = { can = { waits = true }, run = function(command)
    send_back { "script", "-qec", ("stty raw -echo && exec %s"):format(command), "/dev/null",
      stderr = "null" }
  end },
  -- At the end of a file the reader is told so, once and for all.
  ["files"] = { can = { ends = true }, apart = true, run = function(command, dir)
    local file = dir .. "/file"
    process.run { "sh", "-c", ("exec %s >'%s' <'%s'"):format(command, file, file), check = true,
      timeout = 60 }
  end },
}

--- The results of these tests, all in one child.
local function run_in_child(kind, numbers)
  local dir = fs.mkdtemp()
  kind.run(("%s '%s/results' %s"):format(CHILD, dir, table.concat(numbers, " ")), dir)
  local results = {}
  for number, result in fs.read_file(dir .. "/results"):gmatch "(%d+)\t([^\n]*)\n" do
    results[tonumber(number)] = result
  end
  process.run { "rm", "-rf", dir, env = { PATH = os.getenv "PATH" } }
  return results
end

local function check_in_child(kind, numbers)
  local results = run_in_child(kind, numbers)
  for _, number in ipairs(numbers) do
    assert.are.equal("ok", results[number] or "nothing: the child has ended",
      contract[number].title)
  end
end

for _, name in ipairs { "pipes of the program", "a terminal", "files" } do
  describe("a standard stream: " .. name, function()
    local kind, together = DESCRIPTORS[name], {}
    local function possible()
      if name == "a terminal"
          and process.run({ "script", "-qec", "true", "/dev/null" }).code ~= 0 then
        pending "the system has no pseudo-terminals"
      end
    end
    for number, test in ipairs(contract) do
      if fits(test, kind.can) then
        if test.final or kind.apart then
          it(test.title, in_loop(function()
            possible()
            check_in_child(kind, { number })
          end))
        else
          together[#together + 1] = number
        end
      end
    end
    if #together == 0 then return end
    it(("does what else all streams do (%d tests)"):format(#together), in_loop(function()
      possible()
      check_in_child(kind, together)
    end))
  end)
end

local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

describe("a stream in memory", function()
  it("has one reader, also between its wake-up and its turn", in_order(function()
    local a, b = testing.memory_stream()
    local log = {}
    neap.create_task(function()
      neap.sleep(1)
      b:write "first"
    end)
    local reader = neap.create_task(a.read, a)
    -- Ready in the same pass as the reader, but before it: both wake from b's write.
    local rival = neap.create_task(function()
      while not reader:done() do
        local ok, err = pcall(a.read, a)
        log[#log + 1] = ok and err or tostring(err):match "another task is reading"
        neap.sleep(0.5)
      end
    end)
    assert.are.equal("first", reader:await())
    assert.is_true(#log >= 2)
    for _, entry in ipairs(log) do assert.are.equal("another task is reading", entry) end
    reader = neap.create_task(a.read, a)
    neap.sleep(1)
    b:write "second"
    neap.sleep(0)
    reader:cancel() -- it was woken, and leaves before it runs
    assert.is_false((pcall(reader.await, reader)))
    assert.are.equal("second", a:read())
    rival:await()
  end))

  it("does not keep others from running, however fast it takes what is written",
    in_loop(function()
      local a, b = testing.memory_stream(10000000)
      local ticks = 0
      local ticker = neap.create_task(function()
        while true do
          ticks = ticks + 1
          neap.sleep(0)
        end
      end)
      neap.sleep(0)
      for _ = 1, 1000 do a:write "x" end
      assert.is_true(ticks >= 7, tostring(ticks))
      ticker:cancel()
      a:close()
      assert.are.equal(1000, #b:read_all())
    end))

  it("does not hold a virtual clock, and is not alive by itself", in_loop(function()
    local a, b = testing.memory_stream(3)
    local reader = neap.create_task(b.read_exactly, b, 5)
    local writer = neap.create_task(function()
      neap.sleep(3600)
      a:write "12345"
    end)
    assert.are.equal("12345", reader:await())
    writer:await()
    assert.are.equal(3600.0, neap.time())
    local err = error_of(b.read, b)
    assert.is_true(neap.is(err, neap.DeadlockError))
    assert.matches("read from memory", err.message)
  end))

  it("left open with a reader and a writer, is collected with the state #plain", function()
    neap.run(function()
      local a, b = testing.memory_stream()
      neap.create_task(a.write, a, ("x"):rep(100000))
      neap.create_task(a.read, a)
      for _ = 1, 200 do neap.sleep(0) end
      b:write "x"
    end)
    collectgarbage()
  end)

  it("a shutdown waits for what others are writing", in_order(function()
    local a, b = testing.memory_stream(4)
    local _ <close> = a
    local _ <close> = b
    local writer = neap.create_task(a.write, a, "longer than four")
    testing.settle()
    local ending = neap.create_task(a.shutdown, a)
    local too_late = neap.create_task(a.write, a, "x")
    testing.settle()
    assert.are.equal("longer than four", b:read_all())
    writer:await()
    ending:await()
    local ok, err = pcall(too_late.await, too_late)
    assert.are.same({ false, "EPIPE" }, { ok, err.code })
  end))

  it("refuses numbers that are none of bytes", in_loop(function()
    for _, limit in ipairs { 0, -1 } do
      local ok, err = pcall(testing.memory_stream, limit)
      assert.is_false(ok)
      assert.matches("not a number of bytes", err)
    end
    local a, b = testing.memory_stream()
    local _ <close> = a
    local _ <close> = b
    b:write "line\n"
    assert.are.equal("line\n", a:read_until("\n", math.maxinteger))
  end))
end)
