/* SPDX-License-Identifier: MIT */
/* session.h - the loop as a runner of tests uses it: it runs for one task, up
 * to a limit of wall time, and what else there is stays for the next one. */
#ifndef NEAP_SESSION_H
#define NEAP_SESSION_H

#include <lua.h>

#include "runtime/runtime.h"

typedef enum neap_drive_end {
  NEAP_DRIVE_DONE,    /* the task has ended */
  NEAP_DRIVE_LATE,    /* the time is up; the task may have ended all the same */
  NEAP_DRIVE_STOPPED, /* NEAP_STOP */
} neap_drive_end;

/* [-0, +0, -] Runs the loop until `task` has ended, as the main task. Not while
 * it runs. `seconds` of wall time, whichever clock it has: infinite is no
 * limit. A step that does not end by then is interrupted. */
neap_drive_end neap_drive(lua_State *L, neap_runtime *rt, neap_task *task,
                          double seconds);

/* [-0, +0, -] The time is up: keeps the tree of tasks as it is now. */
void neap_session_late(lua_State *L, neap_runtime *rt);

#endif
