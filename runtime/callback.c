/* SPDX-License-Identifier: MIT */
#include "runtime/callback.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/anchor.h"
#include "runtime/context.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/limits.h"
#include "runtime/report.h"
#include "runtime/task.h"
#include "runtime/track.h"

enum { FUNCTION_VALUE = 1, ARGUMENTS_VALUE = 2, CONTEXT_VALUE = 3 };

/* [-0, +0, -] Enters the context of the callback at 1, or leaves it. No task
 * runs meanwhile, so the context outside of tasks is the current one. */
static void switch_context(lua_State *L, neap_runtime *rt) {
  if (rt->context_copy_ref != LUA_NOREF) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->context_ref);
    if (lua_getiuservalue(L, 1, CONTEXT_VALUE) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawseti(L, LUA_REGISTRYINDEX, rt->context_ref);
    lua_setiuservalue(L, 1, CONTEXT_VALUE);
  }
}

/* [-0, +0, -] Lets go of what the callback at `index` held. */
static void forget(lua_State *L, int index) {
  for (int i = FUNCTION_VALUE; i <= ARGUMENTS_VALUE; i++) {
    lua_pushnil(L);
    lua_setiuservalue(L, index, i);
  }
}

/* Protected: calls the callback at 1. */
static int call(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  bool is_part = ((neap_callback *)lua_touserdata(L, 1))->is_part;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  switch_context(L, rt);
  lua_pushcfunction(L, neap_traceback_handler);
  lua_getiuservalue(L, 1, FUNCTION_VALUE);
  int nargs = 0;
  if (lua_getiuservalue(L, 1, ARGUMENTS_VALUE) == LUA_TTABLE) {
    int packed = lua_gettop(L);
    lua_getfield(L, packed, "n");
    nargs = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, nargs, "too many arguments");
    for (int i = 1; i <= nargs; i++) {
      lua_rawgeti(L, packed, i);
    }
    lua_remove(L, packed);
  } else {
    lua_pop(L, 1);
  }
  forget(L, 1);
  int status = lua_pcall(L, nargs, 0, 2);
  if (status != LUA_OK && !is_part) {
    neap_report(L, rt, "Exception in callback", -1, 0);
  }
  switch_context(L, rt);
  return status != LUA_OK && is_part ? lua_error(L) : 0;
}

/* [-1, +0, -] The callback, whose future lies below the error on the top, could
 * not do its part: whoever waits for that future must not wait for ever. Not by
 * neap_future_store_error, as there may be no memory. */
static void fail_future(lua_State *L) {
  neap_future *future = lua_touserdata(L, -2);
  if (future->state == NEAP_PENDING) {
    lua_setiuservalue(L, -2, NEAP_OUTCOME_VALUE);
    future->retrieved = true;
    neap_future_settle(L, future, NEAP_FAILED);
  } else {
    lua_pop(L, 1);
  }
}

/* [-0, +1, -] The last argument of the callback on the top, or nil. */
static void push_future_of(lua_State *L, neap_callback *callback) {
  if (!callback->is_part) {
    lua_pushnil(L);
    return;
  }
  lua_getiuservalue(L, -1, ARGUMENTS_VALUE);
  lua_rawgeti(L, -1, (lua_Integer)lua_rawlen(L, -1));
  lua_replace(L, -2);
}

static void run(neap_runtime *rt, neap_job *job) {
  neap_callback *callback = NEAP_CONTAINER_OF(job, neap_callback, job);
  lua_State *L = rt->L;
  callback->state = NEAP_CALLBACK_CALLED;
  neap_push_anchored(L, callback->anchor);
  push_future_of(L, callback);
  lua_insert(L, -2);
  lua_pushcfunction(L, call);
  lua_insert(L, -2);
  neap_callback_release(L, callback);
  bool is_part = callback->is_part;
  rt->executing = L;
  neap_limits_begin_callback(rt, L);
  bool failed = lua_pcall(L, 1, 0, 0) != LUA_OK;
  if (failed && is_part) {
    fail_future(L);
  } else if (failed) {
    lua_pop(L, 1); /* no memory left to report an error with */
  }
  lua_pop(L, 1);
  rt->executing = NULL;
  neap_interrupt_step_ended(rt);
}

neap_callback *neap_callback_new(lua_State *L, neap_runtime *rt, int nargs) {
  luaL_checkstack(L, 5, NULL);
  neap_callback *callback = lua_newuserdatauv(L, sizeof *callback, 3);
  memset(callback, 0, sizeof *callback);
  callback->rt = rt;
  callback->job.run = run;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->callback_ref);
  lua_setmetatable(L, -2);
  if (rt->tracking) {
    neap_track(L, rt, rt->created_ref);
  }
  lua_insert(L, -nargs - 2);
  if (nargs > 0) {
    lua_createtable(L, nargs, 1);
    lua_insert(L, -nargs - 1);
    for (int i = nargs; i >= 1; i--) {
      lua_rawseti(L, -i - 1, i);
    }
    lua_pushinteger(L, nargs);
    lua_setfield(L, -2, "n");
    lua_setiuservalue(L, -3, ARGUMENTS_VALUE);
  }
  lua_setiuservalue(L, -2, FUNCTION_VALUE);
  if (rt->context_copy_ref != LUA_NOREF) {
    neap_push_inherited_context(L, rt);
    lua_setiuservalue(L, -2, CONTEXT_VALUE);
  }
  neap_anchors_reserve(L, rt, 1); /* last: finalizers may take some, too */
  callback->anchor = neap_anchor(L, rt, -1);
  return callback;
}

void neap_callback_release(lua_State *L, neap_callback *callback) {
  neap_unanchor(L, callback->rt, callback->anchor);
  callback->anchor = 0;
}

void neap_callback_cancel(lua_State *L, neap_callback *callback) {
  if (callback->state == NEAP_CALLBACK_PENDING) {
    callback->state = NEAP_CALLBACK_CANCELLED;
    neap_clock_disarm(&callback->rt->clock, &callback->job);
    neap_list_remove(&callback->job.link);
    if (callback->anchor != 0) {
      neap_push_anchored(L, callback->anchor);
      forget(L, lua_gettop(L));
      lua_pop(L, 1);
      neap_callback_release(L, callback);
    }
  }
}

void neap_callback_push_function(lua_State *L, neap_callback *callback) {
  neap_push_anchored(L, callback->anchor);
  lua_getiuservalue(L, -1, FUNCTION_VALUE);
  lua_replace(L, -2);
}

neap_callback *neap_job_callback(neap_job *job) {
  return job->run == run ? NEAP_CONTAINER_OF(job, neap_callback, job) : NULL;
}
