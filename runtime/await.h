/* SPDX-License-Identifier: MIT */
/* await.h - one task waits for a future. */
#ifndef NEAP_AWAIT_H
#define NEAP_AWAIT_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-?, +n, v] `return neap_await(L, rt, 1)`: results of the future at `index`,
 * at once if it is done; raises its error. Waits if needed. Raises at once
 * where waiting would close a cycle of tasks. */
int neap_await(lua_State *L, neap_runtime *rt, int index);

/* [-?, +?, v] Waits until the future at `index` is done, whatever its outcome;
 * a cancellation of the waiter leaves the future alone. Then k runs. */
int neap_await_done(lua_State *L, neap_runtime *rt, int index, lua_KFunction k,
                    lua_KContext ctx);

/* What a task that waits awaits, or NULL if it waits for something else. */
neap_future *neap_awaited(neap_task *task);

#endif
