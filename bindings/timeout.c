/* SPDX-License-Identifier: MIT */
/* timeout.c - bounds on time: wait_for, timeout, timeout_at, move_on_after.
 *
 * The function forms run in the caller's task, under a scope that is plain C
 * memory, so they cost neither a task nor garbage. */
#include <math.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/anchor.h"
#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/scope.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Timeout";

/* ---- the function forms ---- */

/* The stack of a bounded call: what it is for, the message handler, then the
 * function and its arguments, or the results or the error. */
enum { SUBJECT_INDEX = NEAP_AWAITED_INDEX, BOUNDED_HANDLER_INDEX = 2 };

/* [-1, +0, v] Raises TimeoutError, caused by the error on the top. */
static int raise_timeout(lua_State *L, neap_runtime *rt) {
  lua_pushnil(L);
  neap_error_new(L, rt, NEAP_TIMEOUT_ERROR);
  lua_insert(L, -2);
  lua_setfield(L, -2, "cause");
  return lua_error(L);
}

/* Ends the scope of a bounded call. True if its time ran out: then the top is
 * the scope's CancelledError. Raises any other error. */
static bool timed_out(lua_State *L, int status, lua_KContext ctx) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_scope *scope = (neap_scope *)ctx;
  bool mine = neap_scope_exit(L, scope);
  neap_scope_give(rt, scope);
  if (status == LUA_OK || status == LUA_YIELD) {
    return false;
  }
  if (!mine || !neap_error_is(L, rt, -1, NEAP_CANCELLED_ERROR)) {
    lua_error(L);
  }
  return true;
}

static int k_bounded(lua_State *L, int status, lua_KContext ctx) {
  neap_runtime *rt = neap_runtime_up(L);
  if (!timed_out(L, status, ctx)) {
    return lua_gettop(L) - BOUNDED_HANDLER_INDEX;
  }
  /* What was awaited may have finished in the very same instant. */
  neap_future *future = neap_to_future(L, rt, SUBJECT_INDEX);
  if (future != NULL &&
      (future->state == NEAP_FINISHED || future->state == NEAP_FAILED)) {
    return neap_future_results(L, future, SUBJECT_INDEX);
  }
  return raise_timeout(L, rt);
}

static int k_move_on(lua_State *L, int status, lua_KContext ctx) {
  bool in_time = !timed_out(L, status, ctx);
  lua_pushboolean(L, in_time);
  if (!in_time) {
    return 1;
  }
  lua_replace(L, BOUNDED_HANDLER_INDEX);
  return lua_gettop(L) - SUBJECT_INDEX;
}

/* Calls, within `delay` seconds, the function at 3 with the arguments above. */
static int call_bounded(lua_State *L, neap_runtime *rt, double delay,
                        lua_KFunction k) {
  neap_task *task = neap_check_current(L, rt);
  neap_scope *scope = neap_scope_take(L, rt);
  neap_scope_enter(L, scope, task, neap_clock_after(&rt->clock, delay));
  int nargs = lua_gettop(L) - BOUNDED_HANDLER_INDEX - 1;
  lua_KContext ctx = (lua_KContext)scope;
  return k(L, lua_pcallk(L, nargs, LUA_MULTRET, BOUNDED_HANDLER_INDEX, ctx, k),
           ctx);
}

static int k_called(lua_State *L, int status, lua_KContext first) {
  (void)status;
  return lua_gettop(L) - (int)first + 1;
}

/* Calls the function at `first` without a limit. */
static int call_unbounded(lua_State *L, int first) {
  lua_callk(L, lua_gettop(L) - first, LUA_MULTRET, first, k_called);
  return k_called(L, LUA_OK, first);
}

/* The subject of wait_for(future, 0) has ended. */
static int k_cancelled(lua_State *L, int status, lua_KContext ctx) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = (neap_future *)ctx;
  (void)status;
  if (future->state != NEAP_FUTURE_CANCELLED) {
    return neap_future_results(L, future, SUBJECT_INDEX);
  }
  neap_future_push_error(L, future, SUBJECT_INDEX);
  return raise_timeout(L, rt);
}

