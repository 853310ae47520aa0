/* SPDX-License-Identifier: MIT */
/* interrupt.h - requests that come from outside, such as signals.
 *
 * They are served between two steps of tasks. For a step that does not end by
 * itself there is a debug hook, set on the thread that executes, which lets it
 * go on for a grace and then serves them on the spot. */
#ifndef NEAP_INTERRUPT_H
#define NEAP_INTERRUPT_H

#include <lua.h>

#include "runtime/runtime.h"

/* Instructions that a step may go on for after each error that is to end it. */
enum { NEAP_GRACE = 1000000 };

/* As neap_interrupt. */
void neap_request_bits(neap_runtime *rt, int requests);

/* A request of ours, beside those of neap_request: see session.h. */
enum { NEAP_TIME_IS_UP = 8 };

/* [-0, +0, -] Serves what neap_interrupt has asked for, between two steps. */
void neap_serve_requests(lua_State *L, neap_runtime *rt);

/* Sets the hook on `co`. May be called from a signal handler. */
void neap_interrupt_thread(neap_runtime *rt, lua_State *co);

/* Sets the hook that counts on `co`, where a step with limits goes on; to be
 * called at the next instruction if `soon`. */
void neap_watch_thread(neap_runtime *rt, lua_State *co, bool soon);

/* [-0, +0, v] Raises if the step has used up what it may; its hook will raise
 * again and again. */
void neap_interrupt_spent(lua_State *L, neap_runtime *rt);

/* Whether the step that is to be ended has had its graces. */
bool neap_is_stubborn(const neap_runtime *rt);

/* Whether `co` has the hook of this file, or none: no user's. */
bool neap_has_no_foreign_hook(lua_State *co);

/* The step is over: there is nothing to end any more. But one that a task
 * started inside its own step is a part of that. */
static inline void neap_interrupt_step_ended(neap_runtime *rt) {
  if (rt->interrupting && rt->current == NULL) {
    rt->interrupting = false;
    rt->interrupt_raises = 0;
  }
}

#endif
