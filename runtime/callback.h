/* SPDX-License-Identifier: MIT */
/* callback.h - a Lua function that the loop calls once, outside of any task. */
#ifndef NEAP_CALLBACK_H
#define NEAP_CALLBACK_H

#include <lua.h>

#include "runtime/job.h"
#include "runtime/runtime.h"

typedef enum neap_callback_state {
  NEAP_CALLBACK_PENDING, /* queued, armed, or in a future's list of waiters */
  NEAP_CALLBACK_CALLED,
  NEAP_CALLBACK_CANCELLED,
} neap_callback_state;

/* Owner: Lua's collector; anchored while pending. User value 1 is the
 * function, 2 its arguments (a packed table) or nil, 3 its context or nil. */
typedef struct neap_callback {
  neap_job job;
  neap_runtime *rt;
  uint64_t deadline; /* nanoseconds, if timed */
  int anchor;        /* 0 once it is no longer pending */
  neap_callback_state state;
  bool timed;   /* else as soon as possible */
  bool is_part; /* its last argument is a future that fails with it */
} neap_callback;

/* [-(nargs + 1), +1, m] Makes a callback of the function below the arguments,
 * anchors it and pushes it. Its job is not queued yet. */
neap_callback *neap_callback_new(lua_State *L, neap_runtime *rt, int nargs);

/* [-0, +0, -] Takes a pending callback out of wherever it waits. */
void neap_callback_cancel(lua_State *L, neap_callback *callback);

/* [-0, +0, -] Leaves a callback that nothing will call to the collector. */
void neap_callback_release(lua_State *L, neap_callback *callback);

/* [-0, +1, -] Pushes the function of a pending callback. */
void neap_callback_push_function(lua_State *L, neap_callback *callback);

/* The callback of a job, or NULL if it is no callback's. */
neap_callback *neap_job_callback(neap_job *job);

#endif