/* wait_for on a Task or Future. */
static int wait_for_future(lua_State *L, neap_runtime *rt, neap_future *future,
                           bool limited, double delay) {
  lua_settop(L, 1);
  if (future->state != NEAP_PENDING || !limited) {
    return neap_await(L, rt, future);
  }
  neap_check_cycle(L, neap_check_wait(L, rt), future);
  if (delay <= 0) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    neap_future_anchor(L, future, SUBJECT_INDEX);
    neap_request_to_cancel request = {0, 0, NEAP_BY_TIMEOUT};
    neap_future_cancel(L, future, &request);
    return neap_await_done(L, rt, future, k_cancelled);
  }
  lua_pushcfunction(L, neap_traceback_handler);
  lua_pushvalue(L, lua_upvalueindex(2)); /* neap.await */
  lua_pushvalue(L, SUBJECT_INDEX);
  return call_bounded(L, rt, delay, k_bounded);
}

/* wait_for(aw, timeout) -> its results
 * wait_for(fn, timeout, ...) -> fn's results
 * Awaits aw, or calls fn(...) in the running task, but not longer than timeout.
 * aw       Task, Future, or an object with an `await` method
 * timeout  seconds; nil: no limit; <= 0: only what is done already succeeds
 * raises   TimeoutError, after aw was cancelled and has cleaned up; its error;
 *          CancelledError.
 * waits    if needed. */
static int l_wait_for(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_to_future(L, rt, 1);
  bool is_function = lua_isfunction(L, 1);
  if (future == NULL && !is_function) {
    neap_check_awaitable(L, 1);
  }
  bool limited = !lua_isnoneornil(L, 2);
  double delay = limited ? neap_check_seconds(L, 2) : 0;
  if (future != NULL) {
    return wait_for_future(L, rt, future, limited, delay);
  }
  neap_check_current(L, rt);
  if (!is_function) {
    lua_settop(L, 2);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_replace(L, 1); /* neap.await, timeout, aw */
  }
  if (!limited) {
    lua_remove(L, 2);
    return call_unbounded(L, 1);
  }
  if (delay <= 0) {
    lua_pushnil(L);
    neap_error_new(L, rt, NEAP_CANCELLED_ERROR);
    return raise_timeout(L, rt);
  }
  lua_pushboolean(L, 0); /* no future is the subject */
  lua_insert(L, 1);
  lua_pushcfunction(L, neap_traceback_handler);
  lua_insert(L, 2);
  lua_remove(L, 4);
  return call_bounded(L, rt, delay, k_bounded);
}

/* Stack: delay, fn, ...; becomes: delay, handler, fn, ... */
static int call_within(lua_State *L, neap_runtime *rt, lua_KFunction k) {
  double delay = lua_isnil(L, 1) ? HUGE_VAL : neap_check_seconds(L, 1);
  neap_check_callable(L, 2);
  lua_pushcfunction(L, neap_traceback_handler);
  lua_insert(L, 2);
  return call_bounded(L, rt, delay, k);
}

/* move_on_after(delay, fn, ...) -> true, fn's results | false
 * Calls fn(...) in the running task; false if time ran out, which is no error.
 * delay   seconds; nil: no limit
 * raises  fn's error; CancelledError.
 * waits   if fn does. */
static int l_move_on_after(lua_State *L) {
  return call_within(L, neap_runtime_up(L), k_move_on);
}

/* ---- the block form ---- */

static neap_scope *check_scope(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE_NAME);
}

/* [-0, +1, v] Pushes a scope of the running task. */
static int enter(lua_State *L, neap_runtime *rt, uint64_t deadline) {
  neap_task *task = neap_check_current(L, rt);
  neap_scope *scope = lua_newuserdatauv(L, sizeof *scope, 0);
  scope->task = NULL;
  luaL_setmetatable(L, TYPE_NAME);
  neap_anchors_reserve(L, rt, 1);
  neap_scope_enter(L, scope, task, deadline);
  scope->anchor = neap_anchor(L, rt, -1);
  return 1;
}

