-- tls.lua - TLS over a memory transport, with somebody between who sends anything.
--
-- The first byte chooses who is there: a client or a server of ours that gets the rest of the input
-- as it is, or both, whose bytes pass through hands that change them as the input says. Each
-- side ends, with what the other has sent or a part of it from its beginning, or with an
-- OSError; nobody gets what was not sent. If nothing was changed, all of it arrives.
local neap = require "neap"
local net = require "neap.net"
local tls = require "neap.tls"

local PEM = "fuzz/tls.pem" -- a certificate for "localhost", and its key
local MOST_SECONDS = 3600 -- of the virtual clock

local FROM_CLIENT = ("from the client "):rep(40)
local FROM_SERVER = ("from the server "):rep(2000) -- some records

-- ---- a server without a network ----

local handler -- of the connection of this input

local function new_server(options)
  local serve_connection
  local listen = net.listen
  net.listen = function(_, _, serve) serve_connection = serve end
  options.cert_file = PEM
  tls.listen("memory", 0, function(stream) return handler(stream) end, options)
  net.listen = listen
  return serve_connection
end

local servers = {
  new_server {}, new_server { alpn = { "h2", "http/1.1" } },
  new_server { verify = true, ca_file = PEM }, new_server { min_version = "1.3" },
}

local clients = {
  { ca_file = PEM, server_name = "localhost" },
  { ca_file = PEM, server_name = "localhost", alpn = { "http/1.1" } },
  { ca_file = PEM, server_name = "localhost", cert_file = PEM },
  { verify = false },
}

-- ---- the two sides ----

--- What a side got: all that came, and how it ended.
local function exchange(stream, text)
  local got, sent = {}, nil
  local sending = neap.create_task(function()
    sent = neap.pcall(function()
      stream:write(text)
      stream:shutdown()
    end)
  end)
  local whole, err = neap.pcall(function()
    for data in function() return stream:read(1000) end do got[#got + 1] = data end
  end)
  assert(whole or neap.is(err, neap.OSError), err)
  if not whole then stream:close() end -- nobody waits for one that takes no more
  sending:await()
  return { text = table.concat(got), whole = whole, sent = sent }
end

local function start_server(choice, stream)
  local result = { text = "" }
  handler = function(secured) result = exchange(secured, FROM_SERVER) end
  return neap.create_task(function()
    local _ <close> = stream
    servers[choice](stream)
    return result
  end)
end

local function start_client(choice, stream)
  return neap.create_task(function()
    local _ <close> = stream
    local ok, err = neap.pcall(tls.wrap, stream, clients[choice])
    if ok then return exchange(stream, FROM_CLIENT) end
    assert(neap.is(err, neap.OSError), err)
    return { text = "" }
  end)
end

local function ended(task)
  local in_time, result = neap.move_on_after(MOST_SECONDS, task.await, task)
  assert(in_time, "it does not end")
  return result
end

-- ---- those between ----

--- Changes of what comes along: where, counted from the last one, and which.
local function changes_of(bytes, most)
  local list, at = {}, 0
  for i = 1, most do
    if not bytes:more() then break end
    at = at + bytes:upto(4095) + 1
    list[i] = { at = at, kind = bytes:upto(5), byte = bytes:byte(), more = bytes:string(40) }
  end
  return list
end

local changes = {
  [0] = function(_, change, old) return string.char(old:byte() ~ (change.byte | 1)) end,
  function() return "" end,
  function(_, change, old) return change.more .. old end,
  function(_, _, old) return old:rep(3) end,
  function() return nil end, -- cuts the connection
  function(seen, change, old) return old .. seen:sub(-change.byte * 8) end, -- once more
}

local function pass_on(from, to, list)
  local passed, next_change, seen = 0, 1, ""
  for data in function() return from:read() end do
    local change = list[next_change]
    while change and change.at <= passed + #data do
      local at = change.at - passed
      local new = changes[change.kind](seen, change, data:sub(at, at))
      to:write(data:sub(1, at - 1), new or "")
      if not new then return from:close(), to:close() end
      passed, data, next_change = passed + at, data:sub(at + 1), next_change + 1
      change = list[next_change]
    end
    to:write(data)
    passed, seen = passed + #data, seen:sub(-4096) .. data
  end
  to:shutdown()
end

local function start_passing(from, to, list)
  return neap.create_task(function()
    local ok, err = neap.pcall(pass_on, from, to, list)
    assert(ok or neap.is(err, neap.OSError), err)
    if ok then return end
    from:close() -- there is no other way to say that it takes no more
    to:close()
  end)
end

local function is_prefix(part, whole)
  return whole:sub(1, #part) == part
end

local function between(bytes)
  local choice = bytes:upto(#clients - 1) + 1
  local up, down = changes_of(bytes, bytes:upto(3)), changes_of(bytes, bytes:upto(3))
  local mine, its = neap.testing.memory_stream(2048)
  local its_too, server_end = neap.testing.memory_stream(4096)
  local server = start_server(choice, server_end)
  local client = start_client(choice, mine)
  local passing = { start_passing(its, its_too, up), start_passing(its_too, its, down) }
  local got_by_client, got_by_server = ended(client), ended(server)
  ended(passing[1])
  ended(passing[2])
  its:close()
  its_too:close()
  assert(is_prefix(got_by_client.text, FROM_SERVER), "the client got what was not sent")
  assert(is_prefix(got_by_server.text, FROM_CLIENT), "the server got what was not sent")
  if got_by_client.whole then
    assert(got_by_client.text == FROM_SERVER, "the client takes a part for all")
  end
  if got_by_server.whole then
    assert(got_by_server.text == FROM_CLIENT, "the server takes a part for all")
  end
  if not up[1] and not down[1] then
    assert(got_by_client.whole and got_by_server.whole, "nothing was changed, yet it failed")
  end
end

--- One side alone, and bytes that are no answer to what it says.
local function alone(start, bytes)
  local choice, most = bytes:upto(3) + 1, bytes:byte() + 1
  local mine, its = neap.testing.memory_stream(1024)
  local side = start(choice, its)
  local reading = neap.create_task(function()
    while mine:read() do end -- luacheck: ignore 542
  end)
  local ok, err = neap.pcall(function()
    while bytes:more() do
      mine:write(bytes:take(most))
      neap.sleep(0)
    end
    mine:shutdown()
  end)
  assert(ok or neap.is(err, neap.OSError), err)
  assert(ended(side).text == "", "bytes out of nothing")
  ended(reading)
  mine:close()
end

return function(_, bytes)
  local kind = bytes:upto(3)
  if kind == 0 then return alone(start_server, bytes) end
  if kind == 1 then return alone(start_client, bytes) end
  between(bytes)
end
