/* SPDX-License-Identifier: MIT */
/* run.c - what the signals of a run do:
 *
 *   Ctrl-C     cancels the main task, so that its cleanup runs
 *   second     stops the run; a second later, if C code holds it, the process
 *   third      ends the process
 *   Ctrl-\     shows the tasks, and the run goes on */
#include "runtime/host/run.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <lauxlib.h>

static const char module_key = 0; /* its address is the registry key */

/* What the handlers know; set between runs only. */
static neap_runtime *interrupted;        /* the runtime they are about */
static volatile sig_atomic_t interrupts; /* how many came in this run */

static void set_action(int signum, void (*handler)(int),
                       struct sigaction *old) {
  struct sigaction action = {0};
  action.sa_handler = handler; /* no SA_RESTART: blocking reads end */
  sigemptyset(&action.sa_mask);
  sigaction(signum, &action, old);
}

static void on_leave(int signum) {
  (void)signum;
  _exit(HOST_INTERRUPTED_STATUS);
}

static void on_interrupt(int signum) {
  int error = errno;
  (void)signum;
  interrupts = interrupts + 1;
  if (interrupts == 1) {
    neap_interrupt(interrupted, NEAP_CANCEL_MAIN);
  } else if (interrupts == 2) {
    neap_interrupt(interrupted, NEAP_STOP);
    set_action(SIGALRM, on_leave, NULL);
    alarm(1); /* nothing else reaches a C function that does not return */
  } else {
    _exit(HOST_INTERRUPTED_STATUS);
  }
  errno = error;
}

static void on_quit(int signum) {
  int error = errno;
  (void)signum;
  neap_interrupt(interrupted, NEAP_DUMP);
  errno = error;
}

/* [-0, +0, m] Whether the error value at `index` is a cancellation. */
static bool is_cancellation(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 4, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key);
  lua_getfield(L, -1, "is");
  lua_pushvalue(L, index);
  lua_getfield(L, -3, "CancelledError");
  lua_call(L, 2, 1);
  bool found = lua_toboolean(L, -1);
  lua_pop(L, 2);
  return found;
}

void host_open(lua_State *L) {
  luaL_requiref(L, "neap", luaopen_neap, 0);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
  /* Whoever empties package.loaded must not find a neap.so instead, which
   * would be another neap. */
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_neap);
  lua_setfield(L, -2, "neap");
  lua_pop(L, 1);
}

void host_catch_signals(lua_State *L, host_signals *old) {
  interrupted = neap_runtime_of(L);
  interrupts = 0;
  sigaction(SIGALRM, NULL, &old->alarm);
  set_action(SIGINT, on_interrupt, &old->interrupt);
  set_action(SIGQUIT, on_quit, &old->quit);
}

void host_release_signals(const host_signals *old, bool leaving) {
  if (leaving) {
    set_action(SIGINT, on_leave, NULL); /* closing the state may take long */
  } else {
    sigaction(SIGINT, &old->interrupt, NULL);
  }
  sigaction(SIGQUIT, &old->quit, NULL);
  if (interrupts > 1) {
    alarm(0);
    sigaction(SIGALRM, &old->alarm, NULL);
  }
}

neap_run_status host_run(lua_State *L, int nargs) {
  host_signals old;
  host_catch_signals(L, &old);
  neap_run_status status = neap_run_main(L, nargs);
  if (status == NEAP_RUN_ERROR) {
    if (interrupts > 0 && is_cancellation(L, -2)) {
      lua_pop(L, 2);
      status = NEAP_RUN_INTERRUPTED;
    } else {
      lua_remove(L, -2);
    }
  }
  host_release_signals(&old, status == NEAP_RUN_INTERRUPTED);
  return status;
}

void host_print_error(lua_State *L, const char *prefix) {
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  fflush(stdout); /* what was printed before comes first */
  fputs(prefix, stderr);
  fwrite(text, 1, length, stderr);
  fputc('\n', stderr);
}
