/* SPDX-License-Identifier: MIT */
#include "runtime/future.h"

#include <lauxlib.h>

#include "runtime/anchor.h"
#include "runtime/error.h"
#include "runtime/report.h"
#include "runtime/task.h"
#include "runtime/track.h"
#include "runtime/wait.h"

/* Most results that fit on a stack when they are unpacked. */
enum { MAX_RESULTS = 100000 };

void neap_future_init(neap_future *future, neap_runtime *rt,
                      const neap_future_kind *kind) {
  future->rt = rt;
  future->kind = kind;
  neap_list_init(&future->waiters);
  future->failure.prev = future->failure.next = NULL;
  future->next_cancel = NULL;
  future->anchor = 0;
  future->nresults = 0;
  future->state = NEAP_PENDING;
  future->origin = NEAP_BY_NOBODY;
  future->retrieved = false;
  future->has_extras = false;
  future->being_cancelled = false;
  future->in_shutdown = false;
}

static bool cancel_plain(lua_State *L, neap_future *future,
                         const neap_request_to_cancel *request) {
  neap_future_note_request(L, future, request);
  neap_future_settle(L, future, NEAP_FUTURE_CANCELLED);
  return true;
}

static const neap_future_kind plain_kind = {"Future", cancel_plain};

neap_future *neap_future_new(lua_State *L, neap_runtime *rt) {
  neap_future *future =
      lua_newuserdatauv(L, sizeof *future, NEAP_FUTURE_VALUES);
  neap_future_init(future, rt, &plain_kind);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->future_ref);
  lua_setmetatable(L, -2);
  if (rt->tracking) {
    neap_track(L, rt, rt->created_ref);
  }
  return future;
}

/* The metatables are known by their addresses. */
neap_future *neap_to_future(lua_State *L, neap_runtime *rt, int index) {
  void *data = lua_touserdata(L, index);
  if (data == NULL || !lua_getmetatable(L, index)) {
    return NULL;
  }
  const void *metatable = lua_topointer(L, -1);
  lua_pop(L, 1);
  return metatable == rt->task_metatable || metatable == rt->future_metatable
             ? data
             : NULL;
}

void neap_push_future(lua_State *L, neap_future *future) {
  NEAP_CHECK(future->anchor != 0);
  neap_push_anchored(L, future->anchor);
}

void neap_future_anchor(lua_State *L, neap_future *future, int index) {
  if (future->anchor == 0 && future->state == NEAP_PENDING) {
    neap_anchors_reserve(L, future->rt, 1);
    future->anchor = neap_anchor(L, future->rt, index);
  }
}

void neap_future_store(lua_State *L, neap_future *future, int index, int n) {
  future->nresults = n;
  if (n > 1) {
    lua_createtable(L, n, 0);
    lua_insert(L, -n - 1);
    for (int i = n; i >= 1; i--) {
      lua_rawseti(L, -i - 1, i);
    }
  }
  if (n > 0) {
    lua_setiuservalue(L, index, NEAP_OUTCOME_VALUE);
  }
}

void neap_future_store_error(lua_State *L, neap_future *future, int index) {
  neap_remember_failure(L, future, index);
  lua_setiuservalue(L, index, NEAP_OUTCOME_VALUE);
}

void neap_future_settle(lua_State *L, neap_future *future,
                        neap_future_state state) {
  neap_runtime *rt = future->rt;
  NEAP_CHECK(future->state == NEAP_PENDING);
  future->state = (uint8_t)state;
  if (state == NEAP_FAILED && !future->retrieved) {
    future->in_shutdown = rt->shutting_down;
    neap_list_append(&rt->failed, &future->failure);
  }
  neap_link *link;
  while ((link = neap_list_shift(&future->waiters)) != NULL) {
    neap_wake_job(rt, NEAP_CONTAINER_OF(link, neap_job, link));
  }
  if (future->anchor != 0) {
    neap_unanchor(L, rt, future->anchor);
    future->anchor = 0;
  }
}

void neap_future_retrieve(neap_future *future) {
  future->retrieved = true;
  neap_list_remove(&future->failure);
}

void neap_future_push_error(lua_State *L, neap_future *future, int index) {
  index = lua_absindex(L, index);
  neap_future_retrieve(future);
  int type = lua_getiuservalue(L, index, NEAP_OUTCOME_VALUE);
  if (future->state == NEAP_FUTURE_CANCELLED && type == LUA_TNIL) {
    /* Cancelled without having run: the error is made for who asks first. */
    lua_pop(L, 1);
    neap_future_push_cancelled(L, future, index);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, NEAP_OUTCOME_VALUE);
  }
}

int neap_future_results(lua_State *L, neap_future *future, int index) {
  if (future->state != NEAP_FINISHED) {
    neap_future_push_error(L, future, index);
    return lua_error(L);
  }
  int n = future->nresults;
  if (n == 0) {
    return 0;
  }
  lua_getiuservalue(L, index, NEAP_OUTCOME_VALUE);
  if (n > 1) {
    if (n > MAX_RESULTS) {
      return luaL_error(L, "too many results to return (%d)", n);
    }
    luaL_checkstack(L, n + 1, "too many results");
    for (int i = 1; i <= n; i++) {
      lua_rawgeti(L, -i, i);
    }
    lua_remove(L, -n - 1); /* the table */
  }
  return n;
}

