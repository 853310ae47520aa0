/* SPDX-License-Identifier: MIT */
#include "runtime/anchor.h"

#include <lauxlib.h>

#include "runtime/alloc.h"

enum { FIRST_CAPACITY = 32 };

void neap_anchors_open(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, FIRST_CAPACITY, 0);
  rt->anchors_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void neap_anchors_close(neap_runtime *rt) {
  neap_anchors *anchors = &rt->anchors;
  neap_realloc(anchors->next_free,
               (anchors->capacity + 1) * sizeof *anchors->next_free, 0);
  anchors->next_free = NULL;
  anchors->capacity = anchors->free = 0;
}

/* [-0, +0, m] Adds slots at the end of both halves: the Lua table first, since
 * that one may raise. Slots hold false while free, so that they exist. */
static void grow(lua_State *L, neap_runtime *rt) {
  neap_anchors *anchors = &rt->anchors;
  uint32_t old = anchors->capacity;
  uint32_t capacity = old == 0 ? FIRST_CAPACITY : 2 * old;
  luaL_checkstack(L, 3, NULL);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->anchors_ref);
  for (uint32_t slot = old + 1; slot <= capacity; slot++) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, -2, slot);
  }
  lua_pop(L, 1);
  size_t osize =
      anchors->next_free == NULL ? 0 : (old + 1) * sizeof(uint32_t);
  uint32_t *next_free = neap_realloc(anchors->next_free, osize,
                                     (capacity + 1) * sizeof(uint32_t));
  if (next_free == NULL) {
    luaL_error(L, "not enough memory");
  }
  for (uint32_t slot = capacity; slot > old; slot--) {
    next_free[slot] = anchors->free;
    anchors->free = slot;
  }
  anchors->next_free = next_free;
  anchors->capacity = capacity;
}

void neap_anchors_reserve(lua_State *L, neap_runtime *rt, uint32_t count) {
  for (;;) {
    uint32_t slot = rt->anchors.free;
    uint32_t found = 0;
    for (; slot != 0 && found < count; found++) {
      slot = rt->anchors.next_free[slot];
    }
    if (found == count) {
      return;
    }
    grow(L, rt);
  }
}

uint32_t neap_anchor(lua_State *L, neap_runtime *rt, int index) {
  neap_anchors *anchors = &rt->anchors;
  uint32_t slot = anchors->free;
  NEAP_CHECK(slot != 0);
  anchors->free = anchors->next_free[slot];
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->anchors_ref);
  lua_pushvalue(L, index);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  return slot;
}

void neap_push_anchored(lua_State *L, neap_runtime *rt, uint32_t slot) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->anchors_ref);
  lua_rawgeti(L, -1, slot);
  lua_replace(L, -2);
}

void neap_unanchor(lua_State *L, neap_runtime *rt, uint32_t slot) {
  neap_anchors *anchors = &rt->anchors;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->anchors_ref);
  lua_pushboolean(L, 0);
  lua_rawseti(L, -2, slot);
  lua_pop(L, 1);
  anchors->next_free[slot] = anchors->free;
  anchors->free = slot;
}
