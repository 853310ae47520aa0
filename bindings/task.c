/* SPDX-License-Identifier: MIT */
/* task.c - create_task, and what only Tasks have. */
#include "runtime/task.h"

#include <string.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/context.h"
#include "runtime/tree.h"

/* [-0, +0, v] Refuses options that do not exist, and wrong types. */
static void check_options(lua_State *L, int arg) {
  lua_pushnil(L);
  while (lua_next(L, arg) != 0) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2)
                                                      : luaL_typename(L, -2);
    int type = strcmp(name, "name") == 0          ? LUA_TSTRING
               : strcmp(name, "eager_start") == 0 ? LUA_TBOOLEAN
               : strcmp(name, "context") == 0     ? LUA_TTABLE
                                                  : LUA_TNONE;
    if (type == LUA_TNONE) {
      lua_pushfstring(L, "unknown option '%s'", name);
      luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    if (lua_type(L, -1) != type) {
      lua_pushfstring(L, "option '%s' must be a %s, not a %s", name,
                      lua_typename(L, type), luaL_typename(L, -1));
      luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
  }
}

/* [-1, +0, m] Names the task at `index` by the string on the top. */
static void set_name(lua_State *L, neap_task *task, int index) {
  neap_future_push_extras(L, &task->future, index);
  lua_insert(L, -2);
  lua_setfield(L, -2, "name");
  lua_pop(L, 1);
}

static int create_with_options(lua_State *L, neap_runtime *rt) {
  luaL_argexpected(L, lua_istable(L, 1), 1,
                   "function to call, or table of options");
  check_options(L, 1);
  neap_check_callable(L, 2);
  neap_task *task = neap_task_new(L, rt, lua_gettop(L) - 2);
  int index = lua_gettop(L);
  if (lua_getfield(L, 1, "name") == LUA_TSTRING) {
    set_name(L, task, index);
  } else {
    lua_pop(L, 1);
  }
  if (lua_getfield(L, 1, "context") == LUA_TTABLE) {
    neap_set_task_context(L, task, index);
  } else {
    lua_pop(L, 1);
  }
  lua_getfield(L, 1, "eager_start");
  bool eager = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (eager) {
    neap_task_start_now(L, task);
  }
  return 1;
}

/* create_task([options,] fn, ...) -> Task
 * A task that will call fn(...), from the loop's next pass on.
 * options  table: name, string; eager_start, boolean: run it at once up to its
 *          first wait; context, from copy_context: run in that one
 * fn       function
 * raises   bad argument; no running loop. */
static int l_create_task(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_check_running(L, rt);
  if (lua_type(L, 1) == LUA_TFUNCTION) {
    neap_task_new(L, rt, lua_gettop(L) - 1);
    return 1;
  }
  return create_with_options(L, rt);
}

/* task:cancelling() -> integer
 * The number of requests that have not been taken back. */
static int l_cancelling(lua_State *L) {
  neap_task *task = neap_check_task(L, neap_runtime_up(L), 1);
  lua_pushinteger(L, task->cancelling);
  return 1;
}

/* task:uncancel() -> integer
 * Takes one request back; returns how many are left. */
static int l_uncancel(lua_State *L) {
  neap_task *task = neap_check_task(L, neap_runtime_up(L), 1);
  lua_pushinteger(L, neap_task_uncancel(task));
  return 1;
}

/* task:get_name() -> string
 * "Task-N" unless it was given another. */
static int l_get_name(lua_State *L) {
  neap_task *task = neap_check_task(L, neap_runtime_up(L), 1);
  neap_push_task_name(L, task, 1);
  return 1;
}

/* task:set_name(name)
 * name  string */
static int l_set_name(lua_State *L) {
  neap_task *task = neap_check_task(L, neap_runtime_up(L), 1);
  luaL_checktype(L, 2, LUA_TSTRING);
  lua_settop(L, 2);
  set_name(L, task, 1);
  return 0;
}

/* task:traceback() -> string
 * Where it is suspended, and the chain of what it awaits; of a failed task,
 * where its error was raised. */
static int l_traceback(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_task *task = neap_check_task(L, rt, 1);
  if (task->phase != NEAP_TASK_ENDED) {
    neap_push_task_traceback(L, task);
  } else {
    neap_push_ended_traceback(L, task, 1);
  }
  return 1;
}

static const luaL_Reg methods[] = {
    {"cancelling", l_cancelling},
    {"uncancel",   l_uncancel  },
    {"get_name",   l_get_name  },
    {"set_name",   l_set_name  },
    {"traceback",  l_traceback },
    {NULL,         NULL        },
};

static const luaL_Reg functions[] = {
    {"create_task", l_create_task},
    {NULL,          NULL         },
};

void neap_bind_task(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
  neap_set_methods(L, rt, rt->task_ref, NULL, methods);
}
