/* SPDX-License-Identifier: MIT */
/* object.h - userdata with methods: locks, queues and the like.
 *
 * The methods of a class, and the functions that make its objects, are closures
 * with three upvalues: the runtime; the metatable, by which self is recognised
 * without a look-up by name; and the metatable of guards. */
#ifndef NEAP_OBJECT_H
#define NEAP_OBJECT_H

#include <lauxlib.h>
#include <lua.h>

#include "runtime/list.h"
#include "runtime/runtime.h"

enum { NEAP_METATABLE_UPVALUE = 2, NEAP_GUARD_UPVALUE = 3 };

/* [-0, +0, m] Makes a class, and adds its functions to the table on the top. */
void neap_object_open(lua_State *L, neap_runtime *rt, const char *name,
                      const luaL_Reg *metamethods, const luaL_Reg *methods,
                      const luaL_Reg *functions);

/* [-0, +1, m] Pushes an object of the class of the running function. */
void *neap_object_new(lua_State *L, size_t size, int nuvalue);

/* [-0, +1, v] The argument 1, an object of the class of the running function.
 * Leaves its metatable on the stack: for where every call counts. */
static inline void *neap_object_check_quickly(lua_State *L, const char *name) {
  void *data = lua_touserdata(L, 1);
  if (data == NULL || !lua_getmetatable(L, 1) ||
      !lua_rawequal(L, -1, lua_upvalueindex(NEAP_METATABLE_UPVALUE))) {
    luaL_typeerror(L, 1, name);
  }
  return data;
}

/* [-0, +0, v] The same. */
static inline void *neap_object_check(lua_State *L, const char *name) {
  void *data = neap_object_check_quickly(L, name);
  lua_pop(L, 1);
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
