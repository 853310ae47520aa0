/* SPDX-License-Identifier: MIT */
/* embed.c - the public functions, on top of the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "runtime/error.h"
#include "runtime/future.h"
#include "runtime/host_loop.h"
#include "runtime/limits.h"
#include "runtime/loop.h"
#include "runtime/neap.h"
#include "runtime/report.h"
#include "runtime/run.h"
#include "runtime/runtime.h"
#include "runtime/task.h"

const char *neap_version(void) {
  return NEAP_VERSION;
}

/* ---- opening ---- */

static void *default_allocator(void *ud, void *ptr, size_t osize,
                               size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, nsize);
}

/* An error that nothing protects: only a host's own call of Lua can get here. */
/* GCOVR_EXCL_START: the process aborts after it, and its counts are lost */
static int panic(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  neap_write_error("neap: unprotected error in a call to Lua: ");
  neap_write_error(message == NULL ? "(no message)" : message);
  neap_write_error("\n");
  return 0; /* Lua aborts */
}

/* GCOVR_EXCL_STOP */

typedef struct opening {
  neap_options options;
  neap_runtime *rt;
  int err;
} opening;

/* Protected. 1: the opening. */
static int l_open(lua_State *L) {
  opening *o = lua_touserdata(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (o->options.state == NULL) {
    lua_CFunction libraries = o->options.libraries;
    if (libraries == NULL) {
      luaL_openlibs(L);
    } else {
      lua_pushcfunction(L, libraries);
      lua_call(L, 0, 0);
    }
  }
  luaL_requiref(L, "neap", luaopen_neap, 0);
  o->rt = neap_runtime_of(L);
  if (o->rt->driver == NULL) {
    lua_State *driver = lua_newthread(L);
    luaL_ref(L, LUA_REGISTRYINDEX);
    o->rt->driver = driver;
  }
  return 0;
}

/* Copies as much as the caller's version of the struct has. */
static int copy_options(const neap_options *options, neap_options *copy) {
  memset(copy, 0, sizeof *copy);
  if (options != NULL) {
    size_t size = options->size;
    if (size < sizeof options->size) {
      return UV_EINVAL; /* neap_options_init was not called */
    }
    memcpy(copy, options, size < sizeof *copy ? size : sizeof *copy);
  }
  return copy->limits == NULL ? 0 : neap_limits_check(copy->limits);
}

static void configure(neap_runtime *rt, const neap_options *options) {
  rt->complete = rt->hosted = true;
  rt->owns_state = options->state == NULL;
  rt->on_error = options->on_error;
  rt->on_error_ud = options->on_error_ud;
  rt->debug = options->debug != 0;
  neap_update_watch(rt);
  rt->clock.is_virtual = options->virtual_clock != 0;
}

static void on_deadline(neap_clock *clock) {
  neap_loop_nudge_if_idle(NEAP_CONTAINER_OF(clock, neap_runtime, clock));
}

/* [-0, +0, -] Of an opening that raised an error. */
static int opening_error(lua_State *L, int status) {
  if (status == LUA_ERRMEM) {
    return UV_ENOMEM;
  }
  int err = neap_runtime_open_error(L);
  return err != 0 && neap_runtime_of(L) == NULL ? err : UV_EIO;
}

/* [-0, +0, -] Opens a runtime in L. */
static int open_in(lua_State *L, opening *o) {
  neap_runtime *there = neap_runtime_of(L);
  if (there != NULL && there->complete) {
    return UV_EEXIST;
  }
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    return UV_ENOMEM;
  }
  int top = lua_gettop(L);
  lua_pushcfunction(L, l_open);
  lua_pushlightuserdata(L, o);
  int status = lua_pcall(L, 1, 0, 0);
  lua_settop(L, top);
  neap_runtime *rt = neap_runtime_of(L);
  if (status != LUA_OK) {
    if (rt != NULL) {
      rt->complete = false; /* it may be opened again */
    }
    return opening_error(L, status);
  }
  const neap_options *options = &o->options;
  rt->polled = false;
  int err = options->limits == NULL ? 0 : neap_set_limits(L, options->limits);
  if (err == 0 && options->loop != NULL) {
    err = neap_host_loop_open(rt, options->loop);
    rt->clock.armed = err == 0 ? on_deadline : NULL;
  }
  if (err != 0) {
    rt->complete = false; /* likewise */
    return err;
  }
  configure(rt, options);
  return 0;
}

