/* SPDX-License-Identifier: MIT */
#include "runtime/debug.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/future.h"
#include "runtime/report.h"
#include "runtime/task.h"

/* Instructions between two looks at the clock. */
enum { LOOK_EVERY = 10000 };

/* ---- slow steps ---- */

/* Seconds: neap.slow_step, or the default if that is no number. */
static double slow_step(lua_State *L, neap_runtime *rt) {
  double limit = NEAP_SLOW_STEP;
  if (rt->module_ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->module_ref);
    lua_pushliteral(L, "slow_step");
    lua_rawget(L, -2);
    if (lua_type(L, -1) == LUA_TNUMBER) {
      limit = lua_tonumber(L, -1);
    }
    lua_pop(L, 2);
  }
  return limit;
}

static double seconds_since(uint64_t began) {
  return neap_clock_to_seconds(uv_hrtime() - began);
}

/* The step takes too long already: takes down what it is doing. */
static void hook(lua_State *L, lua_Debug *ar) {
  neap_runtime *rt = neap_runtime_of(L);
  (void)ar;
  if (rt->slow_traceback_ref == LUA_NOREF &&
      seconds_since(rt->step_began) > slow_step(L, rt)) {
    luaL_traceback(L, L, NULL, 0);
    rt->slow_traceback_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
}

void neap_debug_enter(neap_runtime *rt, lua_State *co) {
  (void)rt;
  if (lua_gethook(co) == NULL) { /* a user's stays */
    lua_sethook(co, hook, LUA_MASKCOUNT, LOOK_EVERY);
  }
}

/* Protected. 1: the task, 2: seconds, 3: traceback or nil. */
static int report_slow(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_task *task = lua_touserdata(L, 1);
  neap_push_task_name(L, task, 1);
  const char *trace = lua_tostring(L, 3);
  lua_pushfstring(L, "%s held the loop for %f s\n%s", lua_tostring(L, -1),
                  lua_tonumber(L, 2),
                  trace != NULL ? trace : "(in a C function, it has returned)");
  neap_report(L, rt, "slow step", lua_gettop(L), 1);
  return 0;
}

void neap_debug_end_step(lua_State *L, neap_task *task, uint64_t began) {
  neap_runtime *rt = task->future.rt;
  double seconds = seconds_since(began);
  if (lua_gethook(task->co) == hook) {
    lua_sethook(task->co, NULL, 0, 0);
  }
  if (rt->debug && seconds > slow_step(L, rt) && lua_checkstack(L, 8)) {
    lua_pushcfunction(L, report_slow);
    neap_push_future(L, &task->future);
    lua_pushnumber(L, seconds);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->slow_traceback_ref);
    if (lua_pcall(L, 3, 0, 0) != LUA_OK) {
      lua_pop(L, 1);
    }
  }
  luaL_unref(L, LUA_REGISTRYINDEX, rt->slow_traceback_ref);
  rt->slow_traceback_ref = LUA_NOREF;
}

/* ---- creation ---- */

void neap_debug_created(lua_State *L, neap_task *task, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_future_push_extras(L, &task->future, index);
  luaL_traceback(L, L, "the task was created here:", 1);
  lua_setfield(L, -2, "created");
  lua_pop(L, 1);
}

/* ---- swallowed cancellations ---- */

/* Whether the function on the top is the global of that name. Pops it. */
static bool is_global(lua_State *L, const char *name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  bool same = lua_rawequal(L, -1, -3);
  lua_pop(L, 2);
  return same;
}

void neap_debug_cancelling(lua_State *L, neap_task *task) {
  lua_Debug ar;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "f", &ar);
    bool catches = is_global(L, "pcall") || is_global(L, "xpcall");
    lua_pop(L, 1);
    if (catches && lua_getstack(L, level + 1, &ar)) {
      lua_getinfo(L, "Sl", &ar);
      neap_push_future(L, &task->future);
      neap_future_push_extras(L, &task->future, -1);
      lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
      lua_setfield(L, -2, "caught_at");
      lua_pop(L, 2);
      return;
    }
  }
}

/* Protected. 1: the task. */
static int report_swallowed(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_task *task = lua_touserdata(L, 1);
  neap_future_push_extra(L, &task->future, 1, "caught_at");
  if (lua_isnil(L, -1)) {
    return 0; /* it was never raised */
  }
  neap_push_task_name(L, task, 1);
  lua_pushfstring(L,
                  "%s caught its CancelledError in the pcall at %s and "
                  "went on (neap.pcall lets it through)",
                  lua_tostring(L, -1), lua_tostring(L, -2));
  neap_report(L, rt, "swallowed cancellation", lua_gettop(L), 1);
  return 0;
}

void neap_debug_returned(lua_State *L, neap_task *task) {
  if (task->cancelling > 0 && lua_checkstack(L, 4)) {
    lua_pushcfunction(L, report_swallowed);
    neap_push_future(L, &task->future);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
      lua_pop(L, 1);
    }
  }
}
