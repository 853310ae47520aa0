/* SPDX-License-Identifier: MIT */
/* coroutine.c - the coroutine library, so that waits pass through coroutines.
 *
 * The functions behave as the standard ones. But when a coroutine yields
 * because it waits, the one that resumed it yields too, and so on out to the
 * task; and the loop's wake-up comes back in the same way. */
#include <lauxlib.h>
#include <lualib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/error.h"
#include "runtime/resume.h"
#include "runtime/version.h"
#include "runtime/wait.h"

/* On top of the stack of a coroutine of wrap whose body has raised, below the
 * error. */
static const char wrap_failed = 0;

/* ---- resuming ---- */

enum { RESUME_ERROR = -1, RESUME_WAITS = -2 };

/* Resumes the coroutine at 1 with the values above it. Returns the number of
 * values it pushed; RESUME_ERROR if it pushed an error; RESUME_WAITS if the
 * coroutine waits. */
static int resume(lua_State *L, neap_runtime *rt, lua_State *co, int nargs) {
  int nresults;
  int status = neap_resume(rt, co, L, nargs, &nresults);
  if (status == LUA_YIELD && rt->parking) {
    return RESUME_WAITS;
  }
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return RESUME_ERROR;
  }
  if (!lua_checkstack(L, nresults + 1)) {
    lua_pop(co, nresults);
    lua_pushliteral(L, "too many results to resume");
    return RESUME_ERROR;
  }
  lua_xmove(co, L, nresults);
  return nresults;
}

/* Moves the values above the coroutine at 1 into it. */
static int move_arguments(lua_State *L, lua_State *co) {
  int nargs = lua_gettop(L) - 1;
  if (neap_is_parked(co)) {
    lua_pushliteral(L, "cannot resume a coroutine that waits in neap: only "
                       "the loop may");
    return RESUME_ERROR;
  }
  if (!lua_checkstack(co, nargs)) {
    lua_pushliteral(L, "too many arguments to resume");
    return RESUME_ERROR;
  }
  lua_xmove(L, co, nargs);
  return nargs;
}

/* [-0, +0, v] Continues after a wait inside the coroutine at 1. */
static lua_State *continue_inner(lua_State *L, neap_runtime *rt) {
  if (!rt->delivering) {
    luaL_error(L, "a coroutine that waits was resumed by something other than "
                  "neap");
  }
  lua_settop(L, 1);
  return lua_tothread(L, 1);
}

static int k_resume(lua_State *L, int status, lua_KContext ctx);

static int finish_resume(lua_State *L, int n) {
  if (n == RESUME_WAITS) {
    return neap_pass_through(L, 0, k_resume);
  }
  if (n == RESUME_ERROR) {
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_insert(L, -n - 1);
  return n + 1;
}

static int k_resume(lua_State *L, int status, lua_KContext ctx) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_State *co = continue_inner(L, rt);
  (void)status;
  (void)ctx;
  return finish_resume(L, resume(L, rt, co, 0));
}

/* coroutine.resume(co, ...) */
static int l_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  int nargs = move_arguments(L, co);
  return finish_resume(L, nargs < 0 ? nargs
                                    : resume(L, neap_runtime_up(L), co, nargs));
}

/* ---- wrap ---- */

/* Its body runs under a protected call, so that <close> handlers run, and may
 * wait, while an error unwinds it. */
static int k_wrapped(lua_State *L, int status, lua_KContext ctx) {
  (void)ctx;
  if (status == LUA_OK || status == LUA_YIELD) {
    return lua_gettop(L) - 1;
  }
  lua_pushlightuserdata(L, (void *)&wrap_failed);
  lua_insert(L, -2);
  return 2;
}

static int wrap_main(lua_State *L) {
  int nargs = lua_gettop(L) - 2;
  return k_wrapped(L, lua_pcallk(L, nargs, LUA_MULTRET, 1, 0, k_wrapped), 0);
}

static int k_wrap(lua_State *L, int status, lua_KContext ctx);

/* [-1, +0, v] Raises the error of a wrapped coroutine, as lcorolib.c does. */
static int raise_wrapped(lua_State *L) {
  if (lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int finish_wrap(lua_State *L, int n) {
  if (n == RESUME_WAITS) {
    return neap_pass_through(L, 0, k_wrap);
  }
  if (n == RESUME_ERROR) {
    return raise_wrapped(L);
  }
  if (n == 2 && lua_touserdata(L, -2) == &wrap_failed) {
    return raise_wrapped(L);
  }
  return n;
}

static int k_wrap(lua_State *L, int status, lua_KContext ctx) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_State *co = continue_inner(L, rt);
  (void)status;
  (void)ctx;
  return finish_wrap(L, resume(L, rt, co, 0));
}

static int call_wrapped(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_State *co = lua_tothread(L, lua_upvalueindex(2));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  /* Not started: the body and its handler are on its stack. */
  int below = lua_status(co) == LUA_OK && lua_gettop(co) > 0 ? 2 : 0;
  int nargs = move_arguments(L, co);
  return finish_wrap(L, nargs < 0 ? nargs : resume(L, rt, co, nargs + below));
}

/* coroutine.wrap(f) */
static int l_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_State *co = lua_newthread(L);
  lua_pushcfunction(co, wrap_main);
  lua_pushcfunction(co, neap_traceback_handler);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call_wrapped, 2);
  return 1;
}

/* ---- the rest ---- */

/* coroutine.close(co) */
static int l_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co != NULL, 1, "coroutine");
  lua_Debug ar;
  int status = lua_status(co);
  bool is_running = co == L || (status == LUA_OK && lua_getstack(co, 0, &ar));
  if (is_running) {
    return luaL_error(L, "cannot close a %s coroutine",
                      co == L ? "running" : "normal");
  }
  if (neap_is_parked(co)) {
    return luaL_error(L, "cannot close a coroutine that waits in neap: cancel "
                         "its task");
  }
  if (rt->closing == NEAP_MAX_CLOSING) {
    return luaL_error(L, "C stack overflow");
  }
  if (neap_close_coroutine(rt, co, L) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

/* coroutine.running() */
static int l_running(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (rt->current != NULL && rt->current->co == L) {
    rt->current->exposed = true; /* somebody may keep it, as a key say */
  }
  lua_pushboolean(L, lua_pushthread(L));
  return 2;
}

/* coroutine.yield(...) */
static int l_yield(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (rt->current != NULL && rt->current->co == L) {
    return luaL_error(L, "attempt to yield from outside a coroutine: a task "
                         "gives way by neap.sleep(0)");
  }
  return neap_yield_values(L);
}

static const luaL_Reg coroutine_functions[] = {
    {"resume",  l_resume },
    {"wrap",    l_wrap   },
    {"close",   l_close  },
    {"running", l_running},
    {"yield",   l_yield  },
    {NULL,      NULL     },
};

void neap_patch_coroutine(lua_State *L, neap_runtime *rt) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, LUA_COLIBNAME) == LUA_TTABLE) {
    if (lua_getfield(L, -1, "resume") != LUA_TFUNCTION ||
        lua_tocfunction(L, -1) != l_resume) {
      lua_pop(L, 1);
      neap_set_functions(L, rt, coroutine_functions);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 2);
}
