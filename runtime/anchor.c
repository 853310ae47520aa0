/* SPDX-License-Identifier: MIT */
#include "runtime/anchor.h"

#include <lauxlib.h>

#include "runtime/alloc.h"

enum { FIRST_CAPACITY = 32 };

void neap_anchors_close(neap_runtime *rt) {
  neap_anchors *anchors = &rt->anchors;
  neap_realloc(anchors->free, anchors->capacity * sizeof *anchors->free, 0);
  anchors->free = NULL;
  anchors->capacity = anchors->free_count = 0;
}

/* Doubles the slots. There is room in `free` for every slot there is, so that
 * giving one back cannot fail. */
void neap_anchors_grow(lua_State *L, neap_runtime *rt) {
  neap_anchors *anchors = &rt->anchors;
  uint32_t old = anchors->capacity;
  uint32_t capacity = old == 0 ? FIRST_CAPACITY : 2 * old;
  int *free =
      neap_realloc(anchors->free, old * sizeof *free, capacity * sizeof *free);
  if (free == NULL) {
    luaL_error(L, "not enough memory");
    return;
  }
  anchors->free = free;
  while (anchors->capacity < capacity) {
    lua_pushboolean(L, 0);
    free[anchors->free_count] = luaL_ref(L, LUA_REGISTRYINDEX);
    anchors->free_count++;
    anchors->capacity++;
  }
}
