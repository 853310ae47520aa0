/* SPDX-License-Identifier: MIT */
/* run.h - a run of the loop that Ctrl-C and Ctrl-\ reach. */
#ifndef NEAP_HOST_RUN_H
#define NEAP_HOST_RUN_H

#include <lua.h>

#include "runtime/neap.h"

/* The exit status after Ctrl-C: 128 + SIGINT. */
enum { HOST_INTERRUPTED_STATUS = 130 };

/* [-0, +0, e] Opens neap in L, so that `require "neap"` finds it. */
void host_open(lua_State *L);

/* [-(nargs + 1), +?, m] As neap_run_main, with these differences: signals are
 * served; NEAP_RUN_INTERRUPTED is also the end of a main task that Ctrl-C has
 * cancelled; NEAP_RUN_ERROR pushes the text only. */
neap_run_status host_run(lua_State *L, int nargs);

/* [-0, +0, -] Writes `prefix` and the string on the top to stderr. */
void host_print_error(lua_State *L, const char *prefix);

#endif
