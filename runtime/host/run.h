/* SPDX-License-Identifier: MIT */
/* run.h - a run of the loop that Ctrl-C and Ctrl-\ reach. */
#ifndef NEAP_HOST_RUN_H
#define NEAP_HOST_RUN_H

#include <signal.h>
#include <stdbool.h>

#include <lua.h>

#include "runtime/neap.h"

/* The exit status after Ctrl-C: 128 + SIGINT. */
enum { HOST_INTERRUPTED_STATUS = 130 };

/* [-0, +0, e] Opens neap in L, so that `require "neap"` finds it. */
void host_open(lua_State *L);

/* What the signals did before. */
typedef struct host_signals {
  struct sigaction interrupt;
  struct sigaction quit;
  struct sigaction alarm;
} host_signals;

/* [-0, +0, -] From here on signals are served as above: between these two. */
void host_catch_signals(lua_State *L, host_signals *old);

/* `leaving`: the program ends, and Ctrl-C may end it at once. */
void host_release_signals(const host_signals *old, bool leaving);

/* [-(nargs + 1), +?, m] As neap_run_main, with these differences: signals are
 * served; NEAP_RUN_INTERRUPTED is also the end of a main task that Ctrl-C has
 * cancelled; NEAP_RUN_ERROR pushes the text only. */
neap_run_status host_run(lua_State *L, int nargs);

/* [-0, +0, -] Writes `prefix` and the string on the top to stderr. */
void host_print_error(lua_State *L, const char *prefix);

#endif
