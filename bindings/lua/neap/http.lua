-- SPDX-License-Identifier: MIT
-- http.lua - neap.http, put together. The server's half is made when it is first
-- named: it needs a library that a client can do without.
local _, internal = ...

local http = {}

for name, value in pairs(internal.source "neap.http_client") do http[name] = value end

local function index(_, name)
  if name ~= "serve" and name ~= "HTTPError" then return nil end
  for key, value in next, internal.source "neap.http_server" do rawset(http, key, value) end
  return rawget(http, name)
end

return setmetatable(http, {
  __index = index,
  __pairs = function()
    index(http, "serve")
    return next, http
  end,
})