int neap_open(const neap_options *options, neap_runtime **out) {
  opening o = {.rt = NULL, .err = 0};
  if (out == NULL) {
    return UV_EINVAL;
  }
  *out = NULL;
  int err = copy_options(options, &o.options);
  if (err != 0) {
    return err;
  }
  lua_State *L = o.options.state;
  if (L == NULL) {
    lua_Alloc allocator = o.options.allocator;
    L = lua_newstate(allocator == NULL ? default_allocator : allocator,
                     o.options.allocator_ud);
    if (L == NULL) {
      return UV_ENOMEM;
    }
    lua_atpanic(L, panic);
  }
  err = open_in(L, &o);
  if (err != 0 && o.options.state == NULL) {
    lua_close(L);
  }
  *out = err == 0 ? o.rt : NULL;
  return err;
}

/* 0 if the host may use the runtime now, from outside of everything. */
static int check_outside(neap_runtime *rt) {
  int err = neap_runtime_check(rt);
  if (err == 0 && (rt->L != NULL || rt->current != NULL)) {
    err = UV_EBUSY;
  }
  return err;
}

int neap_close(neap_runtime *rt) {
  lua_Debug ar;
  int err = check_outside(rt);
  if (err != 0) {
    return err;
  }
  lua_State *L = rt->main;
  if (rt->owns_state && lua_getstack(L, 0, &ar) != 0) {
    return UV_EBUSY; /* a function of Lua's called this */
  }
  if (rt->driver != NULL) {
    neap_run_shutdown(rt->driver, rt);
  }
  bool owned = rt->owns_state;
  err = neap_runtime_detach(rt);
  if (owned) {
    lua_close(L);
  }
  return err;
}

lua_State *neap_state(neap_runtime *rt) {
  return rt == NULL ? NULL : rt->main;
}

/* ---- stepping ---- */

int neap_poll(neap_runtime *rt, int timeout_ms) {
  int err = check_outside(rt);
  if (err == 0 && !rt->hosted) {
    err = UV_EINVAL;
  }
  return err != 0 ? err : neap_loop_poll(rt->driver, rt, timeout_ms);
}

int neap_backend_fd(neap_runtime *rt) {
  int err = neap_runtime_check(rt);
  return err != 0 ? err : uv_backend_fd(&rt->uv);
}

int neap_backend_timeout(neap_runtime *rt) {
  return neap_runtime_check(rt) != 0 ? -1 : neap_loop_timeout(rt);
}

int neap_cancel_all(neap_runtime *rt) {
  int err = neap_runtime_check(rt);
  if (err == 0 && rt->cancelling) {
    err = UV_EBUSY;
  }
  if (err != 0) {
    return err;
  }
  lua_State *L = rt->driver != NULL ? rt->driver : rt->main;
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    return UV_ENOMEM;
  }
  neap_cancel_tasks(L, rt);
  return 0;
}

/* ---- running ---- */

/* What neap_run_main hands to its protected parts. */
typedef struct run_end {
  neap_runtime *rt;
  bool completed;
} run_end;

/* Protected. Above the function and its arguments: the run. */
static int l_run(lua_State *L) {
  run_end *end = lua_touserdata(L, -1);
  lua_pop(L, 1);
  end->completed = neap_run(L, end->rt, lua_gettop(L) - 1);
  return 1;
}

/* Protected. 1: a future that is done. */
static int l_results(lua_State *L) {
  return neap_future_results(L, lua_touserdata(L, 1), 1);
}

/* Protected. 1: a future that failed. */
static int l_error(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_future_push_error(L, lua_touserdata(L, 1), 1);
  neap_push_full_error(L, rt, -1, 1);
  return 2;
}

/* [-1, +2, -] The value on the top is the error, and its own text. */
static neap_run_status refused(lua_State *L) {
  lua_pushvalue(L, -1);
  return NEAP_RUN_ERROR;
}

/* Protected. 1: a text in C. */
static int l_text(lua_State *L) {
  lua_pushstring(L, lua_touserdata(L, 1));
  return 1;
}

