/* SPDX-License-Identifier: MIT */
/* sandbox.c - the libraries for scripts that are not trusted.
 *
 * What reaches outside of the state is missing, and so is what Lua runs with
 * hooks off, where no limit could end it: finalizers, and message handlers of
 * errors that a hook has raised. Functions that loop in C say beforehand how
 * long they will. */
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/limits.h"

/* Results that a function may have: the limit of Lua's stack. */
enum { MAX_RESULTS = 1000000 };

/* ---- basic functions ---- */

/* load(chunk [, name [, mode [, env]]])
 * As the standard one, but for text only. */
static int l_load(lua_State *L) {
  bool has_env = !lua_isnone(L, 4);
  size_t length = 0;
  if (lua_type(L, 1) == LUA_TSTRING) {
    lua_tolstring(L, 1, &length);
  }
  neap_limits_work(L, neap_runtime_up(L), length);
  lua_settop(L, has_env ? 4 : 3);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, has_env ? 4 : 3, LUA_MULTRET);
  return lua_gettop(L);
}

/* setmetatable(table, metatable)
 * As the standard one, but without finalizers. */
static int l_setmetatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2,
                   "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
    return luaL_error(L, "cannot change a protected metatable");
  }
  if (type == LUA_TTABLE) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL) {
      return luaL_error(L, "a sandbox has no finalizers (__gc)");
    }
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

/* getmetatable(object)
 * As the standard one for a table; nil for other values. */
static int l_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  if (!lua_istable(L, 1) || !lua_getmetatable(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  luaL_getmetafield(L, 1, "__metatable");
  return 1; /* either __metatable field or metatable */
}

/* The message handler of l_xpcall. One that was called for an error of a hook
 * would run with hooks off. */
static int handle(lua_State *L) {
  if (!neap_runtime_up(L)->interrupting) {
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
  }
  return 1;
}

static int k_xpcall(lua_State *L, int status, lua_KContext below) {
  if (status == LUA_OK || status == LUA_YIELD) {
    return lua_gettop(L) - (int)below;
  }
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* xpcall(f, handler, ...)
 * As the standard one. The handler is not called for the error that ends a
 * step which has used up what it may. */
static int l_xpcall(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle, 2);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, k_xpcall);
  return k_xpcall(L, status, 2);
}

/* collectgarbage("count") -> kilobytes */
static int l_collectgarbage(lua_State *L) {
  if (strcmp(luaL_optstring(L, 1, "collect"), "count") != 0) {
    return luaL_error(L, "a sandbox has only collectgarbage 'count'");
  }
  lua_Number bytes = lua_gc(L, LUA_GCCOUNTB);
  lua_pushnumber(L, (lua_Number)lua_gc(L, LUA_GCCOUNT) + bytes / 1024);
  return 1;
}

/* require(name) -> module
 * Of what is open: there is nothing to search. */
static int l_require(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, name) == LUA_TNIL) {
    return luaL_error(L, "module '%s' is not in the sandbox", name);
  }
  return 1;
}

/* ---- functions that loop in C ---- */

/* [-0, +?, e] Calls the standard function, the second upvalue. */
static int call_standard(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static uint64_t distance(lua_Integer from, lua_Integer to) {
  return to < from ? 0 : (uint64_t)to - (uint64_t)from;
}

/* f(string, ...): as long as its strings. */
static int l_of_strings(lua_State *L) {
  uint64_t work = 0;
  for (int i = lua_gettop(L); i > 0; i--) {
    work += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) : 0;
  }
  neap_limits_work(L, neap_runtime_up(L), work);
  return call_standard(L);
}

/* string.rep(s, n [, sep]): n times, also of an empty string. What is longer
 * than the memory that there is will be refused at once. */
static int l_rep(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  size_t memory = rt->limits.set.memory;
  size_t length = 0;
  size_t separator = 0;
  luaL_checklstring(L, 1, &length);
  uint64_t n = distance(0, luaL_checkinteger(L, 2));
  luaL_optlstring(L, 3, "", &separator);
  length += separator;
  if (length == 0 || memory == 0 || n < memory / length) {
    neap_limits_work(L, rt, n / 4);
  }
  return call_standard(L);
}

/* f(table, ...): as long as the table says it is, which may be a lie. */
static int l_of_table(lua_State *L) {
  if (lua_gettop(L) > 0) {
    lua_Integer n = luaL_len(L, 1);
    uint64_t levels = 1;
    for (lua_Integer i = n; i > 1; i /= 2) {
      levels++;
    }
    uint64_t length = distance(0, n);
    neap_limits_work(L, neap_runtime_up(L),
                     length > UINT32_MAX ? length : length * levels);
  }
  return call_standard(L);
}

/* table.insert(t, value) needs no loop, with a position it does. */
static int l_insert(lua_State *L) {
  return lua_gettop(L) > 2 ? l_of_table(L) : call_standard(L);
}

/* table.remove(t, position) likewise. */
static int l_remove(lua_State *L) {
  return lua_gettop(L) > 1 ? l_of_table(L) : call_standard(L);
}

/* table.move(t, from, to, ...) */
static int l_move(lua_State *L) {
  neap_limits_work(L, neap_runtime_up(L),
                   distance(luaL_checkinteger(L, 2), luaL_checkinteger(L, 3)));
  return call_standard(L);
}

