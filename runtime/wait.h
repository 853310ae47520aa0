/* SPDX-License-Identifier: MIT */
/* wait.h - park, wake, cancel: the one primitive by which anything suspends.
 *
 *   running --neap_park--> parked --neap_wake--> ready --the drain--> running
 *                            |                     ^
 *                            +---- neap_throw -----+
 *
 * A task waits for one thing at a time, so its wait is embedded in it and
 * parking needs no memory. The wait's job is linked into whatever list of
 * waiters or heap of deadlines will wake it; leaving is unlinking, O(1). */
#ifndef NEAP_WAIT_H
#define NEAP_WAIT_H

#include <lua.h>

#include "runtime/job.h"
#include "runtime/runtime.h"

typedef struct neap_wait neap_wait;

/* A kind of wait. Static and constant. */
typedef struct neap_wait_kind {
  const char *name; /* for people: "sleep", "await", ... */
  /* What a cancelled task's request goes on to, or NULL if the task itself
   * leaves. Then it stays until that future is done. */
  neap_future *(*passes_cancel_to)(neap_wait *wait);
  /* The task was woken, but is cancelled before it ran: gives the wake-up to
   * somebody else. NULL if nothing is lost. Never raises. */
  void (*abandon)(neap_wait *wait);
  /* [-0, +1, m] Pushes what is waited for, in more words than the name: "lock
   * held by Task-2". NULL: the name does. */
  void (*describe)(lua_State *L, neap_wait *wait);
  /* The task has just been cancelled: ends what was under way for it, and uses
   * what lies on its stack. NULL if nothing is. Never raises. */
  void (*leave)(neap_wait *wait);
} neap_wait_kind;

typedef enum neap_outcome {
  NEAP_WOKEN,
  NEAP_CANCELLED,  /* CancelledError is raised where the task waits */
  NEAP_DEADLOCKED, /* DeadlockError */
} neap_outcome;

struct neap_wait {
  neap_job job;
  const neap_wait_kind *kind; /* NULL before the first wait */
  void *target;               /* what is waited for; the kind knows */
  lua_KFunction k;
  lua_KContext ctx;
  lua_State *co;  /* the coroutine that parked, perhaps an inner one */
  uint64_t since; /* trace time */
  neap_outcome outcome;
  bool marked;  /* neap_parked is on the stack of co */
  bool yielded; /* it gave way, by neap_yield */
};

/* Its address lies on top of the stack of a parked coroutine that anybody but
 * its task could know. */
extern char neap_parked[];

/* [-0, +0, v] The task that runs, if it may wait here; raises otherwise. Call
 * it before anything is acquired. */
neap_task *neap_check_wait(lua_State *L, neap_runtime *rt);

/* [-?, +?, -] Suspends the current task: `return neap_park(...)` from a C
 * function. The wait's job must be where it
 * will be woken from. When woken, k(L, LUA_YIELD, ctx) runs in the coroutine,
 * with the stack as it was; after a cancellation it does not: CancelledError
 * is raised there instead. */
int neap_park(lua_State *L, neap_task *task, const neap_wait_kind *kind,
              void *target, lua_KFunction k, lua_KContext ctx);

/* [-?, +?, -] As neap_park, but ready at once: after one pass of the others. */
int neap_yield(lua_State *L, neap_task *task, const neap_wait_kind *kind,
               lua_KFunction k, lua_KContext ctx);

/* [-?, +?, -] Passes a wait inside an inner coroutine through L, which has just
 * resumed it: k runs when it is to be resumed again. */
int neap_pass_through(lua_State *L, lua_KContext ctx, lua_KFunction k);

/* [-all, +?, -] coroutine.yield: `return neap_yield_values(L)`. */
int neap_yield_values(lua_State *L);

/* Suspends the coroutine L when the hook for a count or line that calls this
 * returns: not a wait of neap's. */
void neap_yield_in_hook(lua_State *L);

/* Makes a parked task ready. Never raises; may be called from anywhere on the
 * loop's thread, uv callbacks included. */
void neap_wake(neap_task *task);

/* Makes ready whatever waits through `job`: a task or a callback. */
void neap_wake_job(neap_runtime *rt, neap_job *job);

/* Takes a parked task out of its wait and makes it ready to raise. */
void neap_throw(neap_task *task, neap_outcome outcome);

#endif
