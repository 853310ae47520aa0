/* SPDX-License-Identifier: MIT */
#include "runtime/anchor.h"

#include <lauxlib.h>

#include "runtime/alloc.h"

enum { FIRST_CAPACITY = 32 };

void neap_anchors_close(neap_runtime *rt) {
  neap_anchors *anchors = &rt->anchors;
  neap_realloc(anchors->free, anchors->room * sizeof *anchors->free, 0);
  anchors->free = NULL;
  anchors->capacity = anchors->room = anchors->free_count = 0;
}

/* Doubles the slots. There is room in `free` for every slot there is, so that
 * giving one back cannot fail. New ones are taken as luaL_ref does it, behind
 * the last place of the registry, but not one by one: a million tasks need two
 * millions of them. */
void neap_anchors_grow(lua_State *L, neap_runtime *rt) {
  neap_anchors *anchors = &rt->anchors;
  uint32_t old = anchors->capacity;
  uint32_t capacity = old == 0 ? FIRST_CAPACITY : 2 * old;
  int *free = neap_realloc(anchors->free, anchors->room * sizeof *free,
                           capacity * sizeof *free);
  if (free == NULL) {
    luaL_error(L, "not enough memory");
    return;
  }
  anchors->free = free;
  anchors->room = capacity; /* the slots may not get so many: rawseti raises */
  lua_Unsigned last = lua_rawlen(L, LUA_REGISTRYINDEX);
  for (uint32_t i = 1; i <= capacity - old; i++) {
    lua_pushboolean(L, 0);
    lua_rawseti(L, LUA_REGISTRYINDEX, (lua_Integer)(last + i));
    free[anchors->free_count++] = (int)(last + i);
    anchors->capacity++;
  }
}
