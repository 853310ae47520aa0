/* SPDX-License-Identifier: MIT */
/* scope.h - deadline scopes: bound the time of a piece of a task.
 *
 *   entered --its deadline--> expiring --exit--> expired
 *      +-------------------------exit----------> exited
 *
 * When its deadline comes, a scope cancels its task; at its exit it takes that
 * request back and tells whether the CancelledError that ends the block was
 * its own. The rules are those of asyncio.timeouts.Timeout. */
#ifndef NEAP_SCOPE_H
#define NEAP_SCOPE_H

#include <lua.h>

#include "runtime/job.h"
#include "runtime/runtime.h"

typedef enum neap_scope_state {
  NEAP_SCOPE_ENTERED,
  NEAP_SCOPE_EXPIRING,
  NEAP_SCOPE_EXPIRED,
  NEAP_SCOPE_EXITED,
} neap_scope_state;

/* Owner: whoever entered it: a userdata, which is then anchored, or a frame that
 * took it from neap_scope_take. Linked into its task until it exits or the task
 * ends: a block that forgets to close it stays bounded by it. */
struct neap_scope {
  neap_job job;
  neap_task *task;      /* NULL once it has left it */
  neap_scope *outer;    /* in its task, or in the free list */
  uint64_t deadline;    /* nanoseconds or NEAP_NEVER */
  uint32_t cancelling;  /* the task's requests at entry */
  uint32_t undelivered; /* of those, not yet raised in the task */
  int anchor;           /* of the userdata that it is, or 0 */
  neap_scope_state state;
};

/* [-0, +0, m] Enters a scope of the running task. */
void neap_scope_enter(lua_State *L, neap_scope *scope, neap_task *task,
                      uint64_t deadline);

/* [-0, +0, m] Sets another deadline; the scope must be entered. */
void neap_scope_reschedule(lua_State *L, neap_scope *scope, uint64_t deadline);

/* [-0, +0, -] Leaves the scope. True if a CancelledError that comes out of it now was
 * caused by its deadline alone. */
bool neap_scope_exit(lua_State *L, neap_scope *scope);

/* [-0, +0, -] In a step that goes on and on: expires what is due, instead of
 * the loop, which has no turn. */
void neap_scopes_expire(lua_State *L, neap_runtime *rt);

/* [-0, +0, -] The task has ended: leaves all its scopes. */
void neap_scopes_drop(lua_State *L, neap_task *task);

/* A pending request is about to be raised in the task. */
void neap_scopes_note_delivery(neap_task *task);

/* [-0, +0, m] A scope for a C frame, and its return. Those of frames that were
 * never finished are freed with the runtime. */
neap_scope *neap_scope_take(lua_State *L, neap_runtime *rt);
void neap_scope_give(neap_runtime *rt, neap_scope *scope);
void neap_scopes_close(neap_runtime *rt);

#endif
