/* SPDX-License-Identifier: MIT */
/* run.h - a whole run: the main task, and what it leaves behind. */
#ifndef NEAP_RUN_H
#define NEAP_RUN_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +1, m] Runs the function below the nargs arguments as the main task
 * to its end, cancels what is left, waits for its cleanup, reports what nobody
 * looked at, and pushes the main task. False if the run was stopped: then the
 * task may not be done. */
bool neap_run(lua_State *L, neap_runtime *rt, int nargs);

/* [-0, +0, -] Runs the loop with `task` as the main task until that has ended,
 * or until rt->late, and leaves the others as they are. False if the run was
 * stopped. */
bool neap_run_until_done(lua_State *L, neap_runtime *rt, neap_task *task);

/* [-0, +0, -] Requests the cancellation of all tasks. */
void neap_cancel_tasks(lua_State *L, neap_runtime *rt);

/* [-0, +0, -] What follows the main task, without one: cancels all tasks, waits
 * for their cleanup, and reports what nobody looked at. */
void neap_run_shutdown(lua_State *L, neap_runtime *rt);

#endif
