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

/* [-0, +0, -] Serves what neap_interrupt has asked for, between two steps. */
void neap_serve_requests(lua_State *L, neap_runtime *rt);

/* Sets the hook on `co`. May be called from a signal handler. */
void neap_interrupt_thread(neap_runtime *rt, lua_State *co);

/* The step is over: there is nothing to end any more. */
static inline void neap_interrupt_step_ended(neap_runtime *rt) {
  if (rt->interrupting) {
    rt->interrupting = false;
    rt->interrupt_raises = 0;
  }
}

#endif
