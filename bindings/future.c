/* SPDX-License-Identifier: MIT */
/* future.c - Task and Future: making, awaiting, reading and cancelling them. */
#include <string.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/await.h"
#include "runtime/callback.h"
#include "runtime/error.h"
#include "runtime/loop.h"
#include "runtime/tree.h"
#include "runtime/wait.h"

/* [-0, +1, m] Pushes who cancels, and where: "Task-1 at script.lua:12". neap's
 * own Lua is passed over. */
static void push_source(lua_State *L, neap_runtime *rt) {
  lua_Debug ar;
  ar.currentline = -1;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline > 0 && strncmp(ar.source, "=neap.", 6) != 0) {
      break;
    }
  }
  char space[LUA_IDSIZE + 64];
  neap_text text = {space, space + sizeof space};
  bool named = rt->current != NULL && rt->current->future.has_extras;
  if (named) {
    neap_push_future(L, &rt->current->future);
    neap_push_task_name(L, rt->current, -1);
    lua_replace(L, -2);
  } else if (rt->current != NULL) {
    neap_add_default_name(&text, rt->current);
  } else {
    neap_text_add(&text, "a callback");
  }
  if (ar.currentline > 0) {
    neap_text_add(&text, " at ");
    neap_text_add(&text, ar.short_src);
    neap_text_add(&text, ":");
    neap_text_add_number(&text, (uint64_t)ar.currentline);
  }
  lua_pushlstring(L, space, (size_t)(text.at - space));
  if (named) {
    lua_concat(L, 2);
  }
}

/* ---- awaiting ---- */

/* task:await() -> its results
 * Waits until it is done. A cancellation of the awaiter goes on to it.
 * raises  its error; CancelledError; an await that would close a cycle.
 * waits   if needed. */
static int l_await(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  return neap_await(L, rt, neap_check_future(L, rt, 1));
}

static int k_called(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

/* await(x) -> its results
 * x       Task, Future, or anything with an `await` method, which is called.
 * raises  as x:await(); bad argument.
 * waits   if needed. */
static int l_await_any(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_to_future(L, rt, 1);
  if (future != NULL) {
    return neap_await(L, rt, future);
  }
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  neap_check_awaitable(L, 1);
  lua_getfield(L, 1, "await");
  lua_insert(L, 1);
  lua_callk(L, 1, LUA_MULTRET, 0, k_called);
  return k_called(L, LUA_OK, 0);
}

static int k_closed(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* local t <close> = task: cancels it unless it is done, and waits. */
static int l_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_future(L, rt, 1);
  if (future->state != NEAP_PENDING) {
    return 0;
  }
  lua_settop(L, 1);
  neap_check_wait(L, rt);
  neap_future_anchor(L, future, 1);
  push_source(L, rt);
  neap_request_to_cancel request = {0, lua_gettop(L), NEAP_BY_CODE};
  neap_future_cancel(L, future, &request);
  return neap_await_done(L, rt, future, k_closed);
}

/* ---- reading ---- */

/* task:result() -> its results
 * raises  InvalidStateError if it is not done; its error; CancelledError. */
static int l_result(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_future(L, rt, 1);
  if (future->state == NEAP_PENDING) {
    return neap_raise(L, rt, NEAP_INVALID_STATE_ERROR, "Result is not set.");
  }
  return neap_future_results(L, future, 1);
}

/* task:exception() -> its error, or nil if it succeeded
 * raises  InvalidStateError if it is not done; CancelledError. */
static int l_exception(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_future(L, rt, 1);
  switch (future->state) {
  case NEAP_PENDING:
    return neap_raise(L, rt, NEAP_INVALID_STATE_ERROR, "Exception is not set.");
  case NEAP_FINISHED:
    lua_pushnil(L);
    return 1;
  default:
    neap_future_push_error(L, future, 1);
    return future->state == NEAP_FAILED ? 1 : lua_error(L);
  }
}

/* task:done() -> boolean */
static int l_done(lua_State *L) {
  neap_future *future = neap_check_future(L, neap_runtime_up(L), 1);
  lua_pushboolean(L, future->state != NEAP_PENDING);
  return 1;
}

/* task:cancelled() -> boolean */
static int l_cancelled(lua_State *L) {
  neap_future *future = neap_check_future(L, neap_runtime_up(L), 1);
  lua_pushboolean(L, future->state == NEAP_FUTURE_CANCELLED);
  return 1;
}

static int l_tostring(lua_State *L) {
  neap_push_future_text(L, neap_check_future(L, neap_runtime_up(L), 1), 1);
  return 1;
}

/* ---- cancelling ---- */

/* task:cancel([message]) -> boolean
 * Requests that CancelledError(message) be raised where the task waits.
 * message  string
 * returns  false if it was done already. */
static int l_cancel(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_future(L, rt, 1);
  neap_request_to_cancel request = {0, 0, NEAP_BY_CODE};
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TSTRING);
    request.message = 2;
  }
  if (future->state == NEAP_PENDING) {
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    neap_future_anchor(L, future, 1);
    push_source(L, rt);
    request.source = lua_gettop(L);
  }
  lua_pushboolean(L, neap_future_cancel(L, future, &request));
  return 1;
}

