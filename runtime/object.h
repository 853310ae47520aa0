/* SPDX-License-Identifier: MIT */
/* object.h - userdata with methods: locks, queues and the like.
 *
 * The methods of a class, and the functions that make its objects, are closures
 * with three upvalues: the runtime, the metatable, and that of guards. */
#ifndef NEAP_OBJECT_H
#define NEAP_OBJECT_H

#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "runtime/list.h"
#include "runtime/runtime.h"

enum { NEAP_METATABLE_UPVALUE = 2, NEAP_GUARD_UPVALUE = 3 };

/* [-0, +0, m] Makes a class, and adds its functions to the table on the top. */
void neap_object_open(lua_State *L, neap_runtime *rt, const char *name,
                      const luaL_Reg *metamethods, const luaL_Reg *methods,
                      const luaL_Reg *functions);

/* [-0, +1, m] Pushes a userdata of so many bytes that is known by its type: a
 * name for people, whose address stands behind those bytes. */
void *neap_object_make(lua_State *L, const char *type, size_t size,
                       int nuvalue);

/* [-0, +1, m] Pushes an object of the class of the running function. */
void *neap_object_new(lua_State *L, const char *type, size_t size, int nuvalue);

/* The object of that type at `index`, or NULL. That it has the metatable of its
 * class would take three times as long to find out. */
static inline void *neap_object_at(lua_State *L, int index, const char *type) {
  size_t size = lua_rawlen(L, index);
  char *data = lua_touserdata(L, index);
  if (data != NULL && size >= sizeof type &&
      memcmp(data + size - sizeof type, &type, sizeof type) == 0) {
    return data;
  }
  return NULL;
}

/* [-0, +0, v] The argument 1, an object of that type. */
static inline void *neap_object_check(lua_State *L, const char *type) {
  void *data = neap_object_at(L, 1, type);
  if (data == NULL) {
    luaL_typeerror(L, 1, type);
  }
  return data;
}

/* How many wait in a list. */
static inline int neap_count_waiters(const neap_list *list) {
  int count = 0;
  for (const neap_link *l = list->next; l != list; l = l->next) {
    count++;
  }
  return count;
}

/* [-1, +1, m] Completes the text on the top, the start of an object's tostring,
 * by the number that wait. */
void neap_push_waiters(lua_State *L, const neap_list *list);

/* Wakes the first that waits in a list. False if nobody does. */
bool neap_wake_first(neap_list *list);

/* Wakes all, in their order. */
void neap_wake_all(neap_list *list);

#endif
