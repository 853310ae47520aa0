/* SPDX-License-Identifier: MIT */
/* program.h - the program as a task: LUA_INIT, -e, -l and the script. */
#ifndef NEAP_HOST_PROGRAM_H
#define NEAP_HOST_PROGRAM_H

#include <lua.h>

#include "runtime/host/options.h"

/* [-0, +0, m] Sets the global `arg`. */
void host_set_arg(lua_State *L, const host_options *options);

/* [-0, +1, m] Pushes a function that does the steps of `options` in order, to
 * run as the main task. It returns nothing, or the message that tells why a
 * step could not be loaded. */
void host_push_program(lua_State *L, const host_options *options);

#endif