/* ---- callbacks ---- */

/* task:add_done_callback(fn)
 * fn(task) is called from the loop once the task is done; if it is already, on
 * the next pass. */
static int l_add_done_callback(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_future(L, rt, 1);
  neap_check_callable(L, 2);
  neap_check_running(L, rt);
  neap_future_anchor(L, future, 1);
  lua_settop(L, 2);
  lua_pushvalue(L, 1);
  neap_callback *callback = neap_callback_new(L, rt, 1);
  if (future->state == NEAP_PENDING) {
    neap_list_append(&future->waiters, &callback->job.link);
  } else {
    neap_loop_append(rt, &callback->job);
  }
  return 0;
}

/* task:remove_done_callback(fn) -> number removed */
static int l_remove_done_callback(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_future(L, rt, 1);
  lua_Integer removed = 0;
  luaL_checkany(L, 2);
  neap_link *next;
  for (neap_link *l = future->waiters.next; l != &future->waiters; l = next) {
    next = l->next;
    neap_callback *callback =
        neap_job_callback(NEAP_CONTAINER_OF(l, neap_job, link));
    if (callback != NULL) {
      neap_callback_push_function(L, callback);
      if (lua_rawequal(L, -1, 2)) {
        neap_callback_cancel(L, callback);
        removed++;
      }
      lua_pop(L, 1);
    }
  }
  lua_pushinteger(L, removed);
  return 1;
}

/* ---- plain futures ---- */

/* future() -> Future
 * A result that somebody will set. */
static int l_future(lua_State *L) {
  neap_future_new(L, neap_runtime_up(L));
  return 1;
}

static neap_future *check_unset(lua_State *L, neap_runtime *rt) {
  neap_future *future = neap_check_plain_future(L, rt, 1);
  if (future->state != NEAP_PENDING) {
    neap_raise(L, rt, NEAP_INVALID_STATE_ERROR, "the future is already done");
  }
  return future;
}

/* future:set_result(...)
 * raises  InvalidStateError if it is done, also by a cancellation. */
static int l_set_result(lua_State *L) {
  neap_future *future = check_unset(L, neap_runtime_up(L));
  neap_future_store(L, future, 1, lua_gettop(L) - 1);
  neap_future_settle(L, future, NEAP_FINISHED);
  return 0;
}

/* future:set_exception(err)
 * err     any value but nil
 * raises  as set_result. */
static int l_set_exception(lua_State *L) {
  neap_future *future = check_unset(L, neap_runtime_up(L));
  luaL_argexpected(L, !lua_isnoneornil(L, 2), 2, "error value");
  lua_settop(L, 2);
  neap_future_store_error(L, future, 1);
  neap_future_settle(L, future, NEAP_FAILED);
  return 0;
}

static const luaL_Reg common_methods[] = {
    {"await",                l_await               }, /* waits */
    {"result",               l_result              },
    {"exception",            l_exception           },
    {"done",                 l_done                },
    {"cancelled",            l_cancelled           },
    {"cancel",               l_cancel              },
    {"add_done_callback",    l_add_done_callback   },
    {"remove_done_callback", l_remove_done_callback},
    {NULL,                   NULL                  },
};

static const luaL_Reg future_methods[] = {
    {"set_result",    l_set_result   },
    {"set_exception", l_set_exception},
    {NULL,            NULL           },
};

static const luaL_Reg metamethods[] = {
    {"__tostring", l_tostring},
    {"__close",    l_close   }, /* waits */
    {NULL,         NULL      },
};

static const luaL_Reg functions[] = {
    {"await",  l_await_any}, /* waits */
    {"future", l_future   },
    {NULL,     NULL       },
};

void neap_bind_future(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
  neap_set_methods(L, rt, rt->future_ref, metamethods, common_methods);
  neap_set_methods(L, rt, rt->future_ref, NULL, future_methods);
  neap_set_methods(L, rt, rt->task_ref, metamethods, common_methods);
}
