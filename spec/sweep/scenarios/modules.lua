-- A runtime's parts, made when they are first asked for; and what C does.
local scenarios = {}

for _, name in ipairs { "dns", "fs", "http", "json", "net", "process", "signal", "stdio",
  "testing", "tls" } do
  scenarios["neap." .. name .. " is made"] = function()
    assert(type(require("neap." .. name)) == "table")
  end
end

-- The host has two functions for these.
scenarios["a value from another thread"] = function()
  assert(_G.sweep_from_thread(7) == 7)
end

scenarios["a post from another thread"] = function()
  local neap = require "neap"
  local event = neap.event()
  _G.sweep_posted = function() event:set() end
  _G.sweep_post()
  event:wait()
end

-- The host has points in what comes before this, too.
scenarios["the runtime opens"] = function() end

return scenarios
