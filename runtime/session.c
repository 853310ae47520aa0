/* SPDX-License-Identifier: MIT */
#include "runtime/session.h"

#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include <lauxlib.h>

#include "runtime/interrupt.h"
#include "runtime/loop.h"
#include "runtime/run.h"
#include "runtime/tree.h"

/* Longer is no limit: a time_t of 32 bits would do. */
static const double LONGEST = 1e9;

/* What the signal handler knows; NULL while no limit is set. */
static neap_runtime *volatile limited;

static void on_alarm(int signum) {
  int error = errno;
  neap_runtime *rt = limited;
  (void)signum;
  if (rt != NULL) {
    neap_request_bits(rt, NEAP_TIME_IS_UP);
  }
  errno = error;
}

static void set_timer(double seconds) {
  struct itimerval timer = {0};
  timer.it_value.tv_sec = (time_t)seconds;
  timer.it_value.tv_usec =
      (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6);
  if (seconds > 0 && timer.it_value.tv_sec == 0 &&
      timer.it_value.tv_usec == 0) {
    timer.it_value.tv_usec = 1; /* zero would mean never */
  }
  setitimer(ITIMER_REAL, &timer, NULL);
}

static void set_limit(neap_runtime *rt, double seconds) {
  struct sigaction action = {0};
  action.sa_handler = on_alarm; /* no SA_RESTART: blocking reads end */
  sigemptyset(&action.sa_mask);
  sigaction(SIGALRM, &action, NULL);
  limited = rt;
  set_timer(seconds);
}

static void clear_limit(neap_runtime *rt) {
  limited = NULL;
  set_timer(0);
  atomic_fetch_and(&rt->requests, ~NEAP_TIME_IS_UP);
}

/* Protected. */
static int keep_tree(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_push_tree(L, rt, false);
  if (neap_loop_clock_is_held(rt)) {
    lua_pushliteral(L, "The virtual clock stood still, as it does while a task "
                       "waits for I/O or a process.\n");
    lua_concat(L, 2);
  }
  rt->late_tree_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

void neap_session_late(lua_State *L, neap_runtime *rt) {
  if (rt->late || !lua_checkstack(L, 4)) {
    return;
  }
  rt->late = true;
  lua_pushcfunction(L, keep_tree);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
    lua_pop(L, 1); /* no memory: then without a tree */
  }
}

neap_drive_end neap_drive(lua_State *L, neap_runtime *rt, neap_task *task,
                          double seconds) {
  bool has_limit = seconds < LONGEST;
  luaL_unref(L, LUA_REGISTRYINDEX, rt->late_tree_ref);
  rt->late_tree_ref = LUA_NOREF;
  rt->late = false;
  if (has_limit) {
    set_limit(rt, seconds);
  }
  bool completed = neap_run_until_done(L, rt, task);
  if (has_limit) {
    clear_limit(rt);
  }
  if (rt->late) {
    return NEAP_DRIVE_LATE;
  }
  return completed ? NEAP_DRIVE_DONE : NEAP_DRIVE_STOPPED;
}
