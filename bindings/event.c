/* SPDX-License-Identifier: MIT */
/* event.c - neap.event: a flag that tasks wait for. */
#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/object.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Event";

/* Owner: Lua's collector; those who wait have it on their stacks. */
typedef struct event {
  neap_list waiters;
  bool is_set;
} event;

static const neap_wait_kind event_kind = {"event", NULL, NULL, NULL, NULL};

static event *check_event(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

/* event() -> Event
 * A flag, not set. */
static int l_event(lua_State *L) {
  event *e = neap_object_new(L, TYPE_NAME, sizeof *e, 0);
  neap_list_init(&e->waiters);
  e->is_set = false;
  return 1;
}

/* event:set()
 * Sets the flag. All who wait for it go on, even if it is cleared before they
 * run. */
static int l_set(lua_State *L) {
  event *e = check_event(L);
  e->is_set = true;
  neap_wake_all(&e->waiters);
  return 0;
}

/* event:clear() */
static int l_clear(lua_State *L) {
  check_event(L)->is_set = false;
  return 0;
}

/* event:is_set() -> boolean */
static int l_is_set(lua_State *L) {
  lua_pushboolean(L, check_event(L)->is_set);
  return 1;
}

static int k_wait(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  lua_pushboolean(L, 1);
  return 1;
}

/* event:wait() -> true
 * raises  outside of a task; CancelledError.
 * waits   until the flag is set; not at all if it is. */
static int l_wait(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  event *e = check_event(L);
  neap_task *task = neap_check_current(L, rt);
  if (e->is_set) {
    return k_wait(L, LUA_OK, 0);
  }
  neap_check_wait(L, rt);
  neap_list_append(&e->waiters, &task->wait.job.link);
  return neap_park(L, task, &event_kind, e, k_wait, 0);
}

static int l_tostring(lua_State *L) {
  event *e = check_event(L);
  lua_pushstring(L, e->is_set ? "<Event set" : "<Event unset");
  neap_push_waiters(L, &e->waiters);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"set",    l_set   },
    {"clear",  l_clear },
    {"is_set", l_is_set},
    {"wait",   l_wait  }, /* waits */
    {NULL,     NULL    },
};

static const luaL_Reg functions[] = {
    {"event", l_event},
    {NULL,    NULL   },
};

void neap_bind_event(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