/* table.unpack(t [, from [, to]]). What is too much is refused at once. */
static int l_unpack(lua_State *L) {
  luaL_checkany(L, 1);
  lua_Integer from = luaL_optinteger(L, 2, 1);
  lua_Integer to =
      lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
  uint64_t n = distance(from, to);
  neap_limits_work(L, neap_runtime_up(L), n < MAX_RESULTS ? n : 0);
  return call_standard(L);
}

/* table.concat(t [, sep [, from [, to]]]) */
static int l_concat(lua_State *L) {
  luaL_checkany(L, 1);
  lua_Integer from = luaL_optinteger(L, 3, 1);
  lua_Integer to =
      lua_isnoneornil(L, 4) ? luaL_len(L, 1) : luaL_checkinteger(L, 4);
  neap_limits_work(L, neap_runtime_up(L), distance(from, to));
  return call_standard(L);
}

/* ---- putting it together ---- */

static const struct {
  const char *name;
  lua_CFunction open;
} libraries[] = {
    {LUA_GNAME,       luaopen_base     },
    {LUA_TABLIBNAME,  luaopen_table    },
    {LUA_STRLIBNAME,  luaopen_string   },
    {LUA_MATHLIBNAME, luaopen_math     },
    {LUA_UTF8LIBNAME, luaopen_utf8     },
    {LUA_COLIBNAME,   luaopen_coroutine},
    {LUA_OSLIBNAME,   luaopen_os       },
};

/* Instead of the standard function, which is the second upvalue; NULL: the
 * function is missing. */
static const struct {
  const char *library;
  const char *name;
  lua_CFunction function;
} changes[] = {
    {LUA_GNAME,       "dofile",         NULL            },
    {LUA_GNAME,       "loadfile",       NULL            },
    {LUA_GNAME,       "load",           l_load          },
    {LUA_GNAME,       "setmetatable",   l_setmetatable  },
    {LUA_GNAME,       "getmetatable",   l_getmetatable  },
    {LUA_GNAME,       "xpcall",         l_xpcall        },
    {LUA_GNAME,       "collectgarbage", l_collectgarbage},
    {LUA_GNAME,       "require",        l_require       },
    {LUA_STRLIBNAME,  "dump",           NULL            },
    {LUA_STRLIBNAME,  "rep",            l_rep           },
    {LUA_STRLIBNAME,  "byte",           l_of_strings    },
    {LUA_STRLIBNAME,  "pack",           l_of_strings    },
    {LUA_STRLIBNAME,  "packsize",       l_of_strings    },
    {LUA_STRLIBNAME,  "unpack",         l_of_strings    },
    {LUA_STRLIBNAME,  "find",           neap_l_find     },
    {LUA_STRLIBNAME,  "match",          neap_l_match    },
    {LUA_STRLIBNAME,  "gmatch",         neap_l_gmatch   },
    {LUA_STRLIBNAME,  "gsub",           neap_l_gsub     },
    {LUA_UTF8LIBNAME, "len",            l_of_strings    },
    {LUA_UTF8LIBNAME, "offset",         l_of_strings    },
    {LUA_UTF8LIBNAME, "codepoint",      l_of_strings    },
    {LUA_TABLIBNAME,  "sort",           l_of_table      },
    {LUA_TABLIBNAME,  "insert",         l_insert        },
    {LUA_TABLIBNAME,  "remove",         l_remove        },
    {LUA_TABLIBNAME,  "move",           l_move          },
    {LUA_TABLIBNAME,  "unpack",         l_unpack        },
    {LUA_TABLIBNAME,  "concat",         l_concat        },
    {LUA_OSLIBNAME,   "execute",        NULL            },
    {LUA_OSLIBNAME,   "exit",           NULL            },
    {LUA_OSLIBNAME,   "getenv",         NULL            },
    {LUA_OSLIBNAME,   "remove",         NULL            },
    {LUA_OSLIBNAME,   "rename",         NULL            },
    {LUA_OSLIBNAME,   "setlocale",      NULL            },
    {LUA_OSLIBNAME,   "tmpname",        NULL            },
};

/* What neap itself has that is not for such scripts: both write to stderr, or
 * let a finalizer call the script. */
static const char *const missing[] = {"set_exception_handler", "set_debug"};

/* [-0, +0, m] */
static void change(lua_State *L, neap_runtime *rt, const char *name,
                   lua_CFunction function) {
  if (function == NULL) {
    lua_pushnil(L);
  } else {
    lua_pushlightuserdata(L, rt);
    lua_getfield(L, -2, name);
    lua_pushcclosure(L, function, 2);
  }
  lua_setfield(L, -2, name);
}

int neap_open_sandbox(lua_State *L) {
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    luaL_requiref(L, libraries[i].name, libraries[i].open, 1);
    lua_pop(L, 1);
  }
  luaL_requiref(L, "neap", luaopen_neap, 0);
  neap_runtime *rt = neap_runtime_of(L);
  rt->restricted = true;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    lua_getfield(L, -1, changes[i].library);
    change(L, rt, changes[i].name, changes[i].function);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
    lua_pushnil(L);
    lua_setfield(L, -2, missing[i]);
  }
  return 1;
}
