/* SPDX-License-Identifier: MIT */
/* context.h - which context the code that runs is in.
 *
 * A context is a Lua table that bindings/lua/neap/context.lua gives a meaning
 * to. A task and a callback start with a copy of the one that made them, made
 * by `copy`; until the first context is set, none of this costs anything. */
#ifndef NEAP_CONTEXT_H
#define NEAP_CONTEXT_H

#include <lua.h>

#include "runtime/callback.h"
#include "runtime/runtime.h"

/* [-0, +1, -] Pushes the current context, or nil. */
void neap_push_context(lua_State *L, neap_runtime *rt);

/* [-1, +0, m] Makes the context on the top the current one. */
void neap_set_context(lua_State *L, neap_runtime *rt);

/* [-1, +0, m] Makes the context on the top that of the task at `index`. */
void neap_set_task_context(lua_State *L, neap_task *task, int index);

/* [-0, +1, m] Pushes what is created now starts with: a copy, or nil. */
void neap_push_inherited_context(lua_State *L, neap_runtime *rt);

#endif
