/* SPDX-License-Identifier: MIT */
/* condition.c - neap.condition: tasks wait, with a lock put aside, until another
 * task notifies them.
 *
 * wait: release the lock, wait for a notification, acquire the lock again. The
 * last happens in any case, so both waits run under protected calls. */
#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/error.h"
#include "runtime/mutex.h"
#include "runtime/object.h"
#include "runtime/task.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Condition";

enum { LOCK_VALUE = 1 }; /* user value: the Lock it was given, or nil */

/* Owner: Lua's collector; those who wait have it on their stacks. */
typedef struct condition {
  neap_list waiters;
  neap_mutex *mutex; /* that of the Lock it was given, or its own */
  neap_mutex own;
} condition;

/* The context of a wait for a notification. */
enum { NOT_NOTIFIED = 0, NOTIFIED = 1 };

/* Notified, but cancelled before it ran: the notification is somebody else's,
 * once this one has the lock again. */
static void abandon(neap_wait *wait) {
  wait->ctx = NOTIFIED;
}

static const neap_wait_kind condition_kind = {"condition", NULL, abandon, NULL,
                                              NULL};

static condition *check_condition(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

/* [-0, +0, v] */
static void check_locked(lua_State *L, condition *c, const char *what) {
  if (!c->mutex->locked) {
    luaL_error(L, "cannot %s a condition whose lock is not held", what);
  }
}

/* condition([lock]) -> Condition
 * lock  Lock; nil: one of its own. Conditions may share a lock. */
static int l_condition(lua_State *L) {
  neap_mutex *given =
      lua_isnoneornil(L, 1) ? NULL : neap_object_check(L, neap_lock_type);
  condition *c = neap_object_new(L, TYPE_NAME, sizeof *c, LOCK_VALUE);
  neap_list_init(&c->waiters);
  neap_mutex_init(&c->own);
  c->mutex = given == NULL ? &c->own : given;
  if (given != NULL) {
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LOCK_VALUE);
  }
  return 1;
}

/* condition:acquire() -> guard
 * As lock:acquire. */
static int l_acquire(lua_State *L) {
  return neap_mutex_acquire(L, check_condition(L)->mutex);
}

/* condition:release()
 * As lock:release. */
static int l_release(lua_State *L) {
  return neap_mutex_method_release(L, check_condition(L)->mutex);
}

/* condition:locked() -> boolean
 * As lock:locked. */
static int l_locked(lua_State *L) {
  lua_pushboolean(L, check_condition(L)->mutex->locked);
  return 1;
}

/* condition:with(fn, ...) -> fn's results
 * As lock:with. */
static int l_with(lua_State *L) {
  condition *c = check_condition(L);
  neap_check_callable(L, 2);
  return neap_mutex_with(L, c->mutex);
}

/* ---- waiting ---- */

/* The parts of a wait, as functions that can be called: keys of the registry. */
static const char notification_key = 0, lock_key = 0, wait_key = 0;

/* The stack of wait. */
enum { NOTIFIED_INDEX = 2, ERROR_INDEX = 3 };

static int k_nothing(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* wait_notification(condition) */
static int l_wait_notification(lua_State *L) {
  condition *c = lua_touserdata(L, 1);
  neap_task *task = neap_check_wait(L, neap_runtime_up(L));
  neap_list_append(&c->waiters, &task->wait.job.link);
  return neap_park(L, task, &condition_kind, c, k_nothing, NOT_NOTIFIED);
}

static int k_wait_lock(lua_State *L, int status, lua_KContext ctx) {
  condition *c = lua_touserdata(L, 1);
  (void)status;
  (void)ctx;
  neap_mutex_take(c->mutex, neap_runtime_up(L)->current);
  return 0;
}

/* wait_lock(condition) */
static int l_wait_lock(lua_State *L) {
  condition *c = lua_touserdata(L, 1);
  neap_task *task = neap_check_wait(L, neap_runtime_up(L));
  if (neap_mutex_free(c->mutex)) {
    return k_wait_lock(L, LUA_OK, 0);
  }
  return neap_mutex_park(L, c->mutex, task, k_wait_lock, 0);
}

/* Calls one of the two; goes on in k. */
static int call_protected(lua_State *L, const char *key, lua_KContext hold,
                          lua_KFunction k) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, key);
  lua_pushvalue(L, 1);
  return k(L, lua_pcallk(L, 1, 0, 0, hold, k), hold);
}

/* A task that was notified but will raise owes the notification to another. */
static int fail(lua_State *L, condition *c) {
  if (lua_toboolean(L, NOTIFIED_INDEX)) {
    neap_wake_first(&c->waiters);
  }
  lua_settop(L, ERROR_INDEX);
  return lua_error(L);
}