/* timeout(delay) -> scope
 * timeout(delay, fn, ...) -> fn's results
 * Bounds the rest of the block, `local scope <close> = neap.timeout(3)`, or the
 * call of fn, in the running task.
 * delay   seconds; nil: no limit yet
 * raises  TimeoutError at the block's end, or from the call.
 * waits   never; if fn does. */
static int l_timeout(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (lua_gettop(L) > 1) {
    return call_within(L, rt, k_bounded);
  }
  if (lua_isnoneornil(L, 1)) {
    return enter(L, rt, NEAP_NEVER);
  }
  double delay = neap_check_seconds(L, 1);
  return enter(L, rt, neap_clock_after(&rt->clock, delay));
}

/* [-0, +0, v] A point on the clock of neap.time(); nil is never. */
static uint64_t check_when(lua_State *L, int arg) {
  return lua_isnoneornil(L, arg)
             ? NEAP_NEVER
             : neap_clock_from_seconds(neap_check_seconds(L, arg));
}

/* timeout_at(when) -> scope
 * As timeout, with a point on the clock of neap.time(). */
static int l_timeout_at(lua_State *L) {
  return enter(L, neap_runtime_up(L), check_when(L, 1));
}

/* scope:reschedule(when)
 * when    point on the clock of neap.time(), or nil for none
 * raises  if the block has ended or its time has run out. */
static int l_reschedule(lua_State *L) {
  neap_scope *scope = check_scope(L);
  uint64_t deadline = check_when(L, 2);
  if (scope->task == NULL || scope->state != NEAP_SCOPE_ENTERED) {
    return luaL_error(L, "cannot reschedule a timeout that has %s",
                      scope->state == NEAP_SCOPE_EXITED ? "ended" : "expired");
  }
  neap_scope_reschedule(L, scope, deadline);
  return 0;
}

/* scope:when() -> number or nil
 * Its point on the clock of neap.time(). */
static int l_when(lua_State *L) {
  neap_scope *scope = check_scope(L);
  if (scope->deadline == NEAP_NEVER) {
    lua_pushnil(L);
  } else {
    lua_pushnumber(L, neap_clock_to_seconds(scope->deadline));
  }
  return 1;
}

/* scope:expired() -> boolean
 * Whether its time ran out. */
static int l_expired(lua_State *L) {
  neap_scope *scope = check_scope(L);
  lua_pushboolean(L, scope->state == NEAP_SCOPE_EXPIRING ||
                         scope->state == NEAP_SCOPE_EXPIRED);
  return 1;
}

/* The block ends: __close(scope, err). */
static int l_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_scope *scope = check_scope(L);
  lua_settop(L, 2);
  if (neap_scope_exit(L, scope) &&
      neap_error_is(L, rt, 2, NEAP_CANCELLED_ERROR)) {
    return raise_timeout(L, rt);
  }
  return 0;
}

static const luaL_Reg scope_methods[] = {
    {"reschedule", l_reschedule},
    {"when",       l_when      },
    {"expired",    l_expired   },
    {NULL,         NULL        },
};

static const luaL_Reg scope_metamethods[] = {
    {"__close", l_close},
    {NULL,      NULL   },
};

static const luaL_Reg functions[] = {
    {"move_on_after", l_move_on_after}, /* waits */
    {"timeout",       l_timeout      }, /* waits */
    {"timeout_at",    l_timeout_at   },
    {NULL,            NULL           },
};

void neap_bind_timeout(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
  lua_pushlightuserdata(L, rt);
  lua_getfield(L, -2, "await");
  lua_pushcclosure(L, l_wait_for, 2);
  lua_setfield(L, -2, "wait_for");
  luaL_newmetatable(L, TYPE_NAME);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  neap_set_class(L, rt, scope_metamethods, scope_methods);
}
