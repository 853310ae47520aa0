/* SPDX-License-Identifier: MIT */
#include "runtime/track.h"

#include <lauxlib.h>

#include "runtime/tree.h"

/* [-0, +0, m] */
static int new_weak_table(lua_State *L) {
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

void neap_track_start(lua_State *L, neap_runtime *rt) {
  if (!rt->tracking) {
    rt->created_ref = new_weak_table(L);
    rt->objects_ref = new_weak_table(L);
    rt->tracking = true;
  }
}

void neap_track(lua_State *L, neap_runtime *rt, int ref) {
  luaL_checkstack(L, 5, NULL);
  int object = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  lua_pushvalue(L, object);
  if (!neap_push_line(L, L)) {
    lua_pushliteral(L, "[C]");
  }
  lua_rawset(L, -3);
  lua_settop(L, object);
  (void)rt;
}
