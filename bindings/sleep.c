/* SPDX-License-Identifier: MIT */
/* sleep.c - neap.sleep: the wait for time alone. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/wait.h"

static const neap_wait_kind sleep_kind = {"sleep", NULL, NULL, NULL, NULL};

/* The deadline has come. As in asyncio, that costs a turn in the queue, and the
 * task runs in the next pass: a cancellation in the same instant wins. */
static void due(neap_runtime *rt, neap_job *job) {
  (void)rt;
  neap_wake(NEAP_CONTAINER_OF(NEAP_CONTAINER_OF(job, neap_wait, job), neap_task,
                              wait));
}

static int k_sleep(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L) - 1;
}

/* sleep(delay, ...) -> ...
 * Suspends the running task, and returns the further arguments.
 * delay   seconds; <= 0 lets every other ready task run once; math.huge sleeps
 *         until cancelled
 * raises  bad argument (NaN); outside of a task; CancelledError.
 * waits   always. */
static int l_sleep(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  double delay = neap_check_seconds(L, 1);
  neap_task *task = neap_check_wait(L, rt);
  if (delay <= 0) {
    return neap_yield(L, task, &sleep_kind, k_sleep, 0);
  }
  if (!neap_clock_reserve(&rt->clock)) {
    return luaL_error(L, "not enough memory");
  }
  task->wait.job.run = due;
  neap_clock_arm(&rt->clock, &task->wait.job,
                 neap_clock_after(&rt->clock, delay));
  return neap_park(L, task, &sleep_kind, NULL, k_sleep, 0);
}

static const luaL_Reg functions[] = {
    {"sleep", l_sleep}, /* waits */
    {NULL,    NULL   },
};

void neap_bind_sleep(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
}
