/* SPDX-License-Identifier: MIT */
/* run.c - neap.run, and questions to the runtime as a whole. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/alloc.h"
#include "runtime/loop.h"
#include "runtime/run.h"
#include "runtime/tree.h"

/* run(fn, ...) -> fn's results
 * Runs fn(...) as the main task until it ends, then cancels what is left, lets
 * it clean up, and returns.
 * fn      function
 * raises  fn's error; DeadlockError in the main task; refused while the loop
 *         runs.
 * waits   never: it blocks. */
static int l_run(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_check_callable(L, 1);
  if (rt->closed) {
    return luaL_error(L, "the runtime is closed");
  }
  if (rt->running) {
    return luaL_error(L, "neap.run cannot be called while the loop runs: "
                         "inside a task, just call the function");
  }
  if (neap_run(L, rt, lua_gettop(L) - 1)) {
    int index = lua_gettop(L);
    return neap_future_results(L, lua_touserdata(L, index), index);
  }
  if (rt->exiting) {
    /* On the main thread now, where the state may be closed. */
    lua_getglobal(L, "os");
    lua_getfield(L, -1, "exit");
    lua_pushinteger(L, rt->exit_code);
    lua_pushboolean(L, L == rt->main);
    lua_call(L, 2, 0);
  }
  return luaL_error(L, "interrupted");
}

/* current_task() -> Task or nil
 * The task whose code runs; nil outside of tasks, such as in a callback. */
static int l_current_task(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (rt->current == NULL) {
    lua_pushnil(L);
  } else {
    neap_push_future(L, &rt->current->future);
  }
  return 1;
}

/* all_tasks() -> sequence
 * The tasks that are not done, in the order of their creation. */
static int l_all_tasks(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_Integer n = 0;
  lua_createtable(L, 0, 0);
  for (neap_link *l = rt->tasks.next; l != &rt->tasks; l = l->next) {
    neap_push_future(L, &NEAP_CONTAINER_OF(l, neap_task, link)->future);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* time() -> number
 * Seconds of the loop's monotonic clock. */
static int l_time(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_pushnumber(L, neap_clock_to_seconds(neap_clock_now(&rt->clock)));
  return 1;
}

/* set_debug(on)
 * Debug mode on or off. */
static int l_set_debug(lua_State *L) {
  luaL_checkany(L, 1);
  neap_set_debug(L, lua_toboolean(L, 1));
  return 0;
}

/* set_exception_handler(fn)
 * fn{message =, exception =, task =} gets what would go to stderr.
 * fn  function, or nil for stderr again. */
static int l_set_exception_handler(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (!lua_isnoneornil(L, 1)) {
    neap_check_callable(L, 1);
  }
  lua_settop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, rt->handler_ref);
  rt->handler_ref = LUA_NOREF;
  if (!lua_isnil(L, 1)) {
    rt->handler_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  return 0;
}

static void set_count(lua_State *L, const char *name, uint64_t count) {
  lua_pushinteger(L, (lua_Integer)count);
  lua_setfield(L, -2, name);
}

/* stats() -> table
 * Counters: tasks {pending, created, finished, failed, cancelled}; timers,
 * handles, bytes (of C memory) held now; steps, passes and polls so far. */
static int l_stats(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_counters *counters = &rt->counters;
  lua_createtable(L, 0, 8);
  lua_createtable(L, 0, 5);
  set_count(L, "pending", counters->pending);
  set_count(L, "created", counters->created);
  set_count(L, "finished", counters->finished);
  set_count(L, "failed", counters->failed);
  set_count(L, "cancelled", counters->cancelled);
  lua_setfield(L, -2, "tasks");
  set_count(L, "timers", neap_clock_count(&rt->clock));
  set_count(L, "handles", neap_loop_handles(rt));
  set_count(L, "bytes", neap_alloc_bytes());
  set_count(L, "steps", counters->steps);
  set_count(L, "passes", counters->passes);
  set_count(L, "polls", counters->polls);
  return 1;
}

/* format_tasks() -> string
 * The tree of the tasks that are not done. */
static int l_format_tasks(lua_State *L) {
  neap_push_tree(L, neap_runtime_up(L), false);
  return 1;
}

static const luaL_Reg functions[] = {
    {"run",                   l_run                  },
    {"current_task",          l_current_task         },
    {"all_tasks",             l_all_tasks            },
    {"time",                  l_time                 },
    {"set_debug",             l_set_debug            },
    {"set_exception_handler", l_set_exception_handler},
    {"stats",                 l_stats                },
    {"format_tasks",          l_format_tasks         },
    {NULL,                    NULL                   },
};

void neap_bind_run(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
}