/* Cancels one, and puts it on the list `passed` if the request went on from it
 * to others. */
static bool cancel_one(lua_State *L, neap_future *future,
                       const neap_request_to_cancel *request,
                       neap_future **passed) {
  neap_future *before = future->rt->cancels;
  future->being_cancelled = true;
  bool taken = future->kind->cancel(L, future, request);
  if (future->rt->cancels == before) {
    future->being_cancelled = false;
  } else {
    future->next_cancel = *passed;
    *passed = future;
  }
  return taken;
}

bool neap_future_cancel(lua_State *L, neap_future *future,
                        const neap_request_to_cancel *request) {
  neap_runtime *rt = future->rt;
  if (future->state != NEAP_PENDING) {
    return false;
  }
  /* A list instead of recursion: awaiters may be chained a million deep. What
   * is found on the way is put at its front, so the order is depth first. */
  NEAP_CHECK(!rt->cancelling);
  rt->cancelling = true;
  /* Those that passed it on do so once: by way of gather, they may form a ring. */
  neap_future *passed = NULL;
  bool taken = cancel_one(L, future, request, &passed);
  while (rt->cancels != NULL) {
    neap_future *next = rt->cancels;
    rt->cancels = next->next_cancel;
    next->being_cancelled = false;
    if (next->state == NEAP_PENDING) {
      cancel_one(L, next, request, &passed);
    }
  }
  for (; passed != NULL; passed = passed->next_cancel) {
    passed->being_cancelled = false;
  }
  rt->cancelling = false;
  return taken;
}

void neap_future_cancel_later(neap_future *other) {
  neap_runtime *rt = other->rt;
  if (!other->being_cancelled) {
    other->being_cancelled = true;
    other->next_cancel = rt->cancels;
    rt->cancels = other;
  }
}

/* [-0, +1, -] Pushes the value at `index`, or nil for 0. */
static void push_or_nil(lua_State *L, int index) {
  if (index == 0) {
    lua_pushnil(L);
  } else {
    lua_pushvalue(L, index);
  }
}

void neap_future_note_request(lua_State *L, neap_future *future,
                              const neap_request_to_cancel *request) {
  future->origin = (uint8_t)request->origin;
  neap_push_future(L, future);
  push_or_nil(L, request->source);
  lua_setiuservalue(L, -2, NEAP_SOURCE_VALUE);
  if (future->has_extras) {
    lua_getiuservalue(L, -1, NEAP_EXTRAS_VALUE);
    push_or_nil(L, request->message);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0); /* keeps the place, so that setting cannot fail */
    }
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
  } else {
    push_or_nil(L, request->message);
    lua_setiuservalue(L, -2, NEAP_EXTRAS_VALUE);
  }
  lua_pop(L, 1);
}

/* [-0, +1, m] Pushes who asked for the last cancellation, or nil. */
static void push_source(lua_State *L, neap_future *future, int index) {
  static const char *const sources[] = {/* ORDER neap_origin */
                                        NULL,
                                        NULL,
                                        "a timeout",
                                        "the end of the run",
                                        "an interrupt",
                                        "the end of the connection",
                                        "the end of the server"};
  if (lua_getiuservalue(L, index, NEAP_SOURCE_VALUE) == LUA_TNIL &&
      sources[future->origin] != NULL) {
    lua_pop(L, 1);
    lua_pushstring(L, sources[future->origin]);
  }
}

void neap_future_push_cancelled(lua_State *L, neap_future *future, int index) {
  index = lua_absindex(L, index);
  neap_future_push_message(L, index);
  neap_error_new(L, future->rt, NEAP_CANCELLED_ERROR);
  push_source(L, future, index);
  lua_setfield(L, -2, "source");
}

void neap_future_push_message(lua_State *L, int index) {
  if (lua_getiuservalue(L, index, NEAP_EXTRAS_VALUE) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    lua_replace(L, -2);
    if (!lua_toboolean(L, -1)) {
      lua_pop(L, 1);
      lua_pushnil(L);
    }
  }
}

void neap_future_push_extras(lua_State *L, neap_future *future, int index) {
  index = lua_absindex(L, index);
  lua_getiuservalue(L, index, NEAP_EXTRAS_VALUE);
  if (!future->has_extras) {
    lua_createtable(L, 1, 1);
    lua_insert(L, -2);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawseti(L, -2, 1); /* the message, or false */
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, index, NEAP_EXTRAS_VALUE);
    future->has_extras = true;
  }
}

void neap_future_push_extra(lua_State *L, neap_future *future, int index,
                            const char *name) {
  if (!future->has_extras) {
    lua_pushnil(L);
    return;
  }
  lua_getiuservalue(L, index, NEAP_EXTRAS_VALUE);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  lua_replace(L, -2);
}
