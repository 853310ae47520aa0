/* SPDX-License-Identifier: MIT */
/* unwind.c - lua_resetthread of Lua 5.4.4 leaves the message handler of a
 * suspended xpcall in force, by its place in the stack. A <close> handler of an
 * outer function then runs over that place, and when it raises, Lua calls what
 * is there by now: another function, or the handler itself, again and again.
 *
 * So the coroutine first leaves its protected calls by itself, each through an
 * error. A hook suspends it as soon as it is out of one, before the code that
 * follows has run, and raises the next error there. */
#include "runtime/unwind.h"

#include <lauxlib.h>

#include "runtime/enter.h"
#include "runtime/runtime.h"
#include "runtime/version.h"
#include "runtime/wait.h"

/* Lua allows 200 nested C calls. More errors are those of handlers that yield. */
enum { MAX_CALLS = 200, MAX_ERRORS = 250 };

/* A function in the stack that has called a C function: where the coroutine is
 * when a protected call has been left. */
typedef struct caller {
  int levels; /* how many there are, with its own */
  const void *function;
} caller;

struct neap_unwinding {
  bool raises; /* the hook, an error */
  int count;
  caller callers[MAX_CALLS];
};

static bool has_level(lua_State *co, int level) {
  lua_Debug ar;
  return lua_getstack(co, level, &ar) != 0;
}

/* Whether the innermost function is the one that has made a call. */
static bool is_back_in(lua_State *co, const caller *to, const void *function) {
  return to->function == function && has_level(co, to->levels - 1) &&
         !has_level(co, to->levels);
}

static const void *function_of(lua_State *co, lua_Debug *ar) {
  lua_getinfo(co, "f", ar);
  const void *function = lua_topointer(co, -1);
  lua_pop(co, 1);
  return function;
}

/* The first level is what suspended, the last one is the body's own protected
 * call, whose handler is at the bottom of the stack, where it stays. */
static void find_callers(lua_State *co, neap_unwinding *unwinding) {
  lua_Debug ar;
  int levels = 0;
  bool called_c = false;
  while (has_level(co, levels)) {
    levels++;
  }
  unwinding->count = 0;
  for (int level = 1; level < levels - 1; level++) {
    lua_getstack(co, level, &ar);
    lua_getinfo(co, "S", &ar);
    if (*ar.what == 'C') {
      called_c = true;
    } else if (called_c && unwinding->count < MAX_CALLS) {
      caller *to = &unwinding->callers[unwinding->count++];
      to->levels = levels - level;
      to->function = function_of(co, &ar);
      called_c = false;
    }
  }
}

/* Elsewhere than in the callers, <close> and message handlers run. */
static void leave(lua_State *L, lua_Debug *ar) {
  neap_unwinding *unwinding = neap_runtime_of(L)->unwinding;
  if (unwinding == NULL) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  const void *function = function_of(L, ar);
  for (int i = 0; i < unwinding->count; i++) {
    if (is_back_in(L, &unwinding->callers[i], function)) {
      neap_yield_in_hook(L);
      return;
    }
  }
  if (unwinding->raises) {
    unwinding->raises = false;
    luaL_error(L, "the task was abandoned");
  }
}

static int resume(lua_State *L, neap_runtime *rt, lua_State *co) {
  bool watched = rt->watched;
  bool delivering = rt->delivering;
  neap_task *current = rt->current;
  int nresults;
  neap_entry entry = {co, NULL, L, false, true};
  lua_sethook(co, leave, LUA_MASKCOUNT, 1);
  rt->watched = rt->delivering = false;
  rt->current = NULL;
  int status = neap_enter(rt, &entry, 0, &nresults);
  rt->watched = watched;
  rt->delivering = delivering;
  rt->current = current;
  lua_sethook(co, NULL, 0, 0);
  return status;
}

static void leave_calls(lua_State *L, neap_runtime *rt, lua_State *co,
                        neap_unwinding *unwinding) {
  neap_unwinding *outer = rt->unwinding;
  int status = lua_checkstack(co, 1) ? LUA_YIELD : LUA_OK;
  rt->unwinding = unwinding;
  for (int i = 0; i < MAX_ERRORS && status == LUA_YIELD; i++) {
    find_callers(co, unwinding);
    if (unwinding->count == 0) {
      break;
    }
    status = resume(L, rt, co);
    unwinding->raises = true;
  }
  rt->unwinding = outer;
}

void neap_unwind(lua_State *L, neap_runtime *rt, lua_State *co, bool waits) {
  neap_unwinding unwinding;
  /* A wait that is resumed like this raises by itself. */
  unwinding.raises = !waits;
  leave_calls(L, rt, co, &unwinding);
  neap_reset_thread(co);
  lua_settop(co, 0);
}