static neap_run_status refuse(lua_State *L, int nargs, const char *why) {
  lua_pop(L, nargs + 1);
  lua_pushcfunction(L, l_text);
  lua_pushlightuserdata(L, (void *)why);
  lua_pcall(L, 1, 1, 0); /* without memory it is another text */
  return refused(L);
}

/* Why nothing can run; NULL: something can. */
static const char *why_not(const neap_runtime *rt) {
  switch (neap_runtime_check(rt)) {
  case 0:
    return NULL;
  case UV_EPERM:
    return "the runtime is another thread's";
  case UV_ESHUTDOWN:
    return "the runtime is closed";
  default:
    return "there is no runtime to run in";
  }
}

neap_run_status neap_run_main(lua_State *L, int nargs) {
  run_end end = {neap_runtime_of(L), false};
  const char *why = why_not(end.rt);
  if (why != NULL) {
    return refuse(L, nargs, why);
  }
  if (check_outside(end.rt) != 0) {
    return refuse(L, nargs, "the loop runs already");
  }
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    return refuse(L, nargs, "stack overflow");
  }
  lua_pushcfunction(L, l_run);
  lua_insert(L, -nargs - 2);
  lua_pushlightuserdata(L, &end);
  if (lua_pcall(L, nargs + 2, 1, 0) != LUA_OK) {
    return refused(L);
  }
  if (!end.completed) {
    lua_pop(L, 1);
    if (end.rt->exiting) {
      lua_pushinteger(L, end.rt->exit_code);
      return NEAP_RUN_EXIT;
    }
    return NEAP_RUN_INTERRUPTED;
  }
  const neap_future *task = lua_touserdata(L, -1);
  bool finished = task->state == NEAP_FINISHED;
  lua_pushcfunction(L, finished ? l_results : l_error);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, finished ? LUA_MULTRET : 2, 0) != LUA_OK) {
    return refused(L);
  }
  return finished ? NEAP_RUN_OK : NEAP_RUN_ERROR;
}

/* What is run: a string, or the file that `name` is. */
typedef struct source {
  const char *code;
  const char *name;
} source;

static int loaded(lua_State *L, int status) {
  return status == LUA_OK ? 1 : lua_error(L);
}

/* Protected. 1: the source. */
static int l_load_string(lua_State *L) {
  const source *from = lua_touserdata(L, 1);
  return loaded(
      L, luaL_loadbufferx(L, from->code, strlen(from->code), from->name, "t"));
}

/* Protected. 1: the source. */
static int l_load_file(lua_State *L) {
  const source *from = lua_touserdata(L, 1);
  return loaded(L, luaL_loadfilex(L, from->name, "t"));
}

static neap_run_status run_source(lua_State *L, const char *problem,
                                  lua_CFunction load, source *from) {
  if (problem == NULL && !lua_checkstack(L, LUA_MINSTACK)) {
    problem = "stack overflow";
  }
  if (problem != NULL) {
    return refuse(L, -1, problem);
  }
  lua_pushcfunction(L, load);
  lua_pushlightuserdata(L, from);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    return refused(L);
  }
  return neap_run_main(L, 0);
}

neap_run_status neap_run_string(lua_State *L, const char *code,
                                const char *name) {
  source from = {code, name == NULL ? code : name};
  return run_source(L, code == NULL ? "no code" : NULL, l_load_string, &from);
}

neap_run_status neap_run_file(lua_State *L, const char *path) {
  source from = {NULL, path};
  return run_source(L, path == NULL ? "no path" : NULL, l_load_file, &from);
}

/* ---- the rest ---- */

void neap_use_virtual_clock(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt != NULL && !rt->running) {
    rt->clock.is_virtual = true;
    rt->clock.virtual_now = 0;
  }
}

void neap_set_debug(lua_State *L, int on) {
  neap_runtime *rt = neap_runtime_of(L);
  if (rt != NULL) {
    rt->debug = on != 0;
    neap_update_watch(rt);
  }
}

/* Protected. 1: an error value. */
static int l_error_text(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (rt == NULL) {
    neap_push_error_message(L, 1);
  } else {
    neap_push_full_error(L, rt, 1, 0);
  }
  return 1;
}

void neap_push_error_text(lua_State *L, int index) {
  lua_pushvalue(L, index);
  lua_pushcfunction(L, l_error_text);
  lua_insert(L, -2);
  lua_pcall(L, 1, 1, 0); /* its own error is a text too */
}
