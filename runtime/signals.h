/* SPDX-License-Identifier: MIT */
/* signals.h - signals by their names, and who catches them.
 *
 * Catching is the process's, not a runtime's. libuv puts the default back when
 * nobody wants a signal any more; what was there before, such as the program's
 * own Ctrl-C, is put back here. */
#ifndef NEAP_SIGNALS_H
#define NEAP_SIGNALS_H

#include <stdbool.h>

#include <lua.h>
#include <uv.h>

/* "SIGTERM", or NULL if it has no name here. */
const char *neap_signal_name(int signum);

/* [-0, +0, v] A signal by its name, or its number. */
int neap_check_signal(lua_State *L, int arg);

/* Whether a program can handle it and go on. */
bool neap_signal_is_catchable(int signum);

/* As uv_signal_start and uv_signal_stop of a handle that was started so. */
int neap_signal_start(uv_signal_t *handle, uv_signal_cb cb, int signum);
void neap_signal_stop(uv_signal_t *handle);

#endif
