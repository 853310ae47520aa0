/* SPDX-License-Identifier: MIT */
/* session.c - what neap.busted needs: to run the loop test by test, and to see
 * what a test has left behind. */
#include "runtime/session.h"

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/anchor.h"
#include "runtime/callback.h"
#include "runtime/io.h"
#include "runtime/loop.h"
#include "runtime/track.h"

/* drive(seconds, task or function) -> "done", or "late", or "stopped"; task
 * Runs the loop until task, or a new one that calls the function, has ended or
 * the wall time is over. */
static int l_drive(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  double seconds = neap_check_seconds(L, 1);
  if (rt->running) {
    return luaL_error(L, "tests cannot run while the loop runs");
  }
  lua_settop(L, 2);
  if (lua_isfunction(L, 2)) {
    neap_task_new(L, rt, 0);
    lua_replace(L, 2);
  }
  neap_task *task = neap_check_task(L, rt, 2);
  switch (neap_drive(L, rt, task, seconds)) {
  case NEAP_DRIVE_DONE:
    lua_pushliteral(L, "done");
    break;
  case NEAP_DRIVE_LATE:
    lua_pushliteral(L, "late");
    break;
  case NEAP_DRIVE_STOPPED:
    lua_pushliteral(L, "stopped");
  }
  lua_pushvalue(L, 2);
  return 2;
}

/* late_tree() -> string, or nil as long as the task that is driven, or was
 * last, has not run out of time. */
static int l_late_tree(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (!rt->late) {
    return 0;
  }
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, rt->late_tree_ref) != LUA_TSTRING) {
    lua_pushliteral(L, "(not enough memory to show the tasks)");
  }
  return 1;
}

/* abandon(task): ends a task that does not want to end. */
static int l_abandon(lua_State *L) {
  neap_task *task = neap_check_task(L, neap_runtime_up(L), 1);
  if (task->phase == NEAP_TASK_READY || task->phase == NEAP_TASK_PARKED) {
    neap_task_abandon(L, task);
  }
  return 0;
}

/* guard_exit(on) -> whether os.exit was refused since the last call. */
static int l_guard_exit(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_pushboolean(L, rt->exit_refused);
  rt->exit_refused = false;
  rt->exit_guarded = lua_toboolean(L, 1) != 0;
  return 1;
}

/* interrupted() -> whether Ctrl-C asked for an end. */
static int l_interrupted(lua_State *L) {
  lua_pushboolean(L, neap_runtime_up(L)->interrupted);
  return 1;
}

/* set_default_handler(fn): who gets reports while there is no exception
 * handler, in place of stderr. */
static int l_set_default_handler(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  luaL_unref(L, LUA_REGISTRYINDEX, rt->default_handler_ref);
  rt->default_handler_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* exception_handler() -> what was given to neap.set_exception_handler, or nil */
static int l_exception_handler(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->handler_ref); /* nil for LUA_NOREF */
  return 1;
}

/* track() -> places, objects
 * Two weak tables in which from now on stands where things were created. */
static int l_track(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_track_start(L, rt);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->created_ref);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->objects_ref);
  return 2;
}

typedef struct handle_list {
  lua_State *L; /* with a sequence of types on its top, or NULL */
  lua_Integer count;
} handle_list;

static bool keeps_alive(const uv_handle_t *handle) {
  return uv_is_active(handle) && uv_has_ref(handle);
}

static void add_type(handle_list *list, const uv_handle_t *handle) {
  list->count++;
  if (list->L != NULL) {
    lua_pushstring(list->L, uv_handle_type_name(handle->type));
    lua_rawseti(list->L, -2, list->count);
  }
}

static void add_handle(uv_handle_t *handle, void *arg) {
  if (keeps_alive(handle)) {
    add_type(arg, handle);
  }
}

/* Of what keeps the loop alive. */
static lua_Integer list_handles(lua_State *L, neap_runtime *rt) {
  handle_list list = {L, 0};
  uv_walk(&rt->uv, add_handle, &list);
  return list.count;
}

/* A socket that nobody reads from: libuv does not wait for it, yet it is open.
 * curl's timer is not one. */
