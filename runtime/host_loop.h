/* SPDX-License-Identifier: MIT */
/* host_loop.h - a runtime inside the host's uv loop.
 *
 * The runtime keeps its own loop, whose descriptor the host's loop watches. So
 * the handles of neap are no concern of the host's loop, but for four. */
#ifndef NEAP_HOST_LOOP_H
#define NEAP_HOST_LOOP_H

#include "runtime/runtime.h"

/* Returns 0 or a negative libuv error code. */
int neap_host_loop_open(neap_runtime *rt, uv_loop_t *loop);

/* Lets go of the host's loop, which may go on. Returns UV_ECANCELED if the host
 * had closed the handles first. */
int neap_host_loop_close(neap_runtime *rt);

#endif
