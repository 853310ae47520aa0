/* SPDX-License-Identifier: MIT */
#include "runtime/report.h"

#include <stdio.h>

#include <lauxlib.h>

#include "runtime/error.h"
#include "runtime/future.h"
#include "runtime/task.h"
#include "runtime/tree.h"

void neap_write_error(const char *text) {
  fputs(text, stderr);
  fflush(stderr);
}

/* [-0, +?, m] In debug mode, where the task was created. */
static void add_creation(lua_State *L, neap_runtime *rt, luaL_Buffer *text,
                         int future_index) {
  if (future_index != 0) {
    neap_future_push_extra(L, neap_to_future(L, rt, future_index), future_index,
                           "created");
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      return;
    }
    luaL_addvalue(text);
    luaL_addchar(text, '\n');
  }
}

/* [-0, +1, m] The text of the error at 2, of the future at 3, as for stderr. */
static void push_report(lua_State *L, neap_runtime *rt, const char *message) {
  luaL_Buffer text;
  int future_index = lua_isnil(L, 3) ? 0 : 3;
  luaL_buffinit(L, &text);
  luaL_addstring(&text, "neap: ");
  luaL_addstring(&text, message);
  if (future_index != 0) {
    luaL_addstring(&text, ": ");
    neap_push_future_text(L, neap_to_future(L, rt, 3), 3);
    luaL_addvalue(&text);
  }
  luaL_addchar(&text, '\n');
  if (lua_toboolean(L, 4)) {
    neap_push_full_error(L, rt, 2, future_index);
    luaL_addvalue(&text);
    luaL_addchar(&text, '\n');
  }
  add_creation(L, rt, &text, future_index);
  luaL_pushresult(&text);
}

/* Protected. Stack: message, error, future or nil, whether there is an error
 * (which may be nil). */
static int report(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  const char *message = lua_tostring(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int handler_ref =
      rt->handler_ref != LUA_NOREF ? rt->handler_ref : rt->default_handler_ref;
  if (handler_ref != LUA_NOREF && !rt->closed) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, handler_ref);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "message");
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "exception");
    lua_pushvalue(L, 3);
    lua_setfield(L, -2, "task");
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
      return 0;
    }
    neap_push_error_message(L, -1);
    lua_pushfstring(L, "neap: the exception handler failed: %s\n",
                    lua_tostring(L, -1));
    neap_write_error(lua_tostring(L, -1));
    lua_settop(L, 4);
  }
  push_report(L, rt, message);
  if (rt->on_error != NULL) {
    rt->on_error(rt->on_error_ud, lua_tostring(L, -1));
  } else {
    neap_write_error(lua_tostring(L, -1));
  }
  return 0;
}

static int push_message(lua_State *L) {
  lua_pushstring(L, lua_touserdata(L, 1));
  return 1;
}

void neap_report(lua_State *L, neap_runtime *rt, const char *message,
                 int error_index, int future_index) {
  neap_task *current = rt->current;
  if (!lua_checkstack(L, 8)) {
    return;
  }
  int top = lua_gettop(L);
  error_index = error_index == 0 ? 0 : lua_absindex(L, error_index);
  lua_pushcfunction(L, report);
  lua_pushcfunction(L, push_message);
  lua_pushlightuserdata(L, (void *)message);
  bool ok = lua_pcall(L, 1, 1, 0) == LUA_OK;
  if (error_index != 0) {
    lua_pushvalue(L, error_index);
  } else {
    lua_pushnil(L);
  }
  if (future_index != 0) {
    lua_pushvalue(L, future_index);
  } else {
    lua_pushnil(L);
  }
  lua_pushboolean(L, error_index != 0);
  rt->current = NULL; /* the handler runs outside of any task */
  if (!ok || lua_pcall(L, 4, 0, 0) != LUA_OK) {
    neap_write_error("neap: not enough memory to report an error\n");
  }
  rt->current = current;
  lua_settop(L, top);
}

void neap_report_open(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  rt->failures_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  rt->handler_ref = rt->default_handler_ref = LUA_NOREF;
  neap_list_init(&rt->failed);
}

void neap_remember_failure(lua_State *L, neap_future *future, int index) {
  neap_runtime *rt = future->rt;
  index = lua_absindex(L, index);
  lua_newuserdatauv(L, 0, 1);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->failure_ref);
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->failures_ref);
  lua_pushvalue(L, index);
  lua_rawsetp(L, -2, future);
  lua_pop(L, 1);
  lua_setiuservalue(L, index, NEAP_SOURCE_VALUE);
}

/* [-0, +0, -] Reports the error of the future at `index`, unless it was seen. */
static void report_future(lua_State *L, neap_future *future, int index) {
  if (future->state != NEAP_FAILED || future->retrieved) {
    return;
  }
  neap_future_retrieve(future);
  if (future->rt->stopped) {
    return; /* the program was told to end at once */
  }
  lua_getiuservalue(L, index, NEAP_OUTCOME_VALUE);
  const char *message = "Future exception was never retrieved";
  if (future->in_shutdown) {
    message = "unhandled exception during shutdown";
  } else if (neap_future_task(future) != NULL) {
    message = "Task exception was never retrieved";
  }
  neap_report(L, future->rt, message, lua_gettop(L), index);
  lua_pop(L, 1);
}

void neap_report_failures(lua_State *L, neap_runtime *rt) {
  if (!lua_checkstack(L, 8)) {
    return;
  }
  while (!neap_list_empty(&rt->failed)) {
    neap_future *future =
        NEAP_CONTAINER_OF(rt->failed.next, neap_future, failure);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->failures_ref);
    if (lua_rawgetp(L, -1, future) == LUA_TUSERDATA) {
      report_future(L, future, lua_gettop(L));
    } else {
      neap_list_remove(&future->failure); /* its finalizer will report it */
    }
    lua_pop(L, 2);
  }
}

int neap_failure_gc(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (lua_getiuservalue(L, 1, 1) == LUA_TUSERDATA) {
    neap_future *future = neap_to_future(L, rt, -1);
    report_future(L, future, lua_gettop(L));
    neap_list_remove(&future->failure);
  }
  return 0;
}
