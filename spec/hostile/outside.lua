-- expect: ended: nothing
for _, name in ipairs { "io", "debug", "package", "dofile", "loadfile" } do
  assert(_G[name] == nil, name)
end
for _, name in ipairs { "execute", "exit", "getenv", "remove", "rename", "tmpname", "setlocale" } do
  assert(os[name] == nil, name)
end
assert(string.dump == nil and ("x").dump == nil)
for _, name in ipairs { "io", "debug", "package", "neap.fs", "neap.net", "luv", "_G.io" } do
  assert(not pcall(require, name), name)
end
local neap = require "neap"
for _, name in ipairs { "fs", "dns", "net", "process", "uv", "testing", "stdio", "signal", "http" } do
  assert(neap[name] == nil, name)
end
return "nothing"
