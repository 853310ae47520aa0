/* SPDX-License-Identifier: MIT */
/* repl.h - interactive mode. */
#ifndef NEAP_HOST_REPL_H
#define NEAP_HOST_REPL_H

#include <lua.h>

/* [-0, +0, e] Reads chunks from stdin and runs each as a main task, until the
 * end of the input. Returns the program's exit status. */
int host_repl(lua_State *L);

#endif
