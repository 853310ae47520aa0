/* SPDX-License-Identifier: MIT */
/* lock.c - neap.lock: one holder at a time, first come, first served. */
#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/mutex.h"
#include "runtime/object.h"

static neap_mutex *check_lock(lua_State *L) {
  return neap_object_check(L, neap_lock_type);
}

/* lock() -> Lock
 * A lock, free. It is not re-entrant, and any task may release it. */
static int l_lock(lua_State *L) {
  neap_mutex_init(neap_object_new(L, neap_lock_type, sizeof(neap_mutex), 0));
  return 1;
}

/* lock:acquire() -> guard
 * Takes the lock; `local held <close> = lock:acquire()` gives it back when the
 * block ends, unless it was released already, whoever holds it by then.
 * raises  outside of a task; CancelledError.
 * waits   if it is held, or others wait. */
static int l_acquire(lua_State *L) {
  return neap_mutex_acquire(L, check_lock(L));
}

/* lock:release()
 * Passes the lock to the first that waits, which has it when it runs next.
 * raises  if it is not held. */
static int l_release(lua_State *L) {
  return neap_mutex_method_release(L, check_lock(L));
}

/* lock:locked() -> boolean
 * Whether it is held. Between a release and the next holder's turn it is not,
 * and yet nobody else can take it. */
static int l_locked(lua_State *L) {
  lua_pushboolean(L, check_lock(L)->locked);
  return 1;
}

/* lock:with(fn, ...) -> fn's results
 * Calls fn(...) with the lock held, and releases it however fn ends.
 * raises  fn's error; as acquire.
 * waits   as acquire; if fn does. */
static int l_with(lua_State *L) {
  neap_mutex *mutex = check_lock(L);
  neap_check_callable(L, 2);
  return neap_mutex_with(L, mutex);
}

static int l_tostring(lua_State *L) {
  neap_mutex *mutex = check_lock(L);
  lua_pushstring(L, mutex->locked ? "<Lock locked" : "<Lock unlocked");
  neap_push_waiters(L, &mutex->waiters);
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
    {"lock", l_lock},
    {NULL,   NULL  },
};

void neap_bind_lock(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, neap_lock_type, metamethods, methods, functions);
}
