/* SPDX-License-Identifier: MIT */
/* pcall.c - pcall and xpcall that let the running task's cancellation through.
 *
 * Their shape is that of lbaselib.c's luaB_pcall and luaB_xpcall. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/error.h"

/* Whether the error on the top is a cancellation of the running task. */
static bool is_own_cancellation(lua_State *L, neap_runtime *rt) {
  return rt->current != NULL && rt->current->cancelling > 0 &&
         neap_error_is(L, rt, -1, NEAP_CANCELLED_ERROR);
}

/* `below`: stack slots that are no results. */
static int k_pcall(lua_State *L, int status, lua_KContext below) {
  if (status == LUA_OK || status == LUA_YIELD) {
    return lua_gettop(L) - (int)below;
  }
  if (is_own_cancellation(L, neap_runtime_up(L))) {
    return lua_error(L);
  }
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* pcall(f, ...) -> true, f's results | false, error
 * As the standard pcall, but raises the CancelledError of a cancellation of the
 * running task again.
 * waits  if f does. */
static int l_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, k_pcall);
  return k_pcall(L, status, 0);
}

/* The message handler of l_xpcall: the user's, but for a cancellation. Nor for
 * what a hook has raised: the handler would run with hooks off. */
static int handle(lua_State *L) {
  if (neap_runtime_up(L)->interrupting ||
      is_own_cancellation(L, neap_runtime_up(L))) {
    return 1;
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* xpcall(f, handler, ...) -> true, f's results | false, handler's result
 * As the standard xpcall; see pcall. The handler does not see a cancellation of
 * the running task.
 * waits  if f does. */
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
  int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, k_pcall);
  return k_pcall(L, status, 2);
}

static const luaL_Reg functions[] = {
    {"pcall",  l_pcall }, /* waits */
    {"xpcall", l_xpcall}, /* waits */
    {NULL,     NULL    },
};

void neap_bind_pcall(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
}
