/* SPDX-License-Identifier: MIT */
/* luv.c - what neap/uv.lua is made of: the luv module, on neap's loop.
 *
 * luv calls Lua inside uv callbacks, which nothing of neap's own does. All that
 * can be done about it is done here: its one door for calls, luv_set_callback,
 * is ours, so an error in a callback is reported and goes no further. */
#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/error.h"
#include "runtime/library.h"
#include "runtime/report.h"

/* Of luv.h, which need not be installed; what is called is looked up. */
typedef int call_function(lua_State *L, int nargs, int nresults, int flags);
int luaopen_luv(lua_State *L);
void luv_set_loop(lua_State *L, uv_loop_t *loop);
void luv_set_callback(lua_State *L, call_function *function);

#define LUV(X) X(luaopen_luv) X(luv_set_loop) X(luv_set_callback)

typedef struct luv_library {
  LUV(NEAP_LIBRARY_MEMBER)
} luv_library;

static const char *const names[] = {LUV(NEAP_LIBRARY_NAME) NULL};

/* [-(nargs + 1), +nresults, -] Calls the function below the arguments, in the
 * state's main thread, between two passes: no task is current. */
static int call_from_luv(lua_State *L, int nargs, int nresults, int flags) {
  neap_runtime *rt = neap_runtime_of(L);
  int base = lua_gettop(L) - nargs;
  int status = LUA_OK;
  (void)flags;
  if (rt->closed || !lua_checkstack(L, LUA_MINSTACK)) {
    lua_settop(L, base - 1); /* the state closes: nothing is called any more */
    nresults = nresults == LUA_MULTRET ? 0 : nresults;
    lua_settop(L, base - 1 + nresults);
    return nresults;
  }
  lua_State *outer = rt->executing;
  rt->executing = L;
  lua_pushcfunction(L, neap_traceback_handler);
  lua_insert(L, base);
  status = lua_pcall(L, nargs, nresults, base);
  rt->executing = outer;
  lua_remove(L, base);
  if (status == LUA_OK) {
    return lua_gettop(L) - base + 1;
  }
  neap_report(L, rt, "Exception in luv callback", -1, 0);
  lua_settop(L, base - 1);
  return -status;
}

typedef struct setup {
  luv_library luv;
  neap_runtime *rt;
} setup;

/* Protected, in the main thread, whose stack luv will use ever after. */
static int set_up(lua_State *L) {
  setup *s = lua_touserdata(L, 1);
  s->luv.luv_set_loop(s->rt->main, &s->rt->uv);
  s->luv.luv_set_callback(L, call_from_luv);
  return 0;
}

/* luv(path) -> module, registry; or nil, why not
 * path  of the shared library */
int neap_load_luv(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_State *M = rt->main;
  uv_lib_t library;
  setup s = {.rt = rt};
  const char *path = luaL_checkstring(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const char *problem = neap_library_load(&library, path, names, &s.luv);
  if (problem != NULL) {
    lua_pushnil(L);
    lua_pushstring(L, problem);
    uv_dlclose(&library);
    return 2;
  }
  if (!lua_checkstack(M, LUA_MINSTACK)) {
    return luaL_error(L, "not enough memory");
  }
  lua_pushcfunction(M, set_up);
  lua_pushlightuserdata(M, &s);
  if (lua_pcall(M, 1, 0, 0) != LUA_OK) {
    if (M != L) {
      lua_xmove(M, L, 1);
    }
    return lua_error(L);
  }
  lua_pushcfunction(L, s.luv.luaopen_luv);
  lua_call(L, 0, 1);
  lua_pushvalue(L, LUA_REGISTRYINDEX);
  return 2;
}

/* at_close(fn): fn() is called when the loop of a closing state is closed. */
int neap_set_at_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  rt->at_close_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}
