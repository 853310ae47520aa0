/* SPDX-License-Identifier: MIT */
/* debug.h - what debug mode watches: slow steps, swallowed cancellations, and
 * where tasks were created. Nothing here is called while it is off. */
#ifndef NEAP_DEBUG_H
#define NEAP_DEBUG_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +0, -] A step is about to run in `co`; an inner coroutine likewise. */
void neap_debug_enter(neap_runtime *rt, lua_State *co);

/* [-0, +0, -] A step that began at `began` (uv_hrtime) is over: reports it if
 * it was slow. */
void neap_debug_end_step(lua_State *L, neap_task *task, uint64_t began);

/* [-0, +0, m] Notes, in the task at `index`, where it is created. */
void neap_debug_created(lua_State *L, neap_task *task, int index);

/* [-0, +0, m] Notes which pcall will catch the CancelledError that is about to
 * be raised in L. */
void neap_debug_cancelling(lua_State *L, neap_task *task);

/* [-0, +0, -] The task has returned; reports it if it was to be cancelled. */
void neap_debug_returned(lua_State *L, neap_task *task);

#endif
