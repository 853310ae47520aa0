/* SPDX-License-Identifier: MIT */
/* mutex.h - what a Lock is, and what a Condition waits with.
 *
 *   free --take--> held --release--> free, or offered to the first that waits
 *                   ^                                      |
 *                   +------------- it runs ----------------+
 *
 * While it is offered it is not locked, as in asyncio, but nobody else can take
 * it. If the one it is offered to is cancelled, it goes to the next. */
#ifndef NEAP_MUTEX_H
#define NEAP_MUTEX_H

#include <lua.h>

#include "runtime/list.h"
#include "runtime/runtime.h"

extern const char neap_lock_type[]; /* of an object that is a neap_mutex */

/* Owner: the userdata it is, or is part of; those who wait have it on their
 * stacks, so it outlives them. */
typedef struct neap_mutex {
  neap_list waiters;
  uint64_t holds; /* acquisitions so far */
  uint64_t hold;  /* the number of this one, or of the last */
  uint64_t owner; /* id of the task that acquired it; it may have ended */
  bool locked;
  bool offered; /* to a task that was woken and has not run yet */
} neap_mutex;

void neap_mutex_init(neap_mutex *mutex);

/* Nobody has it, and it is promised to nobody. */
static inline bool neap_mutex_free(const neap_mutex *mutex) {
  return !mutex->locked && !mutex->offered && neap_list_empty(&mutex->waiters);
}

/* Takes a mutex that is free, or offered to this task. */
void neap_mutex_take(neap_mutex *mutex, neap_task *task);

void neap_mutex_release(neap_mutex *mutex);

/* [-?, +?, -] `return neap_mutex_park(...)`: waits until it is offered. k must
 * take it. */
int neap_mutex_park(lua_State *L, neap_mutex *mutex, neap_task *task,
                    lua_KFunction k, lua_KContext ctx);

/* What follows is the body of a method of an object, at 1, that is a mutex or
 * has one. */

/* [-?, +1, v] acquire() -> guard */
int neap_mutex_acquire(lua_State *L, neap_mutex *mutex);

/* [-?, +?, e] with(fn, ...) -> fn's results */
int neap_mutex_with(lua_State *L, neap_mutex *mutex);

/* [-?, +0, v] release() */
int neap_mutex_method_release(lua_State *L, neap_mutex *mutex);

#endif
