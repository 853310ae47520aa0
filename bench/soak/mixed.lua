-- Everything at once, for as long as asked: connections, TLS, HTTP, files, children, look-ups,
-- timers, queues, coroutines. A third of it is cancelled at some point, another runs into a limit.
-- Memory and descriptors must be level from the first half of the time to the second.
--
--   neap bench/soak/mixed.lua SECONDS [WORKERS [SEED]]
local neap = require "neap"
local dns = require "neap.dns"
local fs = require "neap.fs"
local http = require "neap.http"
local net = require "neap.net"
local process = require "neap.process"
local tls = require "neap.tls"
local levels = require "bench.soak.support.levels"

local seconds, workers = tonumber(arg[1] or 60), tonumber(arg[2] or 40)
local seed = tonumber(arg[3] or os.time())
local random = math.random
math.randomseed(seed)

-- What the allocators keep may differ; a leak of every tenth operation would be more.
local ALLOWED = { lua = 2 ^ 18, c = 2 ^ 20, resident = 16 * 2 ^ 20 }

local directory = fs.mkdtemp()
local counts = {}

local function write_certificate()
  local result = process.run { "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
    "-keyout", directory .. "/key", "-out", directory .. "/cert", "-days", "2",
    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost" }
  if result.code ~= 0 then error(result.stderr, 0) end
  return { cert_file = directory .. "/cert", key_file = directory .. "/key" }
end

local function echo(stream)
  for data in function() return stream:read() end do stream:write(data) end
end

local function forgiving(handler)
  return function(stream) pcall(handler, stream) end
end

local certificate = write_certificate()
local plain = net.listen("127.0.0.1", 0, forgiving(echo), { backlog = 1024 })
local secure = tls.listen("127.0.0.1", 0, forgiving(echo), certificate)
local web = http.serve("127.0.0.1", 0, function(request)
  neap.sleep(random() / 100)
  return { body = request.path:rep(random(200)) }
end)

local function converse(stream)
  for _ = 1, random(5) do
    local text = ("x"):rep(random(20000))
    stream:write(text)
    assert(stream:read_exactly(#text) == text)
  end
  if random(3) == 1 then stream:shutdown() end
end

local kinds = {
  tcp = function()
    local stream <close> = net.connect(plain:sockname())
    converse(stream)
  end,
  tls = function()
    local _, port = secure:sockname()
    local stream <close> = tls.connect("localhost", port, { ca_file = certificate.cert_file })
    converse(stream)
  end,
  http = function()
    local _, port = web:sockname()
    assert(http.get(("http://127.0.0.1:%d/%d"):format(port, random(9))).status == 200)
  end,
  file = function(number)
    local path = ("%s/%d"):format(directory, number)
    fs.write_file(path, ("y"):rep(random(100000)))
    local file <close> = fs.open(path)
    repeat until not file:read(10000)
    fs.stat(path)
  end,
  child = function()
    local text = ("z"):rep(random(30000))
    assert(process.run({ "cat", stdin = text }).stdout == text)
  end,
  name = function() dns.getaddrinfo "localhost" end,
  tasks = function()
    local queue = neap.queue(3)
    neap.task_group(function(group)
      group:create_task(function()
        for i = 1, 50 do queue:put(i) end
        queue:shutdown()
      end)
      for _ in queue:items() do neap.sleep(random() / 1000) end
    end)
  end,
  coroutines = function()
    local generate = coroutine.wrap(function()
      for i = 1, 10 do
        neap.sleep(random() / 1000)
        coroutine.yield(i)
      end
    end)
    repeat until generate() == 10
  end,
}

local names = {}
for name in pairs(kinds) do names[#names + 1] = name end
table.sort(names)

local function is_expected(err)
  return neap.is(err, neap.OSError) or neap.is(err, neap.TimeoutError)
    or neap.is(err, neap.CancelledError) or neap.is(err, neap.IncompleteReadError)
    or neap.is(err, http.RequestError)
end

local function work(number, until_time)
  while neap.time() < until_time do
    local name = names[random(#names)]
    local task <close> = neap.create_task(kinds[name], number)
    local way = random(3)
    if way == 1 then
      neap.sleep(random() / 50)
      task:cancel()
    end
    local ok, err = pcall(neap.wait_for, task, way == 2 and random() / 20 or 30)
    if not ok and not is_expected(err) then error(err, 0) end
    counts[name] = (counts[name] or 0) + 1
  end
end

local function phase(length)
  neap.task_group(function(group)
    for i = 1, workers do group:create_task(work, i, neap.time() + length) end
  end)
end

print(("%d s, %d workers, seed %d"):format(seconds, workers, seed))
local failures = levels.watch()
levels.run(seconds, phase, ALLOWED, failures)
local done = {}
for _, name in ipairs(names) do done[#done + 1] = ("%s %d"):format(name, counts[name] or 0) end
print(table.concat(done, ", "))
os.execute("rm -r " .. directory)
levels.finish(failures)
