/* SPDX-License-Identifier: MIT */
/* limits.c - runs a script that is not trusted, within limits, while another
 * runtime of the same process goes on in its thread.
 *
 *   limits SCRIPT
 *
 * Prints how the script ended. Exit status 0: it was contained. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include <lauxlib.h>
#include <lualib.h>
#include <neap.h>

static const neap_limits limits = {
    .memory = 16 * 1024 * 1024,
    .step_instructions = 10000000,
    .step_ms = 1000,
    .tasks = 1000,
};

/* ---- the script that is not trusted ---- */

/* Protected. 1: the path. Opens what such a script may have, and loads it; text
 * only, as bytecode can be made to break into the process. */
static int prepare(lua_State *L) {
  const char *path = lua_touserdata(L, 1);
  neap_open_sandbox(L);
  if (neap_set_limits(L, &limits) != 0) {
    return luaL_error(L, "cannot set limits");
  }
  if (luaL_loadfilex(L, path, "t") != LUA_OK) {
    return lua_error(L);
  }
  return 1;
}

static void run(lua_State *L) {
  switch (neap_run_main(L, 0)) {
  case NEAP_RUN_OK:
    printf("ended: %s\n", lua_isstring(L, -1) ? lua_tostring(L, -1) : "");
    break;
  case NEAP_RUN_ERROR:
    printf("failed: %s\n", lua_tostring(L, -1)); /* message and traceback */
    break;
  default:
    printf("stopped\n");
  }
}

static int contain(const char *path) {
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    return 1;
  }
  lua_pushcfunction(L, prepare);
  lua_pushlightuserdata(L, (void *)path);
  bool ready = lua_pcall(L, 1, 1, 0) == LUA_OK;
  if (ready) {
    run(L);
  } else {
    printf("refused: %s\n", lua_tostring(L, -1));
  }
  lua_close(L);
  return 0;
}

/* ---- its neighbour ---- */

static atomic_bool enough;
static atomic_int ticks;

static int l_tick(lua_State *L) {
  ticks++;
  lua_pushboolean(L, !enough);
  return 1;
}

static void *neighbour(void *unused) {
  static const char script[] = "local neap = require 'neap'\n"
                               "while tick() do neap.sleep(0.001) end";
  lua_State *L = luaL_newstate();
  (void)unused;
  luaL_openlibs(L);
  luaL_requiref(L, "neap", luaopen_neap, 0);
  lua_register(L, "tick", l_tick);
  if (luaL_loadstring(L, script) != LUA_OK ||
      neap_run_main(L, 0) != NEAP_RUN_OK) {
    ticks = -1;
  }
  lua_close(L);
  return NULL;
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc != 2) {
    fprintf(stderr, "usage: limits SCRIPT\n");
    return 2;
  }
  if (pthread_create(&thread, NULL, neighbour, NULL) != 0) {
    return 2;
  }
  int status = contain(argv[1]);
  int before = ticks;
  while (ticks >= 0 && ticks < before + 2) {
    sched_yield(); /* until it is seen to run */
  }
  enough = true;
  pthread_join(thread, NULL);
  printf("neighbour: %s\n", ticks > 0 ? "well" : "hurt");
  return status;
}
