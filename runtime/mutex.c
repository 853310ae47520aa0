/* SPDX-License-Identifier: MIT */
#include "runtime/mutex.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/guard.h"
#include "runtime/object.h"
#include "runtime/task.h"
#include "runtime/wait.h"

const char neap_lock_type[] = "neap.Lock";

void neap_mutex_init(neap_mutex *mutex) {
  memset(mutex, 0, sizeof *mutex);
  neap_list_init(&mutex->waiters);
}

void neap_mutex_take(neap_mutex *mutex, neap_task *task) {
  mutex->offered = false;
  mutex->locked = true;
  mutex->owner = task->id;
  mutex->hold = ++mutex->holds;
}

void neap_mutex_release(neap_mutex *mutex) {
  mutex->locked = false;
  mutex->offered = neap_wake_first(&mutex->waiters);
}

/* For guards: a hold that has ended already is not ended again. */
static const char *release_hold(void *object, uint64_t hold) {
  neap_mutex *mutex = object;
  if (mutex->locked && mutex->hold == hold) {
    neap_mutex_release(mutex);
  }
  return NULL;
}

/* ---- waiting ---- */

/* The one it was offered to will not take it. */
static void abandon(neap_wait *wait) {
  neap_mutex_release(wait->target);
}

static neap_task *find_task(neap_runtime *rt, uint64_t id) {
  for (neap_link *l = rt->tasks.next; l != &rt->tasks; l = l->next) {
    neap_task *task = NEAP_CONTAINER_OF(l, neap_task, link);
    if (task->id == id) {
      return task;
    }
  }
  return NULL;
}

static void describe(lua_State *L, neap_wait *wait) {
  neap_mutex *mutex = wait->target;
  neap_task *waiter = NEAP_CONTAINER_OF(wait, neap_task, wait);
  if (!mutex->locked) {
    lua_pushliteral(L, "lock");
    return;
  }
  neap_task *owner = find_task(waiter->future.rt, mutex->owner);
  if (owner == NULL) {
    lua_pushfstring(L, "lock held by Task-%I, which has ended",
                    (LUAI_UACINT)mutex->owner);
    return;
  }
  neap_push_future(L, &owner->future);
  neap_push_task_name(L, owner, lua_gettop(L));
  lua_pushfstring(L, "lock held by %s", lua_tostring(L, -1));
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static const neap_wait_kind lock_kind = {"lock", NULL, abandon, describe, NULL};

int neap_mutex_park(lua_State *L, neap_mutex *mutex, neap_task *task,
                    lua_KFunction k, lua_KContext ctx) {
  neap_list_append(&mutex->waiters, &task->wait.job.link);
  return neap_park(L, task, &lock_kind, mutex, k, ctx);
}

/* ---- methods ---- */

/* [-0, +0, v] The running task: even what need not wait asks for one, so that
 * a program does not work by luck. */
static neap_task *check_task(lua_State *L, neap_runtime *rt) {
  return rt->current != NULL ? rt->current : neap_check_wait(L, rt);
}

static int begin(lua_State *L, neap_mutex *mutex, neap_task *task,
                 lua_KFunction k) {
  if (neap_mutex_free(mutex)) {
    return k(L, LUA_OK, (lua_KContext)mutex);
  }
  neap_check_wait(L, task->future.rt);
  return neap_mutex_park(L, mutex, task, k, (lua_KContext)mutex);
}

/* Takes the mutex into the guard. */
static void take(lua_State *L, neap_mutex *mutex) {
  neap_mutex_take(mutex, neap_runtime_up(L)->current);
  neap_guard_fill(lua_touserdata(L, NEAP_GUARD_INDEX), release_hold, mutex,
                  mutex->hold);
}

static int k_acquire(lua_State *L, int status, lua_KContext mutex) {
  (void)status;
  take(L, (neap_mutex *)mutex);
  return 1;
}

int neap_mutex_acquire(lua_State *L, neap_mutex *mutex) {
  neap_task *task = check_task(L, neap_runtime_up(L));
  lua_settop(L, 1);
  neap_guard_new(L);
  return begin(L, mutex, task, k_acquire);
}

static int k_with(lua_State *L, int status, lua_KContext mutex) {
  (void)status;
  take(L, (neap_mutex *)mutex);
  return neap_guard_call(L);
}

int neap_mutex_with(lua_State *L, neap_mutex *mutex) {
  neap_task *task = check_task(L, neap_runtime_up(L));
  neap_guard_insert(L);
  return begin(L, mutex, task, k_with);
}

int neap_mutex_method_release(lua_State *L, neap_mutex *mutex) {
  if (!mutex->locked) {
    return luaL_error(L, "cannot release a lock that is not held");
  }
  neap_mutex_release(mutex);
  return 0;
}
