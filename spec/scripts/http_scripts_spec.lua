-- The scripts with real requests, each to a server of its own: what they print.
local process = require "spec.support.process"

local function prints(expected, command, path)
  local result = process.run { command, path }
  assert.are.same({ 0, expected }, { result.code, result.stdout }, result.stderr)
end

for _, command in ipairs { "neap", "lua5.4" } do
  describe("under " .. command, function()
    it("fetch_data makes three requests at once", function()
      prints([[
fetching item 3
fetching item 2
fetching item 1
item 1 is here
item 2 is here
item 3 is here
ids:	3	2	1
fetching item 4
false	404
fetching item 9
in time:	false
]], command, "scripts/fetch_data.lua")
    end)

    it("downloader gets what it can get", function()
      prints("5 files, 14.0 MB, 1 failed\n", command, "scripts/downloader.lua")
    end)
  end)
end
