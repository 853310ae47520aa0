/* SPDX-License-Identifier: MIT */
/* callback.c - call_soon, call_later, call_at, and the handles they return. */
#include "runtime/callback.h"

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/loop.h"

/* Schedules the function and arguments at the top of the stack, from `first`
 * on, and returns the handle. */
static int schedule(lua_State *L, neap_runtime *rt, int first, bool timed,
                    uint64_t deadline) {
  neap_check_callable(L, first);
  neap_check_running(L, rt);
  neap_callback *callback = neap_callback_new(L, rt, lua_gettop(L) - first);
  if (timed && !neap_clock_reserve(&rt->clock)) {
    neap_callback_release(L, callback);
    return luaL_error(L, "not enough memory");
  }
  callback->timed = timed;
  callback->deadline = deadline;
  if (timed && deadline == NEAP_NEVER) {
    neap_callback_release(L, callback); /* nobody will ever call it */
  } else if (timed) {
    neap_clock_arm(&rt->clock, &callback->job, deadline);
  } else {
    neap_loop_append(rt, &callback->job);
  }
  return 1;
}

/* call_soon(fn, ...) -> handle
 * Calls fn(...) from the loop, on its next pass, outside of any task. */
static int l_call_soon(lua_State *L) {
  return schedule(L, neap_runtime_up(L), 1, false, 0);
}

/* call_later(delay, fn, ...) -> handle
 * delay  seconds; math.huge: never */
static int l_call_later(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  double delay = neap_check_seconds(L, 1);
  return schedule(L, rt, 2, true, neap_clock_after(&rt->clock, delay));
}

/* call_at(when, fn, ...) -> handle
 * when  a point on the clock of neap.time() */
static int l_call_at(lua_State *L) {
  double when = neap_check_seconds(L, 1);
  return schedule(L, neap_runtime_up(L), 2, true,
                  neap_clock_from_seconds(when));
}

static neap_callback *check_handle(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  void *data = lua_touserdata(L, 1);
  if (data != NULL && lua_getmetatable(L, 1)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->callback_ref);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (same) {
      return data;
    }
  }
  luaL_typeerror(L, 1, "Handle");
  return NULL;
}

/* handle:cancel()
 * The function will not be called, unless it was already. */
static int l_cancel(lua_State *L) {
  neap_callback_cancel(L, check_handle(L));
  return 0;
}

/* handle:cancelled() -> boolean */
static int l_cancelled(lua_State *L) {
  lua_pushboolean(L, check_handle(L)->state == NEAP_CALLBACK_CANCELLED);
  return 1;
}

/* handle:when() -> number or nil
 * Its point on the clock of neap.time(); nil for call_soon. */
static int l_when(lua_State *L) {
  neap_callback *callback = check_handle(L);
  if (!callback->timed) {
    lua_pushnil(L);
  } else {
    lua_pushnumber(L, neap_clock_to_seconds(callback->deadline));
  }
  return 1;
}

static const luaL_Reg methods[] = {
    {"cancel",    l_cancel   },
    {"cancelled", l_cancelled},
    {"when",      l_when     },
    {NULL,        NULL       },
};

static const luaL_Reg functions[] = {
    {"call_soon",  l_call_soon },
    {"call_later", l_call_later},
    {"call_at",    l_call_at   },
    {NULL,         NULL        },
};

void neap_bind_callback(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
  neap_set_methods(L, rt, rt->callback_ref, NULL, methods);
}
