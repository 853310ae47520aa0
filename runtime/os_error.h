/* SPDX-License-Identifier: MIT */
/* os_error.h - OSError: what the system answered. */
#ifndef NEAP_OS_ERROR_H
#define NEAP_OS_ERROR_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +1, m] Pushes an OSError for a negative libuv error code: its code
 * ("ENOENT"), errno, and the call that failed. `subject` is what the call was
 * about, such as a path, or NULL. */
void neap_push_os_error(lua_State *L, neap_runtime *rt, int err,
                        const char *syscall, const char *subject);

/* [-0, +0, v] Raises it. */
int neap_raise_os_error(lua_State *L, neap_runtime *rt, int err,
                        const char *syscall, const char *subject);

#endif
