/* SPDX-License-Identifier: MIT */
/* internal.c - what neap's own Lua (bindings/lua) needs and users do not. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/await.h"
#include "runtime/callback.h"
#include "runtime/context.h"
#include "runtime/error.h"
#include "runtime/loop.h"
#include "runtime/report.h"
#include "runtime/task.h"

static const char *const state_names[] = {
    /* ORDER neap_future_state */
    "pending", "finished", "failed", "cancelled"};

static int k_waited(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* wait_done(future): waits until it is done, whatever its outcome; cancelling
 * the waiter leaves it alone. */
static int l_wait_done(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  return neap_await_done(L, rt, neap_check_future(L, rt, 1), k_waited);
}

/* is_future(value) -> boolean */
static int l_is_future(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_pushboolean(L, neap_to_future(L, rt, 1) != NULL);
  return 1;
}

/* state(future) -> "pending", "finished", "failed" or "cancelled": without
 * looking at its error. */
static int l_state(lua_State *L) {
  neap_future *future = neap_check_future(L, neap_runtime_up(L), 1);
  lua_pushstring(L, state_names[future->state]);
  return 1;
}

/* outcome(future) -> state, first result or error: looks at its error. */
static int l_outcome(lua_State *L) {
  neap_future *future = neap_check_future(L, neap_runtime_up(L), 1);
  lua_settop(L, 1);
  lua_pushstring(L, state_names[future->state]);
  if (future->state == NEAP_FINISHED) {
    int n = neap_future_results(L, future, 1);
    if (n == 0) {
      return 1;
    }
    lua_copy(L, -n, 3);
    lua_settop(L, 3);
  } else {
    neap_future_push_error(L, future, 1);
  }
  return 2;
}

/* fail(future, err): as set_exception, with any value; a CancelledError makes
 * it cancelled. */
static int l_fail(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_plain_future(L, rt, 1);
  lua_settop(L, 2);
  if (future->state != NEAP_PENDING) {
    return 0;
  }
  if (neap_error_is(L, rt, 2, NEAP_CANCELLED_ERROR)) {
    lua_setiuservalue(L, 1, NEAP_OUTCOME_VALUE);
    neap_future_settle(L, future, NEAP_FUTURE_CANCELLED);
  } else {
    neap_future_store_error(L, future, 1);
    neap_future_settle(L, future, NEAP_FAILED);
  }
  return 0;
}

/* adopt(future, other): gives the pending future the outcome of other. */
static int l_adopt(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_plain_future(L, rt, 1);
  neap_future *other = neap_check_future(L, rt, 2);
  lua_settop(L, 2);
  if (future->state != NEAP_PENDING || other->state == NEAP_PENDING) {
    return 0;
  }
  if (other->state == NEAP_FINISHED) {
    neap_future_store(L, future, 1, neap_future_results(L, other, 2));
  } else {
    neap_future_push_error(L, other, 2);
    if (other->state == NEAP_FAILED) {
      neap_future_store_error(L, future, 1);
    } else {
      lua_setiuservalue(L, 1, NEAP_OUTCOME_VALUE);
    }
  }
  neap_future_settle(L, future, (neap_future_state)other->state);
  return 0;
}

/* ---- gather's future ---- */

/* All children have ended, but their callbacks are still to be called: as in
 * asyncio, the request stays with the task that waits here. */
static void cancel_waiters(lua_State *L, neap_future *future,
                           const neap_request_to_cancel *request) {
  neap_list *waiters = &future->waiters;
  for (neap_link *l = waiters->next; l != waiters; l = l->next) {
    neap_task *task = neap_job_task(NEAP_CONTAINER_OF(l, neap_job, link));
    if (task != NULL) {
      task->must_cancel = true;
      neap_future_note_request(L, &task->future, request);
    }
  }
}

/* Its extras: children, a sequence; cancel_requested, false or true. Cancelling
 * it cancels the children, and it ends when they do. */
static bool cancel_gather(lua_State *L, neap_future *future,
                          const neap_request_to_cancel *request) {
  int top = lua_gettop(L);
  neap_future_note_request(L, future, request);
  neap_push_future(L, future);
  neap_future_push_extras(L, future, -1); /* is there: needs no memory */
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, "cancel_requested");
  lua_getfield(L, -1, "children");
  bool none = true;
  /* Backwards: the last one put on the list is the first to be cancelled. */
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 1; i--) {
    lua_rawgeti(L, -1, i);
    neap_future *child = lua_touserdata(L, -1);
    if (child->state == NEAP_PENDING) {
      neap_future_cancel_later(child);
      none = false;
    }
    lua_pop(L, 1);
  }
  lua_settop(L, top);
  if (none) {
    cancel_waiters(L, future, request);
  }
  return true;
}

static const neap_future_kind gather_kind = {"Gather", cancel_gather};

/* gather_future(children) -> Future
 * children  sequence of Tasks and Futures, each with a done callback */
static int l_gather_future(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  neap_future *future = neap_future_new(L, rt);
  future->kind = &gather_kind;
  neap_future_push_extras(L, future, -1);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "children");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "cancel_requested");
  lua_pop(L, 1);
  return 1;
}

