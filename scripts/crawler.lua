-- A crawler: workers share a queue of pages, and each page adds the links found on it.
-- However large the site is, no more than WORKERS fetches run at once.
local neap = require "neap"

local WORKERS = 3
local HTTPError = neap.Error:extend "HTTPError"
local began = neap.time()

-- A site to crawl: page -> seconds that it takes to load, and the pages it links to.
local site = {
  ["/"] = { 0.30, "/docs", "/blog", "/about" },
  ["/about"] = { 0.12, "/" },
  ["/blog"] = { 0.45, "/blog/1", "/blog/2", "/blog/3" },
  ["/blog/1"] = { 0.31, "/blog/2", "/docs" },
  ["/blog/2"] = { 0.14, "/blog/3", "/lost" },
  ["/blog/3"] = { 0.26, "/" },
  ["/docs"] = { 0.53, "/docs/api", "/about" },
  ["/docs/api"] = { 0.24, "/docs" },
}

local function fetch(url)
  local page = site[url]
  neap.sleep(page and page[1] or 0.05)
  if not page then error(HTTPError("404 " .. url)) end
  return { table.unpack(page, 2) }
end

local function crawl(start_url)
  local queue, seen = neap.queue(), {} -- unbounded, as those who take from it also put

  local function add(url)
    if seen[url] then return end
    seen[url] = true
    queue:put_nowait(url)
  end

  local function worker(name)
    for url in queue:items() do
      local ok, links = neap.pcall(fetch, url)
      if ok then
        for _, link in ipairs(links) do add(link) end
      elseif not neap.is(links, HTTPError) then -- a bad page does not end the crawl; a bug does
        error(links, 0)
      end
      print(("%.2f  %s  %s"):format(neap.time() - began, name, ok and url or links))
      queue:task_done() -- only now, when the page's own links are counted
    end
  end

  neap.task_group(function(group)
    add(start_url)
    for i = 1, WORKERS do group:create_task(worker, "worker " .. i) end
    queue:join() -- every page that was put is done
    queue:shutdown() -- ends the loops of the workers
  end)
  print "the crawl is complete"
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then crawl "/" else neap.run(crawl, "/") end
