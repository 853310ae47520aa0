-- SPDX-License-Identifier: MIT
-- uv.lua - the luv module on neap's loop.
local neap, internal = ...

-- What would take the loop away from neap, or hand out its own handles.
local NOT_OURS_TO_GIVE = {
  run = "the loop is neap's, and runs while tasks wait",
  loop_close = "the loop is neap's",
  walk = "the loop has handles that are not luv's",
}

local luv -- once it is loaded

--- luv frees handles and requests at once when they are collected. That is right but for a
-- state that closes: then libuv, or one of its threads, may still have them. So a handle that is
-- being closed, and any request, is kept until libuv has been polled once more, or the loop is
-- closed.
local function mend_finalizers(registry)
  local collect, collect_request = registry.uv_timer.__gc, registry.uv_fs.__gc
  local kept, finalizers, polled = {}, {}, 0
  local function free_kept()
    local objects, frees = kept, finalizers
    kept, finalizers = {}, {}
    for i, object in ipairs(objects) do frees[i](object) end
  end
  local function keep(object, free)
    kept[#kept + 1], finalizers[#finalizers + 1] = object, free
  end
  local function free_those_polled()
    local polls = internal.polls()
    if polls ~= polled then
      polled = polls
      free_kept()
    end
  end
  local function finalizer(handle)
    free_those_polled()
    if luv.is_closing(handle) then keep(handle, collect) else collect(handle) end
  end
  for _, class in pairs(registry) do
    if type(class) == "table" and rawget(class, "__gc") == collect then
      class.__gc = finalizer
    end
  end
  registry.uv_fs.__gc = function(request)
    free_those_polled()
    keep(request, collect_request)
  end
  internal.at_close(free_kept)
end

local function load()
  if package.loaded.luv then
    error("luv has been loaded with a loop of its own; call neap.uv() before it is required", 3)
  end
  local path, problem = package.searchpath("luv", package.cpath)
  local module, registry
  if path then module, registry = internal.luv(path) end
  if not module then
    error("neap.uv needs luv, which is not there (Debian: lua-luv, LuaRocks: luv): "
      .. (problem or registry), 3)
  end
  for name, why in pairs(NOT_OURS_TO_GIVE) do
    module[name] = function() error(("luv's %s cannot be called: %s"):format(name, why), 2) end
  end
  luv = module
  mend_finalizers(registry)
  package.loaded.luv = module
end

--- uv() -> the luv module
function neap.uv()
  if not luv then load() end
  return luv
end