static lua_Integer count_idle(neap_runtime *rt) {
  lua_Integer count = 0;
  for (neap_link *l = rt->io.next; l != &rt->io; l = l->next) {
    uv_handle_t *handle = NEAP_CONTAINER_OF(l, neap_io, link)->handle;
    count += !keeps_alive(handle) && !uv_is_closing(handle) &&
             handle->type != UV_TIMER;
  }
  return count;
}

/* census() -> tasks pending, handles that keep the loop alive, deadlines,
 * whether errors are unseen, handles that are open and idle, whether tasks or
 * callbacks are ready */
static int l_census(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_pushinteger(L, (lua_Integer)rt->counters.pending);
  lua_pushinteger(L, rt->loop_open ? list_handles(NULL, rt) : 0);
  lua_pushinteger(L, (lua_Integer)neap_clock_count(&rt->clock));
  lua_pushboolean(L, !neap_list_empty(&rt->failed));
  lua_pushinteger(L, count_idle(rt));
  lua_pushboolean(L,
                  !neap_list_empty(&rt->ready) || !neap_list_empty(&rt->batch));
  return 6;
}

/* unseen() -> sequence, any
 * The futures with errors that nobody has looked at; and whether the collector
 * has yet to report others. */
static int l_unseen(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  bool any = false;
  lua_Integer n = 0;
  lua_createtable(L, 0, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->failures_ref);
  for (neap_link *l = rt->failed.next; l != &rt->failed; l = l->next) {
    neap_future *future = NEAP_CONTAINER_OF(l, neap_future, failure);
    if (lua_rawgetp(L, -1, future) == LUA_TUSERDATA) {
      lua_rawseti(L, -3, ++n);
    } else {
      lua_pop(L, 1);
      any = true;
    }
  }
  lua_pop(L, 1);
  lua_pushboolean(L, any);
  return 2;
}

/* [-0, +0, m] Adds the handle of a job, if it is a callback's, to the sequence
 * at the top. */
static void add_callback(lua_State *L, neap_job *job) {
  neap_callback *callback = job == NULL ? NULL : neap_job_callback(job);
  if (callback != NULL) {
    neap_push_anchored(L, callback->anchor);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
}

static void add_queued_callbacks(lua_State *L, neap_list *queue) {
  for (neap_link *l = queue->next; l != queue; l = l->next) {
    add_callback(L, NEAP_CONTAINER_OF(l, neap_job, link));
  }
}

/* callbacks() -> sequence of the handles of callbacks that are ready or wait
 * for their time. */
static int l_callbacks(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_createtable(L, 0, 0);
  add_queued_callbacks(L, &rt->batch); /* of a run that was stopped */
  add_queued_callbacks(L, &rt->ready);
  for (size_t i = 0; i < rt->clock.count; i++) {
    add_callback(L, rt->clock.slots[rt->clock.heap[i].slot].job);
  }
  return 1;
}

/* handles() -> sequence of the types of open handles: "tcp". */
static int l_handles(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_createtable(L, 0, 0);
  if (rt->loop_open) {
    list_handles(L, rt);
  }
  return 1;
}

/* clocks() -> how many virtual clocks are open. */
static int l_clocks(lua_State *L) {
  lua_pushinteger(L, neap_runtime_up(L)->open_clocks);
  return 1;
}

/* close_clocks(keep): closes all but the first so many. */
static int l_close_clocks(lua_State *L) {
  neap_close_clocks(L, neap_runtime_up(L), (unsigned)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {
    {"drive",               l_drive              },
    {"late_tree",           l_late_tree          },
    {"abandon",             l_abandon            },
    {"guard_exit",          l_guard_exit         },
    {"interrupted",         l_interrupted        },
    {"set_default_handler", l_set_default_handler},
    {"exception_handler",   l_exception_handler  },
    {"track",               l_track              },
    {"census",              l_census             },
    {"unseen",              l_unseen             },
    {"callbacks",           l_callbacks          },
    {"handles",             l_handles            },
    {"clocks",              l_clocks             },
    {"close_clocks",        l_close_clocks       },
    {NULL,                  NULL                 },
};

void neap_add_session(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
}
