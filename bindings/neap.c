/* SPDX-License-Identifier: MIT */
/* neap.c - `require "neap"`: puts the module together. */
#include "bindings/neap.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "bindings/lua_sources.h"

/* Their addresses are registry keys. */
static const char module_key = 0;
static const char require_key = 0;

/* [-0, +1, v] Runs an embedded source with the module and the internal table,
 * and pushes what it returns. */
static void run_source(lua_State *L, const char *name, int module,
                       int internal) {
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
  lua_pushvalue(L, module);
  lua_pushvalue(L, internal);
  lua_call(L, 2, 1);
}

/* What only composes is written in Lua. Each source adds to the module; that of
 * require returns a function, which is kept. */
static void run_sources(lua_State *L, neap_runtime *rt, int module) {
  static const char *const names[] = {"neap.context", "neap.combine",
                                      "neap.group", "neap.suspend"};
  neap_push_internal(L, rt);
  int internal = lua_gettop(L);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    run_source(L, names[i], module, internal);
    lua_pop(L, 1);
  }
  run_source(L, "neap.require", module, internal);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &require_key);
  lua_pop(L, 1);
}

/* [-0, +0, m] What outlives the module table: it may be loaded again after
 * somebody, such as busted between two files, has put old functions back. */
static void patch(lua_State *L, neap_runtime *rt, int module) {
  neap_patch_coroutine(L, rt);
  neap_patch_exit(L, rt);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &require_key);
  lua_setglobal(L, "require");
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, module, "testing");
  lua_setfield(L, -2, "neap.testing");
  lua_pop(L, 1);
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
  neap_bind_testing(L, rt);
  lua_pushliteral(L, NEAP_VERSION);
  lua_setfield(L, -2, "_VERSION");
  lua_pushnumber(L, NEAP_SLOW_STEP);
  lua_setfield(L, -2, "slow_step");
  lua_pushvalue(L, -1);
  rt->module_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* `require "neap.testing"` before neap itself. */
NEAP_API int luaopen_neap_testing(lua_State *L);

int luaopen_neap_testing(lua_State *L) {
  luaopen_neap(L);
  lua_getfield(L, -1, "testing");
  return 1;
}

int luaopen_neap(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt == NULL) {
    rt = neap_runtime_open(L);
    const char *debug = getenv("NEAP_DEBUG");
    rt->debug =
        debug != NULL && strcmp(debug, "") != 0 && strcmp(debug, "0") != 0;
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key) == LUA_TNIL) {
    lua_pop(L, 1);
    make_module(L, rt);
    run_sources(L, rt, lua_gettop(L));
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
  }
  patch(L, rt, lua_gettop(L));
  return 1;
}
