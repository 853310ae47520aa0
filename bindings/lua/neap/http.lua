-- SPDX-License-Identifier: MIT
-- http.lua - neap.http, put together.
local _, internal = ...

local http = {}

for name, value in pairs(internal.source "neap.http_client") do http[name] = value end

return http