/* The lock is back. For guards it is the hold of before. */
static int k_locked(lua_State *L, int status, lua_KContext hold) {
  condition *c = lua_touserdata(L, 1);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_replace(L, ERROR_INDEX);
    if (!neap_error_is(L, neap_runtime_up(L), ERROR_INDEX,
                       NEAP_CANCELLED_ERROR)) {
      return fail(L, c); /* it will never be had */
    }
    return call_protected(L, &lock_key, hold, k_locked);
  }
  c->mutex->hold = (uint64_t)hold;
  if (!lua_isnil(L, ERROR_INDEX)) {
    return fail(L, c);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int k_notified(lua_State *L, int status, lua_KContext hold) {
  neap_wait *wait = &neap_runtime_up(L)->current->wait;
  bool goes_on = status == LUA_OK || status == LUA_YIELD;
  lua_settop(L, goes_on ? 1 : 2);
  lua_pushboolean(L, goes_on || wait->ctx == NOTIFIED);
  lua_insert(L, NOTIFIED_INDEX);
  lua_settop(L, ERROR_INDEX);
  return call_protected(L, &lock_key, hold, k_locked);
}

static int wait(lua_State *L, condition *c) {
  check_locked(L, c, "wait for");
  neap_check_wait(L, neap_runtime_up(L));
  lua_settop(L, 1);
  lua_KContext hold = (lua_KContext)c->mutex->hold;
  neap_mutex_release(c->mutex);
  return call_protected(L, &notification_key, hold, k_notified);
}

/* condition:wait() -> true
 * Releases the lock, waits for a notification, and acquires the lock again,
 * also if it is cancelled; then CancelledError follows.
 * raises  if the lock is not held; outside of a task; CancelledError.
 * waits   always. */
static int l_wait(lua_State *L) {
  return wait(L, check_condition(L));
}

/* The same, called by wait_for. */
static int l_wait_again(lua_State *L) {
  return wait(L, lua_touserdata(L, 1));
}

/* ---- waiting for more than a notification ---- */

static int k_predicate(lua_State *L, int status, lua_KContext ctx);

static int k_waited(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  lua_callk(L, 0, 1, ctx, k_predicate);
  return k_predicate(L, LUA_OK, ctx);
}

static int k_predicate(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  if (lua_toboolean(L, -1)) {
    return 1;
  }
  check_locked(L, lua_touserdata(L, 1), "wait for");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &wait_key);
  lua_pushvalue(L, 1);
  lua_callk(L, 1, 0, ctx, k_waited);
  return k_waited(L, LUA_OK, ctx);
}

/* condition:wait_for(predicate) -> predicate's result
 * Waits again and again until predicate() is true.
 * predicate  function, called with the lock held
 * raises     its error; as wait.
 * waits      until it is true; not at all if it is. */
static int l_wait_for(lua_State *L) {
  check_condition(L);
  neap_check_callable(L, 2);
  neap_check_current(L, neap_runtime_up(L));
  return k_waited(L, LUA_OK, 0);
}

/* ---- notifying ---- */

/* condition:notify([n])
 * Wakes the first n that wait. They go on when they have got the lock.
 * n       integer >= 0; nil: 1
 * raises  if the lock is not held; bad argument. */
static int l_notify(lua_State *L) {
  condition *c = check_condition(L);
  lua_Integer n = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, n >= 0, 2, "a number of tasks cannot be negative");
  check_locked(L, c, "notify");
  while (n > 0 && neap_wake_first(&c->waiters)) {
    n--;
  }
  return 0;
}

/* condition:notify_all()
 * raises  if the lock is not held. */
static int l_notify_all(lua_State *L) {
  condition *c = check_condition(L);
  check_locked(L, c, "notify");
  neap_wake_all(&c->waiters);
  return 0;
}

static int l_tostring(lua_State *L) {
  condition *c = check_condition(L);
  lua_pushstring(L, c->mutex->locked ? "<Condition locked"
                                     : "<Condition unlocked");
  neap_push_waiters(L, &c->waiters);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"acquire",    l_acquire   }, /* waits */
    {"release",    l_release   },
    {"locked",     l_locked    },
    {"with",       l_with      }, /* waits */
    {"wait",       l_wait      }, /* waits */
    {"wait_for",   l_wait_for  }, /* waits */
    {"notify",     l_notify    },
    {"notify_all", l_notify_all},
    {NULL,         NULL        },
};

static const luaL_Reg functions[] = {
    {"condition", l_condition},
    {NULL,        NULL       },
};

static void set_part(lua_State *L, neap_runtime *rt, const char *key,
                     lua_CFunction function) {
  neap_push_function(L, rt, function);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void neap_bind_condition(lua_State *L, neap_runtime *rt) {
  set_part(L, rt, &notification_key, l_wait_notification);
  set_part(L, rt, &lock_key, l_wait_lock);
  set_part(L, rt, &wait_key, l_wait_again);
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
