/* SPDX-License-Identifier: MIT */
#include "runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "runtime/anchor.h"
#include "runtime/error.h"
#include "runtime/future.h"
#include "runtime/host_loop.h"
#include "runtime/loop.h"
#include "runtime/mailbox.h"
#include "runtime/report.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "runtime/transport.h"

static const char runtime_key = 0; /* its address is the registry key */
static const char open_error_key = 0;

/* GCOVR_EXCL_START: only a bug of neap's gets here, and the process ends */
_Noreturn void neap_check_failed(const char *what, const char *file, int line) {
  char text[256];
  snprintf(text, sizeof text, "neap: %s:%d: check failed: %s\n", file, line,
           what);
  neap_write_error(text);
  abort();
}

/* GCOVR_EXCL_STOP */

int neap_runtime_check(const neap_runtime *rt) {
  if (rt == NULL) {
    return UV_EINVAL;
  }
  uv_thread_t self = uv_thread_self();
  if (!uv_thread_equal(&rt->thread, &self)) {
    return UV_EPERM;
  }
  return rt->closed ? UV_ESHUTDOWN : 0;
}

int neap_runtime_detach(neap_runtime *rt) {
  rt->closed = true;
  neap_mailbox_close(rt);
  return neap_host_loop_close(rt);
}

/* The lua_State closes: the C half of the teardown. Tasks are just memory by
 * now, which stays valid until the last finalizer has run. */
static int runtime_gc(lua_State *L) {
  neap_runtime *rt = lua_touserdata(L, 1);
  neap_runtime_detach(rt);
  rt->current = NULL;
  neap_list_init(&rt->ready);
  neap_list_init(&rt->batch);
  neap_loop_close(rt);
  if (rt->at_close_ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->at_close_ref);
    lua_pcall(L, 0, 0, 0);
  }
  neap_scratch_free(rt);
  neap_chunks_free(&rt->chunks);
  neap_clock_free(&rt->clock);
  neap_scopes_close(rt);
  neap_anchors_close(rt);
  neap_limits_close(rt);
  return 0;
}

neap_runtime *neap_runtime_of(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &runtime_key);
  neap_runtime *rt = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return rt;
}

int neap_runtime_open_error(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &open_error_key);
  int err = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return err;
}

/* [-0, +0, m] Makes the metatable of a kind of object; the binding that serves
 * it adds the methods. Returns its registry reference. */
static int new_metatable(lua_State *L, const char *name, lua_CFunction gc,
                         const void **address) {
  lua_createtable(L, 0, 8);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  if (gc != NULL) {
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
  }
  if (address != NULL) {
    *address = lua_topointer(L, -1);
  }
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

static void make_metatables(lua_State *L, neap_runtime *rt) {
  rt->task_ref = new_metatable(L, "neap.Task", NULL, &rt->task_metatable);
  rt->future_ref = new_metatable(L, "neap.Future", NULL, &rt->future_metatable);
  rt->failure_ref = new_metatable(L, "neap.Failure", neap_failure_gc, NULL);
  rt->callback_ref = new_metatable(L, "neap.Handle", NULL, NULL);
  lua_pushliteral(L, "a task yielded to its scheduler by itself "
                     "(coroutine.yield outside of a coroutine of its own)");
  rt->foreign_yield_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

neap_runtime *neap_runtime_open(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
#ifdef NEAP_GC_STRESS
  /* A cycle of the collector at every chance, to find what is not anchored. */
  lua_gc(L, LUA_GCINC, 0, 0, 0);
  lua_gc(L, LUA_GCSETPAUSE, 0);
  lua_gc(L, LUA_GCSETSTEPMUL, 1000);
#endif
  neap_runtime *rt = lua_newuserdatauv(L, sizeof *rt, 0);
  memset(rt, 0, sizeof *rt);
  rt->thread = uv_thread_self();
  neap_list_init(&rt->tasks);
  neap_list_init(&rt->refs);
  neap_list_init(&rt->orphans);
  neap_clock_init(&rt->clock);
  rt->slow_traceback_ref = rt->module_ref = rt->at_close_ref = LUA_NOREF;
  rt->late_tree_ref = LUA_NOREF;
  lua_createtable(L, 0, 1); /* from here on, the collector cleans up */
  lua_pushcfunction(L, runtime_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  rt->main = lua_tothread(L, -1);
  lua_pop(L, 1);
  neap_report_open(L, rt);
  neap_errors_open(L, rt);
  make_metatables(L, rt);
  lua_pushboolean(L, 0);
  rt->context_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  rt->context_copy_ref = LUA_NOREF;
  int err = neap_loop_open(rt);
  if (err != 0) {
    lua_pushinteger(L, err);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &open_error_key);
    luaL_error(L, "cannot open a loop: %s", uv_strerror(err));
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &runtime_key);
  return rt;
}
