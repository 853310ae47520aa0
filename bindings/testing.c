/* SPDX-License-Identifier: MIT */
/* testing.c - neap.testing: control over time and order. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/loop.h"
#include "runtime/wait.h"

static const char *const CLOCK_NAME = "neap.VirtualClock";

/* Its address is the registry key of a sequence of the open clocks. */
static const char clocks_key = 0;

/* Owner: Lua's collector; while it is open, the sequence of those that are. */
typedef struct virtual_clock {
  unsigned place;   /* in the sequence; 0: it is closed */
  bool was_virtual; /* what to go back to */
  uint64_t was_now; /* nanoseconds */
} virtual_clock;

/* Time goes by in the clock that was started last. */
static neap_clock *check_clock(lua_State *L, neap_runtime *rt) {
  virtual_clock *clock = luaL_checkudata(L, 1, CLOCK_NAME);
  if (clock->place == 0) {
    luaL_error(L, "the virtual clock has been closed");
  }
  if (clock->place != rt->open_clocks) {
    luaL_error(L, "another virtual clock was started since");
  }
  return &rt->clock;
}

/* [-0, +1, m] */
static void push_clocks(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &clocks_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &clocks_key);
  }
}

/* virtual_clock() -> clock
 * From now on, until the clock is closed, time is virtual: it starts at 0 and
 * jumps to the next deadline when every task waits for time only. What waits
 * already waits as long as it would have. */
static int l_virtual_clock(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  virtual_clock *clock = lua_newuserdatauv(L, sizeof *clock, 0);
  clock->place = 0;
  luaL_setmetatable(L, CLOCK_NAME);
  push_clocks(L);
  lua_pushvalue(L, -2);
  lua_rawseti(L, -2, (lua_Integer)rt->open_clocks + 1);
  lua_pop(L, 1);
  clock->place = ++rt->open_clocks;
  clock->was_virtual = rt->clock.is_virtual;
  clock->was_now = rt->clock.virtual_now;
  neap_loop_switch_clock(rt, true, 0);
  return 1;
}

void neap_close_clocks(lua_State *L, neap_runtime *rt, unsigned keep) {
  if (rt->open_clocks <= keep) {
    return;
  }
  lua_rawgetp(L, LUA_REGISTRYINDEX, &clocks_key);
  while (rt->open_clocks > keep) {
    lua_rawgeti(L, -1, rt->open_clocks);
    virtual_clock *clock = lua_touserdata(L, -1);
    lua_pop(L, 1);
    neap_loop_switch_clock(rt, clock->was_virtual, clock->was_now);
    clock->place = 0;
    lua_pushnil(L);
    lua_rawseti(L, -2, rt->open_clocks--); /* is there: needs no memory */
  }
  lua_pop(L, 1);
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
 * Back to the time there was before, and closes the clocks that were started
 * since. Again: nothing. */
static int l_close(lua_State *L) {
  virtual_clock *clock = luaL_checkudata(L, 1, CLOCK_NAME);
  if (clock->place != 0) {
    neap_close_clocks(L, neap_runtime_up(L), clock->place - 1);
  }
  return 0;
}

/* shuffle(seed)
 * The tasks that are ready run in an order drawn from seed, pass by pass.
 * seed  integer; 0: first in, first out again */
static int l_shuffle(lua_State *L) {
  neap_loop_shuffle(neap_runtime_up(L), (uint64_t)luaL_checkinteger(L, 1));
  return 0;
}

static const neap_wait_kind settle_kind = {.name = "settle"};

static int k_settled(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* settle()
 * Waits until every other task is blocked: waits for time, for I/O, or for
 * something that no task that is ready does.
 * raises  outside of a task; CancelledError. */
static int l_settle(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_task *task = neap_check_wait(L, rt);
  neap_list_append(&rt->settlers, &task->wait.job.link);
  return neap_park(L, task, &settle_kind, NULL, k_settled, 0);
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
    {"settle",        l_settle       }, /* waits */
    {NULL,            NULL           },
};

void neap_push_testing(lua_State *L, neap_runtime *rt) {
  luaL_newmetatable(L, CLOCK_NAME);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  neap_set_class(L, rt, clock_metamethods, clock_methods);
  neap_run_source(L, rt, "neap.testing");
  neap_set_functions(L, rt, functions);
  neap_push_memory_stream(L, rt);
  lua_setfield(L, -2, "memory_stream");
}
