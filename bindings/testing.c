/* SPDX-License-Identifier: MIT */
/* testing.c - neap.testing: control over time and order. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/loop.h"

static const char *const CLOCK_NAME = "neap.VirtualClock";

static neap_clock *check_clock(lua_State *L, neap_runtime *rt) {
  luaL_checkudata(L, 1, CLOCK_NAME);
  if (!rt->clock.is_virtual) {
    luaL_error(L, "the virtual clock has been closed");
  }
  return &rt->clock;
}

/* virtual_clock() -> clock
 * From now on, until the clock is closed, time is virtual: it starts at 0 and
 * jumps to the next deadline when every task waits for time only.
 * raises  while the loop runs. */
static int l_virtual_clock(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  if (rt->running) {
    return luaL_error(L, "the clock cannot be changed while the loop runs");
  }
  lua_newuserdatauv(L, 0, 0);
  luaL_setmetatable(L, CLOCK_NAME);
  rt->clock.is_virtual = true;
  rt->clock.virtual_now = 0;
  return 1;
}

/* clock:advance(seconds)
 * Moves the clock on. What has become due runs from the next pass on.
 * seconds  >= 0 */
static int l_advance(lua_State *L) {
  neap_clock *clock = check_clock(L, neap_runtime_up(L));
  double seconds = neap_check_seconds(L, 2);
  uint64_t by = neap_clock_from_seconds(seconds);
  luaL_argcheck(L, seconds >= 0 && by < NEAP_NEVER - clock->virtual_now, 2,
                "not a time to move on by");
  clock->virtual_now += by;
  return 0;
}

/* clock:time() -> number
 * Seconds since it started. */
static int l_time(lua_State *L) {
  neap_clock *clock = check_clock(L, neap_runtime_up(L));
  lua_pushnumber(L, neap_clock_to_seconds(clock->virtual_now));
  return 1;
}

/* clock:close()
 * Back to real time. Again: nothing.
 * raises  while the loop runs. */
static int l_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  luaL_checkudata(L, 1, CLOCK_NAME);
  if (rt->running && rt->clock.is_virtual) {
    return luaL_error(L, "the clock cannot be changed while the loop runs");
  }
  rt->clock.is_virtual = false;
  return 0;
}

/* shuffle(seed)
 * The tasks that are ready run in an order drawn from seed, pass by pass.
 * seed  integer; 0: first in, first out again */
static int l_shuffle(lua_State *L) {
  neap_loop_shuffle(neap_runtime_up(L), (uint64_t)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg clock_methods[] = {
    {"advance", l_advance},
    {"time",    l_time   },
    {"close",   l_close  },
    {NULL,      NULL     },
};

static const luaL_Reg clock_metamethods[] = {
    {"__close", l_close},
    {NULL,      NULL   },
};

static const luaL_Reg functions[] = {
    {"virtual_clock", l_virtual_clock},
    {"shuffle",       l_shuffle      },
    {NULL,            NULL           },
};

void neap_push_testing(lua_State *L, neap_runtime *rt) {
  luaL_newmetatable(L, CLOCK_NAME);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  neap_set_class(L, rt, clock_metamethods, clock_methods);
  lua_createtable(L, 0, 4);
  neap_set_functions(L, rt, functions);
  neap_push_memory_stream(L, rt);
  lua_setfield(L, -2, "memory_stream");
}
