/* SPDX-License-Identifier: MIT */
/* error.h - error objects: tables whose metatable is their class.
 *
 * A class is a table as well; which tables are classes, and what each derives
 * from, is known from a table of the runtime's, so nothing that a script builds
 * can confuse it. */
#ifndef NEAP_ERROR_H
#define NEAP_ERROR_H

#include <lua.h>

#include "runtime/runtime.h"

typedef enum neap_class { /* ORDER neap_class: names in error.c */
                          NEAP_ERROR,
                          NEAP_CANCELLED_ERROR,
                          NEAP_TIMEOUT_ERROR,
                          NEAP_INVALID_STATE_ERROR,
                          NEAP_EXCEPTION_GROUP,
                          NEAP_QUEUE_EMPTY,
                          NEAP_QUEUE_FULL,
                          NEAP_QUEUE_SHUT_DOWN,
                          NEAP_BROKEN_BARRIER_ERROR,
                          NEAP_INCOMPLETE_READ_ERROR,
                          NEAP_LIMIT_OVERRUN_ERROR,
                          NEAP_DEADLOCK_ERROR,
                          NEAP_OS_ERROR,
                          NEAP_PROCESS_ERROR,
                          NEAP_CLASS_COUNT,
} neap_class;

/* [-0, +0, m] Makes the classes. */
void neap_errors_open(lua_State *L, neap_runtime *rt);

const char *neap_class_name(neap_class class_id);

/* [-0, +1, -] Pushes a class. */
void neap_push_class(lua_State *L, neap_runtime *rt, neap_class class_id);

/* [-1, +1, m] Replaces the message on the top (a string, or nil for none) by an
 * error object. */
void neap_error_new(lua_State *L, neap_runtime *rt, neap_class class_id);

/* [-0, +0, v] Raises an error object with a formatted message. */
int neap_raise(lua_State *L, neap_runtime *rt, neap_class class_id,
               const char *format, ...);

/* [-0, +0, -] Whether the value at `index` is an instance of a class. */
bool neap_error_is(lua_State *L, neap_runtime *rt, int index,
                   neap_class class_id);

/* [-0, +0, -] The same with the class at an index of the stack, which may be
 * any value. */
bool neap_error_isinstance(lua_State *L, neap_runtime *rt, int index,
                           int class_index);

/* [-0, +0, -] Whether the value at `index` is an error class. */
bool neap_is_class(lua_State *L, neap_runtime *rt, int index);

/* [-1, +1, v] The message handler of everything that catches for a task: notes
 * the Lua stack in the error object, or beside the task if it is no object. */
int neap_traceback_handler(lua_State *L);

/* [-0, +1, m] Pushes the traceback noted for the error at `index` as it left
 * the future at `future_index` (0: none), or nil. */
void neap_push_error_traceback(lua_State *L, neap_runtime *rt, int index,
                               int future_index);

/* [-0, +1, m] Pushes the error at `index` as one text without traceback,
 * whatever it is and whatever its __tostring does. */
void neap_push_error_message(lua_State *L, int index);

/* [-0, +1, m] The same with its traceback, its causes, and the errors of a
 * group. `future_index` as above. */
void neap_push_full_error(lua_State *L, neap_runtime *rt, int index,
                          int future_index);

#endif
