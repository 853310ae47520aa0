/* SPDX-License-Identifier: MIT */
#include "runtime/resume.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "runtime/enter.h"
#include "runtime/interrupt.h"
#include "runtime/runtime.h"
#include "runtime/version.h"
#include "runtime/wait.h"

int neap_resume(neap_runtime *rt, lua_State *co, lua_State *from, int nargs,
                int *nresults) {
  const neap_entry *outer = rt->entry;
  neap_entry entry = {co, outer, from, true, false};
  if (outer != NULL) {
    entry.connected =
        outer->co == from && outer->connected && lua_isyieldable(from);
  }
  int status = neap_enter(rt, &entry, nargs, nresults);
  if (rt->interrupting && outer != NULL) {
    neap_interrupt_thread(rt, from); /* the error must not end with co */
  }
  return status;
}

int neap_close_coroutine(neap_runtime *rt, lua_State *co, lua_State *from) {
  neap_entry entry = {co, rt->entry, from, false, true};
  rt->entry = &entry;
  rt->closing++;
  int status = neap_reset_thread(co);
  rt->closing--;
  rt->entry = entry.outer;
  return status;
}

bool neap_is_parked(lua_State *co) {
  return lua_status(co) == LUA_YIELD && lua_gettop(co) > 0 &&
         lua_touserdata(co, -1) == neap_parked;
}

/* What follows runs only to explain an error. */

/* [-0, +1 | +0, m] Looks for the function on the top in a library table and
 * pushes "library.name". */
static bool push_name_in(lua_State *L, const char *library) {
  int function = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, library) == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
      if (lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, function)) {
        const char *name = lua_tostring(L, -2);
        if (strcmp(library, LUA_GNAME) == 0) {
          lua_pushstring(L, name);
        } else {
          lua_pushfstring(L, "%s.%s", library, name);
        }
        lua_replace(L, function + 1);
        lua_settop(L, function + 1);
        return true;
      }
    }
  }
  lua_settop(L, function);
  return false;
}

/* [-0, +1 | +0, m] The name of the function on the top, if a library has it. */
static bool push_library_name(lua_State *L) {
  static const char *const libraries[] = {
      LUA_GNAME,       LUA_TABLIBNAME,  LUA_STRLIBNAME, LUA_COLIBNAME,
      LUA_IOLIBNAME,   LUA_DBLIBNAME,   LUA_OSLIBNAME,  LUA_LOADLIBNAME,
      LUA_MATHLIBNAME, LUA_UTF8LIBNAME, "neap"};
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    if (push_name_in(L, libraries[i])) {
      return true;
    }
  }
  return false;
}

/* C functions that Lua can suspend while they call. */
static bool lets_suspend(const char *name) {
  static const char *const names[] = {"pcall", "xpcall", "dofile", "pairs"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i]) == 0) {
      return true;
    }
  }
  return strncmp(name, "neap.", 5) == 0 || strncmp(name, "coroutine.", 10) == 0;
}

/* [-0, +1, m] Pushes onto L the name of the innermost function in the stack of
 * `in` that Lua cannot suspend. */
static void push_obstacle(lua_State *L, lua_State *in) {
  lua_Debug ar;
  /* Level 0 is the function that asks, or that resumed a coroutine. */
  for (int level = 1; lua_getstack(in, level, &ar); level++) {
    lua_getinfo(in, "Snf", &ar);
    if (in != L) {
      lua_xmove(in, L, 1);
    }
    if (ar.name != NULL &&
        (strcmp(ar.name, "__gc") == 0 || strcmp(ar.name, "gc") == 0) &&
        strcmp(ar.namewhat, "metamethod") == 0) {
      lua_pushliteral(L, "__gc");
      return;
    }
    if (*ar.what == 'C') {
      if (!push_library_name(L)) {
        lua_pushstring(L, ar.name == NULL ? "a C function" : ar.name);
      }
      if (!lets_suspend(lua_tostring(L, -1))) {
        return;
      }
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  lua_pushliteral(L, "a message handler or a C function");
}

static int raise_obstacle(lua_State *L, lua_State *in) {
  luaL_checkstack(L, 20, "too many nested calls");
  lua_checkstack(in, 4);
  push_obstacle(L, in);
  return luaL_error(L, "cannot wait inside %s: Lua cannot suspend it",
                    lua_tostring(L, -1));
}

void neap_raise_outside(lua_State *L, neap_runtime *rt) {
  if (rt->running) {
    luaL_error(L, "outside a task: a callback cannot wait, but it can start a "
                  "task with neap.create_task");
  }
  luaL_error(L, "outside a task: call this inside neap.run");
}

bool neap_can_wait(lua_State *L, neap_runtime *rt) {
  return rt->current != NULL && rt->entry->co == L && rt->entry->connected &&
         lua_isyieldable(L);
}

void neap_check_waitable(lua_State *L, neap_runtime *rt) {
  const neap_entry *entry = rt->entry;
  if (neap_can_wait(L, rt)) {
    return;
  }
  if (rt->closed) {
    luaL_error(L, "the runtime is closed");
  }
  if (rt->current == NULL) {
    neap_raise_outside(L, rt);
  }
  if (entry->co == L && !entry->closing && !lua_isyieldable(L)) {
    raise_obstacle(L, L);
  }
  for (; entry != NULL; entry = entry->outer) {
    if (entry->closing) {
      luaL_error(L, "cannot wait inside coroutine.close: Lua cannot suspend "
                    "it");
    }
    if (entry->outer != NULL && !lua_isyieldable(entry->from)) {
      raise_obstacle(L, entry->from);
    }
  }
  luaL_error(L, "cannot wait in a coroutine that was not resumed through "
                "coroutine.resume or coroutine.wrap as they are since neap "
                "was loaded");
}
