/* SPDX-License-Identifier: MIT */
#include "runtime/object.h"

#include "runtime/guard.h"
#include "runtime/task.h"
#include "runtime/track.h"
#include "runtime/wait.h"

/* [-0, +0, m] Adds closures to the table on the top. */
static void set_functions(lua_State *L, neap_runtime *rt, int metatable,
                          const luaL_Reg *list) {
  lua_pushlightuserdata(L, rt);
  lua_pushvalue(L, metatable);
  neap_guard_push_metatable(L);
  luaL_setfuncs(L, list, NEAP_GUARD_UPVALUE);
}

void neap_object_open(lua_State *L, neap_runtime *rt, const char *name,
                      const luaL_Reg *metamethods, const luaL_Reg *methods,
                      const luaL_Reg *functions) {
  luaL_newmetatable(L, name);
  int metatable = lua_gettop(L);
  lua_pushboolean(L, 0);
  lua_setfield(L, metatable, "__metatable");
  set_functions(L, rt, metatable, metamethods);
  lua_newtable(L);
  set_functions(L, rt, metatable, methods);
  lua_setfield(L, metatable, "__index");
  lua_pushvalue(L, metatable - 1);
  set_functions(L, rt, metatable, functions);
  lua_pop(L, 2);
}

void *neap_object_make(lua_State *L, const char *type, size_t size,
                       int nuvalue) {
  char *data = lua_newuserdatauv(L, size + sizeof type, nuvalue);
  memcpy(data + size, &type, sizeof type);
  return data;
}

void *neap_object_new(lua_State *L, const char *type, size_t size,
                      int nuvalue) {
  void *data = neap_object_make(L, type, size, nuvalue);
  lua_pushvalue(L, lua_upvalueindex(NEAP_METATABLE_UPVALUE));
  lua_setmetatable(L, -2);
  neap_runtime *rt = neap_runtime_up(L);
  if (rt->tracking) {
    neap_track(L, rt, rt->objects_ref);
  }
  return data;
}

void neap_push_waiters(lua_State *L, const neap_list *list) {
  int count = neap_count_waiters(list);
  if (count > 0) {
    lua_pushfstring(L, "%s, %d waiting>", lua_tostring(L, -1), count);
  } else {
    lua_pushfstring(L, "%s>", lua_tostring(L, -1));
  }
  lua_replace(L, -2);
}

static neap_task *task_of_link(neap_link *link) {
  return neap_job_task(NEAP_CONTAINER_OF(link, neap_job, link));
}

bool neap_wake_first(neap_list *list) {
  if (neap_list_empty(list)) {
    return false;
  }
  neap_wake(task_of_link(list->next));
  return true;
}

void neap_wake_all(neap_list *list) {
  while (neap_wake_first(list)) {
  }
}
