/* SPDX-License-Identifier: MIT */
/* enter.h - the one call of lua_resume, inline.
 *
 * A coroutine comes back by a longjmp, after which the processor mispredicts
 * the return of every C function it is below: two of them less make a switch
 * between tasks a tenth faster. */
#ifndef NEAP_ENTER_H
#define NEAP_ENTER_H

#include <lua.h>

#include "runtime/debug.h"
#include "runtime/resume.h"
#include "runtime/runtime.h"

#if defined(__GNUC__)
#define NEAP_ALWAYS_INLINE static inline __attribute__((always_inline))
#else
#define NEAP_ALWAYS_INLINE static inline
#endif

static inline void neap_watch_enter(neap_runtime *rt, lua_State *co) {
  if (rt->limits.on) {
    neap_limits_enter(rt, co);
  }
  if (rt->step_began != 0) {
    neap_debug_enter(rt, co);
  }
}

NEAP_ALWAYS_INLINE int neap_enter(neap_runtime *rt, const neap_entry *entry,
                                  int nargs, int *nresults) {
  const neap_entry *outer_entry = rt->entry;
  lua_State *executing = rt->executing;
  rt->entry = entry;
  rt->executing = entry->co;
  if (rt->watched) {
    neap_watch_enter(rt, entry->co);
  }
  int status = lua_resume(entry->co, entry->from, nargs, nresults);
  rt->executing = executing;
  rt->entry = outer_entry;
  return status;
}

/* lua_resume of a task's own coroutine, by the loop or, for an eager start, by
 * another task. */
NEAP_ALWAYS_INLINE int neap_resume_task(neap_runtime *rt, lua_State *co,
                                        lua_State *from, int nargs) {
  int nresults;
  neap_entry entry = {co, NULL, from, true, false};
  return neap_enter(rt, &entry, nargs, &nresults);
}

#endif
