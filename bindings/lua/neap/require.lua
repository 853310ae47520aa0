-- SPDX-License-Identifier: MIT
-- require.lua - a `require` whose module bodies may wait.
--
-- Called by require.c, with a string. The standard one is a C function that Lua
-- cannot suspend. This one follows it (loadlib.c, ll_require), and adds: a module
-- that another task is loading is waited for, not loaded twice; a module that
-- requires itself is an error.
local neap, internal = ...

local wait_done = internal.wait_done

local package = package
local loading = {} -- name -> { task =, future = } while its body runs
local waiting = {} -- task -> name of the module it waits for

local function find_loader(name)
  local searchers = package.searchers
  if type(searchers) ~= "table" then
    error("'package.searchers' must be a table", 5)
  end
  local tried = {}
  for _, searcher in ipairs(searchers) do
    local loader, data = searcher(name)
    if type(loader) == "function" then return loader, data end
    if type(loader) == "string" then tried[#tried + 1] = "\n\t" .. loader end
  end
  error(("module '%s' not found:%s"):format(name, table.concat(tried)), 5)
end

-- Whether waiting for `name` would wait, in the end, for `task` itself.
local function closes_cycle(name, task)
  while name do
    local load = loading[name]
    if not load then return false end
    if load.task == task then return true end
    name = waiting[load.task]
  end
  return false
end

local function wait_until_loaded(name, task)
  if not task or closes_cycle(name, task) then
    error(("loop while loading module '%s'"):format(name), 4)
  end
  waiting[task] = name
  local forget <close> = setmetatable({}, { __close = function()
    waiting[task] = nil
  end })
  wait_done(loading[name].future)
  return forget
end

-- Ends the load of `name`, whether its body returned or raised.
local end_load = { __close = function(load)
  loading[load.name] = nil
  load.future:set_result()
end }

local function load_module(name, task)
  local loaded = package.loaded
  local loader, data = find_loader(name)
  local load <close> = setmetatable(
    { name = name, task = task or "outside", future = neap.future() }, end_load)
  loading[name] = load
  local value = loader(name, data)
  if value ~= nil then
    loaded[name] = value
  elseif loaded[name] == nil then
    loaded[name] = true
  end
  return loaded[name], data
end

return function(name)
  local task = neap.current_task()
  while true do
    local value = package.loaded[name]
    if value then return value end
    if not loading[name] then break end
    wait_until_loaded(name, task)
  end
  local value, data = load_module(name, task)
  return value, data
end
