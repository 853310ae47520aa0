/* SPDX-License-Identifier: MIT */
/* anchor.h - keeps Lua objects alive for C, in numbered slots.
 *
 * The slots are places in the registry that luaL_ref has given and that are
 * never given back, so using one is a single lua_rawseti. Room is made first
 * (may raise); after that setting, getting and clearing need no memory, so the
 * drain may do them. Between making room and using it no Lua object is made:
 * that may run finalizers, which take slots too. */
#ifndef NEAP_ANCHOR_H
#define NEAP_ANCHOR_H

#include <lua.h>

#include "runtime/runtime.h"

/* The runtime closes: forgets all slots. */
void neap_anchors_close(neap_runtime *rt);

/* [-0, +0, m] Adds free slots. */
void neap_anchors_grow(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] Makes sure that `count` slots, a few, are free. */
static inline void neap_anchors_reserve(lua_State *L, neap_runtime *rt,
                                        uint32_t count) {
  if (rt->anchors.free_count < count) {
    neap_anchors_grow(L, rt);
  }
}

/* [-0, +0, -] Puts the value at `index` into a free slot, which must have been
 * reserved, and returns its number. */
static inline int neap_anchor(lua_State *L, neap_runtime *rt, int index) {
  int slot = rt->anchors.free[--rt->anchors.free_count];
  lua_pushvalue(L, index);
  lua_rawseti(L, LUA_REGISTRYINDEX, slot);
  return slot;
}

/* [-0, +1, -] Pushes the value in `slot`. */
static inline void neap_push_anchored(lua_State *L, int slot) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, slot);
}

/* [-0, +0, -] Frees `slot`, which then holds false: it stays a reference. */
static inline void neap_unanchor(lua_State *L, neap_runtime *rt, int slot) {
  lua_pushboolean(L, 0);
  lua_rawseti(L, LUA_REGISTRYINDEX, slot);
  rt->anchors.free[rt->anchors.free_count++] = slot;
}

#endif
