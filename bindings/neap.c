/* SPDX-License-Identifier: MIT */
/* neap.c - `require "neap"`: puts the module together. */
#include "bindings/neap.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

/* Its address is a registry key. */
static const char module_key = 0;

/* [-0, +0, m] What outlives the module table: it may be loaded again after
 * somebody, such as busted between two files, has put old functions back. */
static void patch(lua_State *L, neap_runtime *rt) {
  neap_patch_coroutine(L, rt);
  neap_patch_exit(L, rt);
  neap_patch_require(L, rt);
  neap_preload_submodules(L, rt);
}

static void make_module(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 48);
  neap_bind_run(L, rt);
  neap_bind_future(L, rt);
  neap_bind_task(L, rt);
  neap_bind_sleep(L, rt);
  neap_bind_timeout(L, rt);
  neap_bind_callback(L, rt);
  neap_bind_lock(L, rt);
  neap_bind_event(L, rt);
  neap_bind_condition(L, rt);
  neap_bind_semaphore(L, rt);
  neap_bind_barrier(L, rt);
  neap_bind_queue(L, rt);
  neap_bind_pcall(L, rt);
  neap_bind_error(L, rt);
  lua_pushliteral(L, NEAP_VERSION);
  lua_setfield(L, -2, "_VERSION");
  lua_pushnumber(L, NEAP_SLOW_STEP);
  lua_setfield(L, -2, "slow_step");
  neap_add_parts(L, rt);
  lua_pushvalue(L, -1);
  rt->module_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

int luaopen_neap(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt == NULL) {
    rt = neap_runtime_open(L);
    const char *debug = getenv("NEAP_DEBUG");
    rt->debug =
        debug != NULL && strcmp(debug, "") != 0 && strcmp(debug, "0") != 0;
    neap_update_watch(rt);
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key) == LUA_TNIL) {
    lua_pop(L, 1);
    make_module(L, rt);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
  }
  patch(L, rt);
  rt->complete = true;
  return 1;
}
