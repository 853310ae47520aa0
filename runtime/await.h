/* SPDX-License-Identifier: MIT */
/* await.h - one task waits for a future. */
#ifndef NEAP_AWAIT_H
#define NEAP_AWAIT_H

#include <lua.h>

#include "runtime/runtime.h"

/* The index at which whoever awaits keeps the future. */
enum { NEAP_AWAITED_INDEX = 1 };

/* [-?, +n, v] `return neap_await(L, rt, future)`: results of the future at
 * NEAP_AWAITED_INDEX, at once if it is done; raises its error. Waits if needed.
 * Raises at once where waiting would close a cycle of tasks. */
int neap_await(lua_State *L, neap_runtime *rt, neap_future *future);

/* [-?, +n, v] As neap_await, with the future on the top, in a C function of a
 * host's. */
int neap_await_top(lua_State *L, neap_runtime *rt, neap_future *future);

/* [-?, +?, v] Waits until the future at NEAP_AWAITED_INDEX is done, whatever
 * its outcome; a cancellation of the waiter leaves the future alone. Then k
 * runs, with the future as its context. */
int neap_await_done(lua_State *L, neap_runtime *rt, neap_future *future,
                    lua_KFunction k);

/* [-0, +0, v] Raises if the task may not await the future: that would close a
 * cycle. */
void neap_check_cycle(lua_State *L, neap_task *task, neap_future *future);

/* What a task that waits awaits, or NULL if it waits for something else. */
neap_future *neap_awaited(neap_task *task);

#endif
