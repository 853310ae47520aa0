/* SPDX-License-Identifier: MIT */
/* exit.c - os.exit inside a task.
 *
 * Closing a lua_State from one of its coroutines is not possible, so a task
 * that asks for it is suspended for good, and the loop's caller exits. */
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/wait.h"

static const neap_wait_kind exit_kind = {"os.exit", NULL, NULL, NULL, NULL};

static int k_never(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return luaL_error(L, "the process is exiting");
}

/* os.exit([code [, close]])
 * Where a task cannot wait, in a comparator say, the state is not closed. */
static int l_exit(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  int code = EXIT_SUCCESS;
  if (lua_isboolean(L, 1)) {
    code = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
  } else {
    code = (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
  }
  if (rt->exit_guarded) {
    rt->exit_refused = true;
    return luaL_error(L, "os.exit(%d): a test cannot end the run", code);
  }
  if (lua_toboolean(L, 2) && rt->running && neap_can_wait(L, rt)) {
    rt->exiting = true;
    rt->exit_code = code;
    return neap_park(L, rt->current, &exit_kind, NULL, k_never, 0);
  }
  /* A state can only be closed from its main thread. */
  bool close = lua_toboolean(L, 2) && L == rt->main && rt->current == NULL;
  lua_settop(L, 1);
  lua_pushboolean(L, close);
  lua_pushvalue(L, lua_upvalueindex(2)); /* the standard os.exit */
  lua_insert(L, 1);
  lua_call(L, 2, 0);
  return 0;
}

void neap_patch_exit(lua_State *L, neap_runtime *rt) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_OSLIBNAME) == LUA_TTABLE) {
    if (lua_getfield(L, -1, "exit") == LUA_TFUNCTION &&
        lua_tocfunction(L, -1) != l_exit) {
      lua_pushlightuserdata(L, rt);
      lua_insert(L, -2);
      lua_pushcclosure(L, l_exit, 2);
      lua_setfield(L, -2, "exit");
    } else {
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 2);
}
