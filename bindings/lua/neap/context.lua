-- SPDX-License-Identifier: MIT
-- context.lua - context variables: values that follow a chain of tasks.
--
-- A context holds an immutable map from variable to value, so copying one, as
-- every new task and callback does, shares the map. After Python's contextvars.
local neap, internal = ...

local get_context, set_context = internal.get_context, internal.set_context

local Context = { __name = "neap.Context", __metatable = false }
local Variable = { __name = "neap.ContextVar", __metatable = false }
Variable.__index = Variable

local NONE = {}    -- no default; no value before
local EMPTY = {}
local maps = setmetatable({}, { __mode = "k" })  -- context -> its map
local states = setmetatable({}, { __mode = "k" }) -- variable or token -> fields

local function new_context(map)
  local context = setmetatable({}, Context)
  maps[context] = map
  return context
end

local function copy(context)
  if not maps[context] then error("not a context", 0) end
  return new_context(maps[context])
end

--- The current context, made if there is none yet.
local function current()
  local context = get_context()
  if not context then
    context = new_context(EMPTY)
    set_context(context, copy)
  end
  return context
end

local function put(context, variable, boxed)
  local map = {}
  for key, value in pairs(maps[context]) do map[key] = value end
  map[variable] = boxed
  maps[context] = map
end

local function check(variable)
  local state = getmetatable(variable) == false and states[variable]
  if not state or not state.name then
    error("bad argument #1 (neap.ContextVar expected)", 3)
  end
  return state
end

--- Value of the variable in the current context, or the default given here, or
--- the variable's own; without any, an error.
function Variable:get(...)
  local state = check(self)
  local context = get_context()
  local boxed = context and maps[context][self]
  if boxed then return boxed[1] end
  if select("#", ...) > 0 then return (...) end
  if state.default ~= NONE then return state.default end
  error(("context variable '%s' has no value"):format(state.name), 2)
end

--- Sets the variable in the current context; returns a token for reset.
function Variable:set(value)
  check(self)
  local context = current()
  local token = setmetatable({}, {
    __name = "neap.Token", __metatable = false,
  })
  states[token] = {
    variable = self, context = context, old = maps[context][self] or NONE,
  }
  put(context, self, { value })
  return token
end

--- Puts back the value that the variable had before the token's set.
function Variable:reset(token)
  local name = check(self).name
  local state = type(token) == "table" and states[token]
  if not state or not state.variable then
    error("bad argument #1 to 'reset' (token expected)", 2)
  elseif state.variable ~= self then
    error(("the token was made by another variable than '%s'"):format(name), 2)
  elseif state.used then
    error("the token has already been used", 2)
  elseif state.context ~= get_context() then
    error("the token was made in another context", 2)
  end
  state.used = true
  local old = state.old
  put(state.context, self, old ~= NONE and old or nil)
end

function Variable:__tostring()
  return ("<ContextVar '%s'>"):format(check(self).name)
end

--- context_var(name[, default]) -> variable
function neap.context_var(name, ...)
  if type(name) ~= "string" then
    error(("bad argument #1 to 'context_var' (string expected, got %s)")
      :format(type(name)), 2)
  end
  local variable = setmetatable({}, Variable)
  local default = NONE
  if select("#", ...) > 0 then default = (...) end
  states[variable] = { name = name, default = default }
  return variable
end

--- copy_context() -> context for create_task's option of that name
function neap.copy_context()
  return copy(current())
end
