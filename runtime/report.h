/* SPDX-License-Identifier: MIT */
/* report.h - errors that would go unseen, and who is told of them. */
#ifndef NEAP_REPORT_H
#define NEAP_REPORT_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +0, -] Tells the exception handler, or stderr, of the error at
 * `error_index` (0: none). `future_index` is that of its task or future, or
 * 0. Whatever goes wrong while reporting goes no further. */
void neap_report(lua_State *L, neap_runtime *rt, const char *message,
                 int error_index, int future_index);

/* [-0, +0, m] Makes the table of failures. */
void neap_report_open(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] The future at `index` is about to fail: from now on its error is
 * reported when it is collected. It gets an object with a finalizer to hold,
 * since giving an old object a finalizer would cost a search for it. */
void neap_remember_failure(lua_State *L, neap_future *future, int index);

/* [-0, +0, -] Reports all errors that nobody has looked at, at a run's end. */
void neap_report_failures(lua_State *L, neap_runtime *rt);

/* [-1, +0, -] The __gc of that object. */
int neap_failure_gc(lua_State *L);

/* Writes to stderr. Everything that neap prints by itself goes through here. */
void neap_write_error(const char *text);

#endif
