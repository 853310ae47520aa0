/* SPDX-License-Identifier: MIT */
/* require.c - the global `require`; neap/require.lua is what it does. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"

/* Its address is the registry key of the function in Lua. */
static const char require_key = 0;

static int k_require(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

/* require(name) -> module, loader data
 * As the standard one, whose modules could not wait. */
static int l_require(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &require_key) == LUA_TNIL) {
    lua_pop(L, 1);
    neap_run_source(L, neap_runtime_up(L), "neap.require");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &require_key);
  }
  lua_insert(L, 1);
  lua_callk(L, 1, LUA_MULTRET, 0, k_require);
  return k_require(L, LUA_OK, 0);
}

void neap_patch_require(lua_State *L, neap_runtime *rt) {
  neap_push_function(L, rt, l_require);
  lua_setglobal(L, "require");
}
