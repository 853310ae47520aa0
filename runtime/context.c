/* SPDX-License-Identifier: MIT */
#include "runtime/context.h"

#include <lauxlib.h>

#include "runtime/anchor.h"
#include "runtime/future.h"
#include "runtime/task.h"

void neap_push_context(lua_State *L, neap_runtime *rt) {
  if (rt->context_copy_ref == LUA_NOREF) {
    lua_pushnil(L);
  } else if (rt->current != NULL) {
    neap_push_future(L, &rt->current->future);
    neap_future_push_extra(L, &rt->current->future, -1, "context");
    lua_replace(L, -2);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->context_ref);
    if (!lua_toboolean(L, -1)) {
      lua_pop(L, 1);
      lua_pushnil(L);
    }
  }
}

void neap_set_task_context(lua_State *L, neap_task *task, int index) {
  neap_future_push_extras(L, &task->future, index);
  lua_insert(L, -2);
  lua_setfield(L, -2, "context");
  lua_pop(L, 1);
}

void neap_set_context(lua_State *L, neap_runtime *rt) {
  if (rt->current == NULL) {
    lua_rawseti(L, LUA_REGISTRYINDEX, rt->context_ref);
    return;
  }
  neap_push_future(L, &rt->current->future);
  lua_insert(L, -2);
  neap_set_task_context(L, rt->current, lua_absindex(L, -2));
  lua_pop(L, 1);
}

void neap_push_inherited_context(lua_State *L, neap_runtime *rt) {
  neap_push_context(L, rt);
  if (!lua_isnil(L, -1)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->context_copy_ref);
    lua_insert(L, -2);
    lua_call(L, 1, 1);
  }
}