/* label(future, name, children) -> future: how the tree of tasks shows it. */
static int l_label(lua_State *L) {
  neap_future *future = neap_check_future(L, neap_runtime_up(L), 1);
  lua_settop(L, 3);
  neap_future_push_extras(L, future, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "label");
  lua_pushvalue(L, 3);
  lua_setfield(L, -2, "children");
  lua_settop(L, 1);
  return 1;
}

/* add_done_callback(future, fn, outer): fn(future, outer) is called once the
 * future is done; outer fails if it cannot be, for want of memory say. */
static int l_add_done_callback(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_future *future = neap_check_future(L, rt, 1);
  lua_settop(L, 3);
  neap_future_anchor(L, future, 1);
  lua_pushvalue(L, 1);
  lua_insert(L, 3);
  neap_callback *callback = neap_callback_new(L, rt, 2);
  callback->is_part = true;
  if (future->state == NEAP_PENDING) {
    neap_list_append(&future->waiters, &callback->job.link);
  } else {
    neap_loop_append(rt, &callback->job);
  }
  return 0;
}

/* cancel_requested(gather future) -> boolean, message */
static int l_cancel_requested(lua_State *L) {
  neap_future *future = neap_check_future(L, neap_runtime_up(L), 1);
  neap_future_push_extra(L, future, 1, "cancel_requested");
  neap_future_push_message(L, 1);
  return 2;
}

/* ---- the rest ---- */

/* check_current(): raises outside of tasks. */
static int l_check_current(lua_State *L) {
  neap_check_current(L, neap_runtime_up(L));
  return 0;
}

/* type_name(value) -> "number", "neap.Task", ... */
static int l_type_name(lua_State *L) {
  luaL_checkany(L, 1);
  if (luaL_getmetafield(L, 1, "__name") != LUA_TSTRING) {
    lua_pushstring(L, luaL_typename(L, 1));
  }
  return 1;
}

/* report(message, err, future): tells the exception handler. */
static int l_report(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_settop(L, 3);
  neap_report(L, rt, luaL_checkstring(L, 1), 2, lua_isnil(L, 3) ? 0 : 3);
  return 0;
}

/* get_context() -> table or nil */
static int l_get_context(lua_State *L) {
  neap_push_context(L, neap_runtime_up(L));
  return 1;
}

/* set_context(context, copy): copy(context) -> context makes a copy. */
static int l_set_context(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (rt->context_copy_ref == LUA_NOREF) {
    rt->context_copy_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_settop(L, 1);
  neap_set_context(L, rt);
  return 0;
}

/* net() -> what neap/net.lua needs of C; the others likewise */
static int l_net(lua_State *L) {
  neap_push_net(L, neap_runtime_up(L));
  return 1;
}

/* signal() -> what neap/signal.lua needs of C */
static int l_signal(lua_State *L) {
  neap_push_signal(L, neap_runtime_up(L));
  return 1;
}

/* process() -> what neap/process.lua needs of C */
static int l_process(lua_State *L) {
  neap_push_process(L, neap_runtime_up(L));
  return 1;
}

/* polls() -> how often libuv was polled */
static int l_polls(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)neap_runtime_up(L)->counters.polls);
  return 1;
}

static int l_tls(lua_State *L) {
  neap_push_tls(L, neap_runtime_up(L));
  return 1;
}

static int l_http_message(lua_State *L) {
  neap_push_http_message(L, neap_runtime_up(L));
  return 1;
}

/* http_client() -> what neap/http_client.lua needs of C */
static int l_http_client(lua_State *L) {
  neap_push_http_client(L, neap_runtime_up(L));
  return 1;
}

/* source(name) -> what the embedded source returns; it runs once each call. */
static int l_source(lua_State *L) {
  neap_run_source(L, neap_runtime_up(L), luaL_checkstring(L, 1));
  return 1;
}

static const luaL_Reg functions[] = {
    {"wait_done",         l_wait_done        },
    {"is_future",         l_is_future        },
    {"state",             l_state            },
    {"outcome",           l_outcome          },
    {"fail",              l_fail             },
    {"adopt",             l_adopt            },
    {"gather_future",     l_gather_future    },
    {"add_done_callback", l_add_done_callback},
    {"cancel_requested",  l_cancel_requested },
    {"label",             l_label            },
    {"check_current",     l_check_current    },
    {"type_name",         l_type_name        },
    {"report",            l_report           },
    {"get_context",       l_get_context      },
    {"set_context",       l_set_context      },
    {"net",               l_net              },
    {"signal",            l_signal           },
    {"process",           l_process          },
    {"polls",             l_polls            },
    {"luv",               neap_load_luv      },
    {"at_close",          neap_set_at_close  },
    {"tls",               l_tls              },
    {"http_message",      l_http_message     },
    {"http_client",       l_http_client      },
    {"source",            l_source           },
    {"watch",             neap_watch_stream  },
    {NULL,                NULL               },
};

void neap_push_internal(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 32);
  neap_set_functions(L, rt, functions);
  lua_pushcfunction(L, neap_traceback_handler);
  lua_setfield(L, -2, "traceback_handler");
  neap_add_session(L, rt);
}
