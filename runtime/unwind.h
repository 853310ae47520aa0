/* SPDX-License-Identifier: MIT */
/* unwind.h - closing a coroutine that is suspended in protected calls. */
#ifndef NEAP_UNWIND_H
#define NEAP_UNWIND_H

#include <stdbool.h>

#include <lua.h>

struct neap_runtime;

typedef struct neap_unwinding neap_unwinding;

/* [-0, +0, -] Closes and empties the suspended coroutine of a task, whose
 * <close> handlers cannot wait. `waits`: it is suspended by neap, not by a
 * foreign yield. */
void neap_unwind(lua_State *L, struct neap_runtime *rt, lua_State *co,
                 bool waits);

#endif
