-- asyncio's "fetch data from an API", with real requests: to a server in this script, which
-- takes its time. Three requests take as long as the slowest of them.
local neap = require "neap"
local http = require "neap.http"
local net = require "neap.net"

-- The API: GET /items/2 answers {"id":2} after 0.2 s, and knows nothing beyond 3.
local function serve(stream)
  local id = tonumber(stream:read_line():match "^GET /items/(%d+) ")
  neap.sleep(id * 0.1)
  local body = id <= 3 and neap.json.encode { id = id } or "null"
  stream:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s")
    :format(id <= 3 and "200 OK" or "404 Not Found", #body, body))
end

local function fetch_data(url, id)
  print(("fetching item %d"):format(id))
  local response = http.get(("%s/items/%d"):format(url, id))
  local item = response:raise_for_status():json()
  print(("item %d is here"):format(id))
  return item.id
end

local function main()
  local server <close> = net.listen("127.0.0.1", 0, serve)
  local url = ("http://%s:%d"):format(server:sockname())

  local first, second, third = neap.gather(
    neap.create_task(fetch_data, url, 3),
    neap.create_task(fetch_data, url, 2),
    neap.create_task(fetch_data, url, 1))
  print("ids:", first, second, third)

  local ok, err = neap.pcall(fetch_data, url, 4)
  print(ok, err.status)

  print("in time:", (neap.move_on_after(0.1, fetch_data, url, 9)))
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
