/* SPDX-License-Identifier: MIT */
/* track.h - where objects were created, for tests that tell what was left. */
#ifndef NEAP_TRACK_H
#define NEAP_TRACK_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +0, m] From now on it is noted. May be called again. */
void neap_track_start(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] While rt->tracking: notes where the new object on the top was
 * created in the table `ref`: rt->created_ref for tasks, futures and callbacks,
 * rt->objects_ref for others. */
void neap_track(lua_State *L, neap_runtime *rt, int ref);

#endif
