/* SPDX-License-Identifier: MIT */
/* anchor.h - keeps Lua objects alive for C, in numbered slots.
 *
 * Room is made first (may raise); after that setting, getting and clearing
 * need no memory, so the drain may do them. */
#ifndef NEAP_ANCHOR_H
#define NEAP_ANCHOR_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +0, m] Makes the table of slots. */
void neap_anchors_open(lua_State *L, neap_runtime *rt);
void neap_anchors_close(neap_runtime *rt);

/* [-0, +0, m] Makes sure that `count` slots are free. */
void neap_anchors_reserve(lua_State *L, neap_runtime *rt, uint32_t count);

/* [-0, +0, -] Puts the value at `index` into a free slot, which must have been
 * reserved, and returns its number. */
uint32_t neap_anchor(lua_State *L, neap_runtime *rt, int index);

/* [-0, +1, -] Pushes the value in `slot`. */
void neap_push_anchored(lua_State *L, neap_runtime *rt, uint32_t slot);

/* [-0, +0, -] Frees `slot`. */
void neap_unanchor(lua_State *L, neap_runtime *rt, uint32_t slot);

#endif
