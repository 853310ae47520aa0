/* SPDX-License-Identifier: MIT */
#include "runtime/class.h"

#include <string.h>

#include <lauxlib.h>

_Static_assert(NEAP_CLASS_COUNT <= NEAP_MAX_CLASSES, "raise the latter");

enum { FIRST_CAPACITY = 64 };

/* A hash table with linear probing, never more than half full. Classes are
 * never forgotten, so neither are addresses used again. */
struct neap_class_place {
  const void *class_address; /* NULL: free */
  const void *parent;        /* NULL: the root */
};

typedef struct neap_class_place place;

static place *place_of(const neap_classes *classes, const void *address) {
  uint64_t hash = (uint64_t)(uintptr_t)address * 0x9E3779B97F4A7C15ULL;
  size_t mask = classes->capacity - 1;
  size_t i = (size_t)(hash >> 32) & mask;
  while (classes->places[i].class_address != NULL &&
         classes->places[i].class_address != address) {
    i = (i + 1) & mask;
  }
  return &classes->places[i];
}

/* The class with that address, or NULL. */
static const place *find(const neap_runtime *rt, const void *address) {
  const place *found = place_of(&rt->classes, address);
  return found->class_address == NULL ? NULL : found;
}

/* [-0, +0, m] Makes room for `capacity` places. */
static void resize(lua_State *L, neap_runtime *rt, uint32_t capacity) {
  size_t size = capacity * sizeof(place);
  neap_classes resized = {lua_newuserdatauv(L, size, 0), capacity,
                          rt->classes.count};
  memset(resized.places, 0, size);
  for (uint32_t i = 0; i < rt->classes.capacity; i++) {
    place *old = &rt->classes.places[i];
    if (old->class_address != NULL) {
      *place_of(&resized, old->class_address) = *old;
    }
  }
  lua_rawseti(L, LUA_REGISTRYINDEX, rt->places_ref);
  rt->classes = resized;
}

void neap_classes_open(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, NEAP_CLASS_COUNT);
  rt->parents_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_createtable(L, NEAP_CLASS_COUNT, 0);
  rt->classes_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushboolean(L, 0);
  rt->places_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  resize(L, rt, FIRST_CAPACITY);
}

void neap_class_add(lua_State *L, neap_runtime *rt, int parent) {
  const void *address = lua_topointer(L, -1);
  if (2 * (rt->classes.count + 1) > rt->classes.capacity) {
    resize(L, rt, 2 * rt->classes.capacity);
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->parents_ref);
  lua_pushvalue(L, -2);
  if (parent != 0) {
    lua_pushvalue(L, parent);
  } else {
    lua_pushboolean(L, 0);
  }
  lua_rawset(L, -3);
  lua_pop(L, 1);
  place *added = place_of(&rt->classes, address);
  added->class_address = address;
  added->parent = parent == 0 ? NULL : lua_topointer(L, parent);
  rt->classes.count++;
}

void neap_class_set(lua_State *L, neap_runtime *rt, neap_class class_id) {
  rt->class_addresses[class_id] = lua_topointer(L, -1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->classes_ref);
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)class_id + 1);
  lua_pop(L, 1);
}

void neap_push_class(lua_State *L, neap_runtime *rt, neap_class class_id) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->classes_ref);
  lua_rawgeti(L, -1, (lua_Integer)class_id + 1);
  lua_replace(L, -2);
}

bool neap_is_class(lua_State *L, neap_runtime *rt, int index) {
  return lua_istable(L, index) && find(rt, lua_topointer(L, index)) != NULL;
}

/* [-0, +0, -] Whether the value at `index` is an instance of the class with
 * this address. A class is no instance, although it has a metatable. */
static bool is_instance(lua_State *L, neap_runtime *rt, int index,
                        const void *wanted) {
  if (!lua_istable(L, index) || find(rt, lua_topointer(L, index)) != NULL ||
      !lua_checkstack(L, 1) || !lua_getmetatable(L, index)) {
    return false;
  }
  const place *class = find(rt, lua_topointer(L, -1));
  lua_pop(L, 1);
  while (class != NULL && class->class_address != wanted) {
    class = find(rt, class->parent);
  }
  return class != NULL;
}

bool neap_error_isinstance(lua_State *L, neap_runtime *rt, int index,
                           int class_index) {
  return is_instance(L, rt, index, lua_topointer(L, class_index));
}

bool neap_error_is(lua_State *L, neap_runtime *rt, int index,
                   neap_class class_id) {
  return is_instance(L, rt, index, rt->class_addresses[class_id]);
}
