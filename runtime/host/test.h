/* SPDX-License-Identifier: MIT */
/* test.h - `neap test`. */
#ifndef NEAP_HOST_TEST_H
#define NEAP_HOST_TEST_H

#include <lua.h>

#include "runtime/host/options.h"

/* [-0, +0, m] Runs busted with the arguments after `test`. Returns the exit
 * status, if busted has not exited by then. */
int host_test(lua_State *L, const host_options *options);

#endif
