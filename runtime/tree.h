/* SPDX-License-Identifier: MIT */
/* tree.h - tasks as text: what one is, where it is, who waits for whom. */
#ifndef NEAP_TREE_H
#define NEAP_TREE_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +1, m] Pushes `<Task "Task-2" pending at script.lua:12>`. */
void neap_push_future_text(lua_State *L, neap_future *future, int index);

/* [-0, +1 | +0, m] Pushes "file:line" of the innermost Lua function in `co`,
 * neap's own left out. */
bool neap_push_line(lua_State *L, lua_State *co);

/* [-0, +1, m] Pushes where the task is suspended, and the same of what it
 * awaits, one after the other. */
void neap_push_task_traceback(lua_State *L, neap_task *task);

/* [-0, +1, m] Pushes where the error of a failed task was raised, or "". */
void neap_push_ended_traceback(lua_State *L, neap_task *task, int index);

/* [-0, +1, m] Pushes all tasks that are not done as text: each with what it
 * waits for and for how long, what is awaited below its awaiter. */
void neap_push_tree(lua_State *L, neap_runtime *rt, bool tracebacks);

/* [-0, +1, m] Pushes the DeadlockError of the running task. */
void neap_push_deadlock(lua_State *L, neap_runtime *rt);

/* [-0, +0, -] Writes the tree and the last events to stderr. */
void neap_dump_tasks(lua_State *L, neap_runtime *rt);

#endif
