-- A server and clients that come, talk, break off, are cancelled and vanish, for as long as asked.
-- Memory and descriptors must be level: what is there after half of the time is compared with
-- what is there at the end, each time with all connections closed and all garbage collected.
--
--   neap bench/soak/net.lua SECONDS [CONNECTIONS [SEED]]
local neap = require "neap"
local net = require "neap.net"
local fs = require "neap.fs"

local seconds, connections = tonumber(arg[1] or 60), tonumber(arg[2] or 1000)
local seed = tonumber(arg[3] or os.time())
local random = math.random
math.randomseed(seed)

-- Growth from the first half to the end. C keeps chunks for what comes in, of which the second half
-- may use more than the first, but never more than these; and the allocator is not exact.
local ALLOWED = { lua = 2 ^ 16, c = 4.5 * 2 ^ 20, resident = 12 * 2 ^ 20 }

local counts = {  opened = 0, messages = 0, cancelled = 0, broken = 0, dropped = 0 }

local function is_expected(err)
  return neap.is(err, neap.OSError) or neap.is(err, neap.TimeoutError)
    or neap.is(err, neap.IncompleteReadError)
end

-- ---- the server ----

local function echo(stream)
  while true do
    local data = stream:read()
    if not data then return end
    stream:write(data)
    if random(500) == 1 then
      counts.dropped = counts.dropped + 1
      return -- in the middle of a conversation
    end
  end
end

local function handle(stream)
  local ok, err = neap.pcall(echo, stream)
  if not ok and not is_expected(err) then error(err, 0) end
end

-- ---- the clients: each is one of these, at random ----

local function size()
  return random(20) == 1 and random(200000) or random(1000)
end

local function talk(stream)
  for _ = 1, random(20) do
    local n = size()
    stream:write(("x"):rep(n // 2), ("y"):rep(n - n // 2))
    assert(#stream:read_exactly(n) == n)
    counts.messages = counts.messages + 1
    if random(5) == 1 then neap.sleep(random() / 50) end
  end
end

local ways = {
  function(stream) -- half-closed: reads to the end
    stream:write(("z"):rep(size()))
    stream:shutdown()
    stream:read_all()
  end,
  function(stream) -- leaves what comes unread, so that it is reset
    stream:write(("z"):rep(size()))
    neap.sleep(random() / 100)
  end,
  function(stream) -- two of them at once, one of which closes under the other's feet
    local _ <close> = neap.create_task(neap.pcall, stream.read, stream, 1)
    neap.sleep(random() / 100)
    stream:close()
  end,
}

local function never_read(stream) -- the server's write waits, until this is cancelled
  while true do stream:write(("z"):rep(100000)) end
end

local function visit(host, port)
  local stream <close> = net.connect(host, port)
  counts.opened = counts.opened + 1
  local way = random(200) == 1 and never_read or random(2) == 1 and talk or ways[random(#ways)]
  way(stream)
end

local function client(host, port, until_time)
  while neap.time() < until_time do
    local task <close> = neap.create_task(visit, host, port)
    if random(4) == 1 then
      neap.sleep(random() / 20)
      task:cancel()
    end
    local ok, err = pcall(neap.wait_for, task, 2 + 2 * random())
    if not ok then
      if neap.is(err, neap.CancelledError) and neap.current_task():cancelling() == 0 then
        counts.cancelled = counts.cancelled + 1
      elseif is_expected(err) then
        counts.broken = counts.broken + 1
      else
        error(err, 0)
      end
    end
  end
end

local function phase(length)
  local server <close> = net.listen("127.0.0.1", 0, handle, { backlog = 4096 })
  local host, port = server:sockname()
  neap.task_group(function(group)
    for _ = 1, connections do group:create_task(client, host, port, neap.time() + length) end
  end)
end

-- ---- what is left ----

local function measure()
  for _ = 1, 3 do
    neap.sleep(0.1)
    collectgarbage()
  end
  local status = fs.read_file "/proc/self/status"
  return {
    files = #fs.readdir "/proc/self/fd",
    resident = tonumber(status:match "VmRSS:%s*(%d+)") * 1024,
    lua = collectgarbage "count" * 1024,
    c = neap.stats().bytes,
    tasks = neap.stats().tasks.pending,
  }
end

local function show(what, figures)
  print(("%-8s files %d, resident %.1f MiB, Lua %.0f KiB, C %.0f KiB, tasks %d"):format(what,
    figures.files, figures.resident / 2 ^ 20, figures.lua / 1024, figures.c / 1024,
    figures.tasks))
  io.stdout:flush()
end

local function main()
  print(("%d s, %d connections at a time, seed %d"):format(seconds, connections, seed))
  local failures = {}
  neap.set_exception_handler(function(report)
    failures[#failures + 1] = ("%s: %s"):format(report.message, tostring(report.exception))
  end)
  phase(seconds / 2)
  local first = measure()
  show("first", first)
  phase(seconds / 2)
  local last = measure()
  show("last", last)
  print(("opened %d, messages %d, cancelled %d, broken off %d, dropped by the server %d"):format(
    counts.opened, counts.messages, counts.cancelled, counts.broken, counts.dropped))

  for field, allowed in pairs(ALLOWED) do
    if last[field] > first[field] + allowed then
      failures[#failures + 1] = ("%s memory has grown: %.0f -> %.0f"):format(field, first[field],
        last[field])
    end
  end
  if last.files ~= first.files then failures[#failures + 1] = "descriptors are left" end
  if last.tasks ~= 1 then failures[#failures + 1] = "tasks are left" end
  for i = 1, math.min(#failures, 10) do io.stderr:write("soak: ", failures[i], "\n") end
  os.exit(#failures == 0 and 0 or 1)
end

if neap.current_task() then main() else neap.run(main) end
