/* SPDX-License-Identifier: MIT */
#include "runtime/future.h"

#include <lauxlib.h>

#include "runtime/anchor.h"
#include "runtime/error.h"
#include "runtime/report.h"
#include "runtime/task.h"
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
  future->retrieved = false;
  future->has_extras = false;
  future->being_cancelled = false;
  future->in_shutdown = false;
}

static bool cancel_plain(lua_State *L, neap_future *future, int message) {
  neap_future_set_message(L, future, message);
  neap_future_settle(L, future, NEAP_FUTURE_CANCELLED);
  return true;
}

static const neap_future_kind plain_kind = {"Future", cancel_plain};

neap_future *neap_future_new(lua_State *L, neap_runtime *rt) {
  neap_future *future = lua_newuserdatauv(L, sizeof *future, 2);
  neap_future_init(future, rt, &plain_kind);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->future_ref);
  lua_setmetatable(L, -2);
  return future;
}

/* The two metatables of each kind are known by their addresses. */
neap_future *neap_to_future(lua_State *L, neap_runtime *rt, int index) {
  void *data = lua_touserdata(L, index);
  if (data == NULL || !lua_getmetatable(L, index)) {
    return NULL;
  }
  const void *metatable = lua_topointer(L, -1);
  lua_pop(L, 1);
  if (metatable == rt->task_metatables[0] ||
      metatable == rt->task_metatables[1] ||
      metatable == rt->future_metatables[0] ||
      metatable == rt->future_metatables[1]) {
    return data;
  }
  return NULL;
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
  neap_runtime *rt = future->rt;
  bool is_task = neap_future_task(future) != NULL;
  neap_remember_failure(L, future, index);
  lua_setiuservalue(L, index, NEAP_OUTCOME_VALUE);
  /* Only a failed one needs a finalizer. */
  lua_rawgeti(L, LUA_REGISTRYINDEX,
              is_task ? rt->failed_task_ref : rt->failed_future_ref);
  lua_setmetatable(L, index);
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
    neap_future_push_message(L, index);
    neap_error_new(L, future->rt, NEAP_CANCELLED_ERROR);
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
  }
  return n;
}

bool neap_future_cancel(lua_State *L, neap_future *future, int message) {
  neap_runtime *rt = future->rt;
  if (future->state != NEAP_PENDING) {
    return false;
  }
  /* A list instead of recursion: awaiters may be chained a million deep. What
   * is found on the way is put at its front, so the order is depth first. */
  NEAP_CHECK(rt->cancels == NULL);
  bool taken = future->kind->cancel(L, future, message);
  while (rt->cancels != NULL) {
    neap_future *next = rt->cancels;
    rt->cancels = next->next_cancel;
    next->being_cancelled = false;
    if (next->state == NEAP_PENDING) {
      next->kind->cancel(L, next, message);
    }
  }
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

void neap_future_set_message(lua_State *L, neap_future *future, int message) {
  message = message == 0 ? 0 : lua_absindex(L, message);
  neap_push_future(L, future);
  if (future->has_extras) {
    lua_getiuservalue(L, -1, NEAP_EXTRAS_VALUE);
  }
  if (message != 0) {
    lua_pushvalue(L, message);
  } else if (future->has_extras) {
    lua_pushboolean(L, 0); /* keeps the place, so that setting cannot fail */
  } else {
    lua_pushnil(L);
  }
  if (future->has_extras) {
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
  } else {
    lua_setiuservalue(L, -2, NEAP_EXTRAS_VALUE);
  }
  lua_pop(L, 1);
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
