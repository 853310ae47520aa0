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
#include <neap.h>

static const neap_limits limits = {
    .memory = (size_t)16 * 1024 * 1024,
    .step_instructions = 10000000,
    .step_ms = 1000,
    .tasks = 1000,
};

/* ---- the script that is not trusted ---- */

/* Text only, as bytecode can be made to break into the process. */
static void run(lua_State *L, const char *path) {
  switch (neap_run_file(L, path)) {
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
  neap_runtime *rt;
  neap_options options;
  neap_options_init(&options);
  options.libraries = neap_open_sandbox;
  options.limits = &limits;
  if (neap_open(&options, &rt) != 0) {
    return 1;
  }
  run(neap_state(rt), path);
  return neap_close(rt) == 0 ? 0 : 1;
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
  neap_runtime *rt;
  (void)unused;
  if (neap_open(NULL, &rt) != 0) {
    ticks = -1;
    return NULL;
  }
  lua_State *L = neap_state(rt);
  lua_register(L, "tick", l_tick);
  if (neap_run_string(L, script, "=neighbour") != NEAP_RUN_OK) {
    ticks = -1;
  }
  neap_close(rt);
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
