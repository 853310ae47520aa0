/* SPDX-License-Identifier: MIT */
/* parts.c - the parts of the module that are made when first asked for.
 *
 * Most programs use few of them, and a start should cost what it uses. */
#include <string.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/lua_sources.h"
#include "bindings/neap.h"

/* Every submodule: its name, and what pushes its table; NULL if that is what
 * the embedded source neap.NAME returns. */
#define SUBMODULES(X)                                                          \
  X(busted, NULL)                                                              \
  X(dns, neap_push_dns)                                                        \
  X(fs, neap_push_fs)                                                          \
  X(http, NULL)                                                                \
  X(json, neap_push_json)                                                      \
  X(net, NULL)                                                                 \
  X(process, NULL)                                                             \
  X(signal, NULL)                                                              \
  X(stdio, neap_push_stdio)                                                    \
  X(tls, NULL)                                                                 \
  X(testing, neap_push_testing)

typedef struct submodule {
  const char *name;
  void (*push)(lua_State *L, neap_runtime *rt);
} submodule;

#define AS_ENTRY(name, push) {#name, push},
static const submodule submodules[] = {
    SUBMODULES(AS_ENTRY){NULL, NULL}
};

/* `require "neap.testing"` before neap itself: Lua finds neap.so, and in it the
 * function of that name. */
#define AS_LUAOPEN(name, push)                                                 \
  NEAP_API int luaopen_neap_##name(lua_State *L);                              \
                                                                               \
  int luaopen_neap_##name(lua_State *L) {                                      \
    luaopen_neap(L);                                                           \
    lua_getfield(L, -1, #name);                                                \
    return 1;                                                                  \
  }
SUBMODULES(AS_LUAOPEN)

/* Its address is the registry key of the table that all sources share. */
static const char internal_key = 0;

static void push_module(lua_State *L, neap_runtime *rt) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->module_ref);
}

static void push_internal(lua_State *L, neap_runtime *rt) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &internal_key) == LUA_TNIL) {
    lua_pop(L, 1);
    neap_push_internal(L, rt);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &internal_key);
  }
}

void neap_run_source(lua_State *L, neap_runtime *rt, const char *name) {
  const neap_lua_source *source = neap_lua_sources;
  while (strcmp(source->name, name) != 0) {
    source++;
  }
  lua_pushfstring(L, "=%s", name);
  if (luaL_loadbufferx(L, source->text, source->length, lua_tostring(L, -1),
                       "t") != LUA_OK) {
    lua_error(L);
  }
  lua_remove(L, -2);
  push_module(L, rt);
  push_internal(L, rt);
  lua_call(L, 2, 1);
}

/* Whether a runtime may have what the source provides: a sandbox only what
 * reaches nothing outside. */
static bool is_allowed(neap_runtime *rt, const neap_lua_source *source) {
  static const char *const harmless[] = {"neap.combine", "neap.context",
                                         "neap.group", "neap.suspend"};
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
    if (strcmp(source->name, harmless[i]) == 0) {
      return true;
    }
  }
  return !rt->restricted;
}

/* Whether `name` is in " name name ". */
static bool provides(const neap_lua_source *source, const char *name) {
  size_t length = strlen(name);
  if (length == 0 || strchr(name, ' ') != NULL) {
    return false;
  }
  const char *found = strstr(source->provides, name);
  while (found != NULL && (found[-1] != ' ' || found[length] != ' ')) {
    found = strstr(found + 1, name);
  }
  return found != NULL;
}

/* [-0, +1, e] The submodule, made unless it is there. */
static void push_submodule(lua_State *L, neap_runtime *rt,
                           const submodule *sub) {
  push_module(L, rt);
  lua_pushstring(L, sub->name);
  if (lua_rawget(L, -2) == LUA_TNIL) {
    lua_pop(L, 1);
    if (sub->push != NULL) {
      sub->push(L, rt);
    } else {
      neap_run_source(L, rt, lua_pushfstring(L, "neap.%s", sub->name));
      lua_remove(L, -2);
    }
    lua_pushstring(L, sub->name);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
  }
  lua_remove(L, -2);
}

/* __index(module, key) -> value */
static int l_index(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (lua_type(L, 2) != LUA_TSTRING) {
    return 0;
  }
  const char *key = lua_tostring(L, 2);
  for (const submodule *sub = submodules; sub->name != NULL; sub++) {
    if (!rt->restricted && strcmp(sub->name, key) == 0) {
      push_submodule(L, rt, sub);
      return 1;
    }
  }
  for (const neap_lua_source *s = neap_lua_sources; s->name != NULL; s++) {
    if (is_allowed(rt, s) && provides(s, key)) {
      neap_run_source(L, rt, s->name);
      lua_settop(L, 2);
      lua_rawget(L, 1);
      return 1;
    }
  }
  return 0;
}

static int l_next(lua_State *L) {
  lua_settop(L, 2);
  return lua_next(L, 1) ? 2 : 0;
}

/* __pairs(module): whoever lists it sees all functions; submodules, which may
 * need what is not installed, as far as they are loaded. */
static int l_pairs(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_settop(L, 1);
  for (const neap_lua_source *s = neap_lua_sources; s->name != NULL; s++) {
    size_t length = strcspn(s->provides + 1, " ");
    if (length > 0 && is_allowed(rt, s)) {
      lua_pushlstring(L, s->provides + 1, length);
      if (lua_rawget(L, 1) == LUA_TNIL) {
        neap_run_source(L, rt, s->name);
      }
      lua_settop(L, 1);
    }
  }
  lua_pushcfunction(L, l_next);
  lua_insert(L, 1);
  return 2;
}

static const luaL_Reg metamethods[] = {
    {"__index", l_index},
    {"__pairs", l_pairs},
    {NULL,      NULL   },
};

void neap_add_parts(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 2);
  neap_set_functions(L, rt, metamethods);
  lua_setmetatable(L, -2);
}

/* A loader for package.preload: gets the name "neap.testing". */
static int l_load_submodule(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  push_module(L, rt);
  lua_getfield(L, -1, luaL_checkstring(L, 1) + strlen("neap."));
  return 1;
}

void neap_preload_submodules(lua_State *L, neap_runtime *rt) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  neap_push_function(L, rt, l_load_submodule);
  for (const submodule *sub = submodules; sub->name != NULL; sub++) {
    lua_pushfstring(L, "neap.%s", sub->name);
    lua_pushvalue(L, -2);
    lua_settable(L, -4);
  }
  lua_pop(L, 2);
}
