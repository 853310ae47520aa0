-- Downloads files, a few at a time, with a line that shows how far they are.
--
--   neap scripts/downloader.lua URL...     into the current directory
--
-- Without an argument it downloads from a server in this script, and only counts the bytes.
local neap = require "neap"
local http = require "neap.http"
local net = require "neap.net"

local AT_ONCE, EVERY = 4, 0.1

local function format_bytes(n)
  return n < 1000000 and ("%d kB"):format(n // 1000) or ("%.1f MB"):format(n / 1e6)
end

-- Where chunks go: a file, which has its name only once it is complete; or nowhere.
local Target = {}
Target.__index = Target

local function open_target(name)
  local path = name and name .. ".part"
  return setmetatable({ name = name, path = path, file = name and neap.fs.open(path, "w") }, Target)
end

function Target:write(chunk)
  if self.file then self.file:write(chunk) end
end

function Target:keep()
  if self.file then
    self.file:close()
    neap.fs.rename(self.path, self.name)
    self.file = nil
  end
end

function Target:__close()
  if self.file then
    self.file:close()
    neap.fs.unlink(self.path)
  end
end

local function download(url, name, progress)
  local response <close> = http.get(url, { stream = true })
  response:raise_for_status()
  progress.total = progress.total + (tonumber(response.headers["content-length"]) or 0)
  local target <close> = open_target(name)
  for chunk in response:chunks() do
    target:write(chunk)
    progress.bytes = progress.bytes + #chunk
  end
  target:keep()
  progress.files = progress.files + 1
end

local function show(progress, count)
  local began = neap.time()
  while true do
    neap.sleep(EVERY)
    io.stderr:write(("\r%d of %d files, %s of %s, %s/s "):format(progress.files, count,
      format_bytes(progress.bytes), format_bytes(progress.total),
      format_bytes(progress.bytes // (neap.time() - began))))
  end
end

--- Returns how many failed.
local function download_all(urls, name_of)
  local slots, progress = neap.semaphore(AT_ONCE), { files = 0, bytes = 0, total = 0 }
  local failed = 0
  local _ <close> = neap.create_task(show, progress, #urls) -- cancelled at the end
  neap.task_group(function(group)
    for _, url in ipairs(urls) do
      group:create_task(function()
        local _ <close> = slots:acquire()
        local ok, err = neap.pcall(download, url, name_of(url), progress)
        if not ok then -- one that fails does not stop the others
          failed = failed + 1
          io.stderr:write(("\r%s\n"):format(err))
        end
      end)
    end
  end)
  print(("%d files, %s, %d failed"):format(progress.files, format_bytes(progress.bytes), failed))
  return failed
end

-- For the demonstration: GET /7 is 7 MB of zeros, GET /0 does not exist.
local function serve(stream)
  local size = tonumber(stream:read_line():match "^GET /(%d+) ")
  local status = size > 0 and "200 OK" or "404 Not Found"
  stream:write(("HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n")
    :format(status, size * 1000000))
  for _ = 1, size * 10 do stream:write(("\0"):rep(100000)) end
end

local function demonstrate()
  local server <close> = net.listen("127.0.0.1", 0, serve)
  local urls = {}
  for i, size in ipairs { 3, 1, 0, 4, 1, 5 } do
    urls[i] = ("http://127.0.0.1:%d/%d"):format(select(2, server:sockname()), size)
  end
  download_all(urls, function() end)
end

local function main(...)
  if ... == nil then return demonstrate() end
  local failed = download_all({ ... }, function(url)
    return url:match "([^/?#]+)[?#]?[^/]*$" or "index.html"
  end)
  os.exit(failed == 0)
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main(...) else neap.run(main, ...) end
