/* SPDX-License-Identifier: MIT */
#include "runtime/guard.h"

#include <lauxlib.h>

#include "runtime/error.h"
#include "runtime/object.h"

static const char *const TYPE_NAME = "neap.Guard";

static const char *release(neap_guard *guard) {
  void *object = guard->object;
  guard->object = NULL;
  return object == NULL ? NULL : guard->release(object, guard->hold);
}

/* The block ends: __close(guard, err). Its upvalue is the metatable. */
static int l_close(lua_State *L) {
  neap_guard *guard = lua_touserdata(L, 1);
  if (guard == NULL || !lua_getmetatable(L, 1) ||
      !lua_rawequal(L, -1, lua_upvalueindex(1))) {
    return luaL_typeerror(L, 1, TYPE_NAME);
  }
  const char *wrong = release(guard);
  return wrong == NULL ? 0 : luaL_error(L, "%s", wrong);
}

void neap_guard_push_metatable(lua_State *L) {
  if (luaL_newmetatable(L, TYPE_NAME)) {
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_pushcclosure(L, l_close, 1);
    lua_setfield(L, -2, "__close");
  }
}

neap_guard *neap_guard_new(lua_State *L) {
  neap_guard *guard = lua_newuserdatauv(L, sizeof *guard, 1);
  guard->object = NULL;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, lua_upvalueindex(NEAP_GUARD_UPVALUE));
  lua_setmetatable(L, -2);
  return guard;
}

void neap_guard_insert(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_guard_new(L);
  lua_pushcfunction(L, neap_traceback_handler);
  lua_rotate(L, NEAP_GUARD_INDEX, 2);
}

static int k_called(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  const char *wrong = release(lua_touserdata(L, NEAP_GUARD_INDEX));
  if (wrong != NULL) {
    lua_settop(L, 1);
    return luaL_error(L, "%s", wrong);
  }
  if (status != LUA_OK && status != LUA_YIELD) {
    return lua_error(L);
  }
  return lua_gettop(L) - NEAP_GUARDED_HANDLER_INDEX;
}

int neap_guard_call(lua_State *L) {
  int nargs = lua_gettop(L) - NEAP_GUARDED_HANDLER_INDEX - 1;
  return k_called(L,
                  lua_pcallk(L, nargs, LUA_MULTRET, NEAP_GUARDED_HANDLER_INDEX,
                             0, k_called),
                  0);
}
