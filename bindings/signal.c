/* SPDX-License-Identifier: MIT */
/* signal.c - what neap/signal.lua is made of: functions that are called when a
 * signal has come. */
#include <string.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/alloc.h"
#include "runtime/anchor.h"
#include "runtime/error.h"
#include "runtime/io.h"
#include "runtime/loop.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/report.h"
#include "runtime/signals.h"

static const char *const TYPE_NAME = "neap.SignalHandler";

enum { FUNCTION_VALUE = 1 };

/* Owner: its box, which is anchored, until it is closed; then the loop, until
 * on_closed frees it. */
typedef struct listener {
  uv_signal_t uv;
  neap_io io;
  neap_job job; /* the call of the function, ready */
  neap_runtime *rt;
  int signum;
  int anchor; /* of the box */
} listener;

/* What Lua has. */
typedef struct box {
  listener *l; /* NULL: closed */
  int signum;
} box;

static void on_closed(uv_handle_t *handle) {
  listener *l = NEAP_CONTAINER_OF((uv_signal_t *)handle, listener, uv);
  neap_realloc(l, sizeof *l, 0);
}

/* Signals that come before the function was called are one. */
static void on_signal(uv_signal_t *handle, int signum) {
  listener *l = NEAP_CONTAINER_OF(handle, listener, uv);
  (void)signum;
  if (!l->rt->closed && l->job.link.next == NULL) {
    neap_loop_append(l->rt, &l->job);
  }
}

/* Nobody knows whether one will ever come. */
static bool holds_clock(neap_io *io) {
  (void)io;
  return false;
}

/* Protected: calls the function of the box at 1. */
static int call(lua_State *L) {
  box *b = lua_touserdata(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushcfunction(L, neap_traceback_handler);
  lua_getiuservalue(L, 1, FUNCTION_VALUE);
  lua_pushstring(L, neap_signal_name(b->signum));
  if (lua_pcall(L, 1, 0, 2) != LUA_OK) {
    neap_report(L, neap_runtime_of(L), "Exception in signal handler", -1, 0);
  }
  return 0;
}

static void run(neap_runtime *rt, neap_job *job) {
  listener *l = NEAP_CONTAINER_OF(job, listener, job);
  lua_State *L = rt->L;
  lua_pushcfunction(L, call);
  neap_push_anchored(L, l->anchor);
  rt->executing = L;
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    lua_pop(L, 1); /* no memory left to report an error with */
  }
  rt->executing = NULL;
}

/* on(name, fn) -> handle
 * fn(name) is called by the loop, outside of tasks, whenever the signal has
 * come. */
static int l_on(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  int signum = neap_check_signal(L, 1);
  luaL_argcheck(
      L, neap_signal_is_catchable(signum) && neap_signal_name(signum) != NULL,
      1, "a signal that cannot be handled");
  neap_check_callable(L, 2);
  neap_check_running(L, rt);
  lua_settop(L, 2);
  box *b = neap_object_new(L, TYPE_NAME, sizeof *b, 1);
  b->l = NULL;
  b->signum = signum;
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, FUNCTION_VALUE);
  neap_anchors_reserve(L, rt, 1);
  listener *l = neap_realloc(NULL, 0, sizeof *l);
  if (l == NULL) {
    return neap_raise_os_error(L, rt, UV_ENOMEM, "signal", NULL);
  }
  memset(l, 0, sizeof *l);
  l->rt = rt;
  l->signum = signum;
  l->job.run = run;
  int err = uv_signal_init(&rt->uv, &l->uv);
  if (err != 0) {
    neap_realloc(l, sizeof *l, 0);
    return neap_raise_os_error(L, rt, err, "signal", NULL);
  }
  err = neap_signal_start(&l->uv, on_signal, signum);
  if (err != 0) {
    uv_close((uv_handle_t *)&l->uv, on_closed);
    return neap_raise_os_error(L, rt, err, "signal", neap_signal_name(signum));
  }
  neap_io_open(rt, &l->io, (uv_handle_t *)&l->uv, holds_clock);
  l->anchor = neap_anchor(L, rt, 3);
  b->l = l;
  return 1;
}

static listener *take(box *b) {
  listener *l = b->l;
  if (l != NULL) {
    b->l = NULL;
    neap_list_remove(&l->job.link);
    neap_io_close(&l->io);
    neap_signal_stop(&l->uv);
    uv_close((uv_handle_t *)&l->uv, on_closed);
  }
  return l;
}

/* handle:close()
 * The function is not called any more, and the signal does what it did before.
 * Again: nothing. */
static int l_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  box *b = neap_object_check(L, TYPE_NAME);
  int anchor = b->l == NULL ? 0 : b->l->anchor;
  if (take(b) != NULL) {
    neap_unanchor(L, rt, anchor);
    lua_pushnil(L);
    lua_setiuservalue(L, 1, FUNCTION_VALUE);
  }
  return 0;
}

/* The state closes: until then it is anchored. */
static int l_gc(lua_State *L) {
  take(neap_object_check(L, TYPE_NAME));
  return 0;
}

static int l_tostring(lua_State *L) {
  box *b = neap_object_check(L, TYPE_NAME);
  lua_pushfstring(L, "<SignalHandler %s%s>", neap_signal_name(b->signum),
                  b->l == NULL ? " closed" : "");
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__close",    l_close   },
    {"__gc",       l_gc      },
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"close", l_close},
    {NULL,    NULL   },
};

static const luaL_Reg functions[] = {
    {"on", l_on},
    {NULL, NULL},
};

void neap_push_signal(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 1);
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
