/* SPDX-License-Identifier: MIT */
/* guard.h - what `local held <close> = lock:acquire()` holds.
 *
 * A guard is a small object of its own for every acquisition. The lock itself
 * could not tell, when it is closed, whose hold the closing is meant for: there
 * may have been a release and other holders in between. */
#ifndef NEAP_GUARD_H
#define NEAP_GUARD_H

#include <lua.h>

#include "runtime/runtime.h"

/* Owner: Lua's collector. Its user value keeps `object` alive. */
typedef struct neap_guard {
  /* Gives back; returns what is wrong with that, or NULL. Never raises. */
  const char *(*release)(void *object, uint64_t hold);
  void *object;  /* NULL: there is nothing to give back (any more) */
  uint64_t hold; /* which acquisition this is; the object knows */
} neap_guard;

/* [-0, +1, m] Pushes the metatable of guards. */
void neap_guard_push_metatable(lua_State *L);

/* [-0, +1, m] Pushes a guard that holds nothing yet, for the object at 1 of a
 * function with a guard upvalue (see object.h). */
neap_guard *neap_guard_new(lua_State *L);

static inline void neap_guard_fill(neap_guard *guard,
                                   const char *(*release)(void *, uint64_t),
                                   void *object, uint64_t hold) {
  guard->release = release;
  guard->object = object;
  guard->hold = hold;
}

/* The stack of `object:with(fn, ...)` while it waits and while fn runs. */
enum { NEAP_GUARD_INDEX = 2, NEAP_GUARDED_HANDLER_INDEX = 3 };

/* [-0, +2, m] Prepares the stack for it, object, fn, ...: puts an empty guard
 * and the message handler between. */
void neap_guard_insert(lua_State *L);

/* [-?, +?, e] Calls fn(...), closes the guard, and returns fn's results or
 * raises its error: `return neap_guard_call(L)`. */
int neap_guard_call(lua_State *L);

#endif
