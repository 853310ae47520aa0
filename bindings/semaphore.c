/* SPDX-License-Identifier: MIT */
/* semaphore.c - neap.semaphore, neap.bounded_semaphore: so many holders at a
 * time, first come, first served.
 *
 * A slot is taken off for a waiter when it is woken. While such a one has not
 * run yet, who comes later queues behind it, even if slots are free; so
 * whoever runs after its wait lets in as many as there are slots. */
#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/guard.h"
#include "runtime/object.h"
#include "runtime/task.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Semaphore";

/* Owner: Lua's collector; those who wait have it on their stacks. */
typedef struct semaphore {
  neap_list waiters;
  lua_Integer free;  /* slots */
  lua_Integer bound; /* the most there may be; LUA_MAXINTEGER: no bound */
  lua_Integer woken; /* waiters that have a slot and have not run yet */
} semaphore;

static bool wake_next(semaphore *s) {
  if (!neap_wake_first(&s->waiters)) {
    return false;
  }
  s->free--;
  s->woken++;
  return true;
}

static void admit(semaphore *s) {
  while (s->free > 0 && wake_next(s)) {
  }
}

static void give(semaphore *s) {
  s->free++;
  wake_next(s);
}

/* A waiter that had its slot will not use it. */
static void abandon(neap_wait *wait) {
  semaphore *s = wait->target;
  s->woken--;
  s->free++;
  admit(s);
}

static const neap_wait_kind semaphore_kind = {"semaphore", NULL, abandon, NULL,
                                              NULL};

/* Returns what is wrong, or NULL. */
static const char *release(semaphore *s) {
  if (s->free >= s->bound) {
    return "a bounded semaphore was released too many times";
  }
  give(s);
  return NULL;
}

/* For guards. Slots have no names, so this cannot tell whether its slot was
 * given back by hand. */
static const char *release_hold(void *object, uint64_t hold) {
  (void)hold;
  return release(object);
}

static semaphore *check_semaphore(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

static semaphore *push_semaphore(lua_State *L) {
  lua_Integer n = luaL_optinteger(L, 1, 1);
  luaL_argcheck(L, n >= 0, 1, "a semaphore's value cannot be negative");
  semaphore *s = neap_object_new(L, TYPE_NAME, sizeof *s, 0);
  neap_list_init(&s->waiters);
  s->free = n;
  s->bound = LUA_MAXINTEGER;
  s->woken = 0;
  return s;
}

/* semaphore([n]) -> Semaphore
 * n       integer >= 0, the slots that are free at first; nil: 1
 * raises  bad argument. */
static int l_semaphore(lua_State *L) {
  push_semaphore(L);
  return 1;
}

/* bounded_semaphore([n]) -> Semaphore
 * One whose release raises if n slots are free already. */
static int l_bounded_semaphore(lua_State *L) {
  semaphore *s = push_semaphore(L);
  s->bound = s->free;
  return 1;
}

static bool is_locked(const semaphore *s) {
  return s->free == 0 || s->woken > 0 || !neap_list_empty(&s->waiters);
}

static int begin(lua_State *L, semaphore *s, neap_task *task, lua_KFunction k) {
  if (!is_locked(s)) {
    s->free--;
    return k(L, LUA_OK, 0);
  }
  neap_check_wait(L, task->future.rt);
  neap_list_append(&s->waiters, &task->wait.job.link);
  return neap_park(L, task, &semaphore_kind, s, k, 0);
}

/* The task has its slot: puts it into the guard. */
static void take(lua_State *L, int status) {
  semaphore *s = lua_touserdata(L, 1);
  neap_guard_fill(lua_touserdata(L, NEAP_GUARD_INDEX), release_hold, s, 0);
  if (status == LUA_YIELD) {
    s->woken--;
    admit(s);
  }
}

static int k_acquire(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  take(L, status);
  return 1;
}

/* semaphore:acquire() -> guard
 * Takes a slot; `local held <close> = semaphore:acquire()` gives it back when
 * the block ends. Do not release such a slot by hand as well: slots have no
 * names, so that would give back another.
 * raises  outside of a task; CancelledError.
 * waits   if no slot is free, or others wait. */
static int l_acquire(lua_State *L) {
  semaphore *s = check_semaphore(L);
  neap_task *task = neap_check_current(L, neap_runtime_up(L));
  lua_settop(L, 1);
  neap_guard_new(L);
  return begin(L, s, task, k_acquire);
}

/* semaphore:release()
 * Gives back a slot, or adds one; anybody may.
 * raises  if a bounded one has all its slots already. */
static int l_release(lua_State *L) {
  const char *wrong = release(check_semaphore(L));
  return wrong == NULL ? 0 : luaL_error(L, "%s", wrong);
}

/* semaphore:locked() -> boolean
 * Whether acquire would wait. */
static int l_locked(lua_State *L) {
  lua_pushboolean(L, is_locked(check_semaphore(L)));
  return 1;
}

static int k_with(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  take(L, status);
  return neap_guard_call(L);
}

/* semaphore:with(fn, ...) -> fn's results
 * Calls fn(...) with a slot taken, and gives it back however fn ends.
 * raises  fn's error; as acquire.
 * waits   as acquire; if fn does. */
static int l_with(lua_State *L) {
  semaphore *s = check_semaphore(L);
  neap_check_callable(L, 2);
  neap_task *task = neap_check_current(L, neap_runtime_up(L));
  neap_guard_insert(L);
  return begin(L, s, task, k_with);
}

static int l_tostring(lua_State *L) {
  semaphore *s = check_semaphore(L);
  lua_pushfstring(L, "<%s %I free",
                  s->bound == LUA_MAXINTEGER ? "Semaphore" : "BoundedSemaphore",
                  (LUAI_UACINT)s->free);
  neap_push_waiters(L, &s->waiters);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"acquire", l_acquire}, /* waits */
    {"release", l_release},
    {"locked",  l_locked },
    {"with",    l_with   }, /* waits */
    {NULL,      NULL     },
};

static const luaL_Reg functions[] = {
    {"semaphore",         l_semaphore        },
    {"bounded_semaphore", l_bounded_semaphore},
    {NULL,                NULL               },
};

void neap_bind_semaphore(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
