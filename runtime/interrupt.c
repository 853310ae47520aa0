/* SPDX-License-Identifier: MIT */
#include "runtime/interrupt.h"

#include <lauxlib.h>

#include "runtime/task.h"
#include "runtime/tree.h"

/* Instructions that a step may still execute: about 10 ms. Its cleanup gets as
 * much each time, but one that goes on all the same is stopped at every
 * instruction, so that a pcall in a loop cannot swallow all errors. */
enum { GRACE = 1000000, GRACES = 5 };

static void cancel_main(lua_State *L, neap_runtime *rt) {
  if (rt->main_task != NULL && rt->main_task->phase != NEAP_TASK_ENDED) {
    neap_task_cancel(L, rt->main_task, NEAP_BY_INTERRUPT);
  } else {
    rt->stopped = true; /* it has ended; do not wait for the others */
  }
}

static int take_requests(lua_State *L, neap_runtime *rt) {
  int requests = atomic_exchange(&rt->requests, 0);
  if ((requests & NEAP_DUMP) != 0) {
    neap_dump_tasks(L, rt);
  }
  if ((requests & NEAP_CANCEL_MAIN) != 0) {
    cancel_main(L, rt);
  }
  if ((requests & NEAP_STOP) != 0) {
    rt->stopped = true;
  }
  return requests;
}

void neap_serve_requests(lua_State *L, neap_runtime *rt) {
  take_requests(L, rt);
}

/* Raises in the task that does not wait. */
static void raise_in_step(lua_State *L, neap_runtime *rt) {
  neap_task *task = rt->current;
  rt->interrupt_raises++;
  neap_interrupt_thread(rt, L);
  if (rt->stopped || task == NULL) {
    luaL_error(L, "interrupted");
    return;
  }
  task->must_cancel = false;
  neap_push_cancelled(L, task);
  lua_error(L);
}

static void hook(lua_State *L, lua_Debug *ar) {
  neap_runtime *rt = neap_runtime_of(L);
  (void)ar;
  int requests = take_requests(L, rt) & (NEAP_CANCEL_MAIN | NEAP_STOP);
  if (requests == 0 && !rt->interrupting) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  rt->interrupting = true;
  if (rt->current != NULL && requests != 0 && !rt->current->must_cancel) {
    /* not what the main task waits for */
    neap_task_cancel(L, rt->current, NEAP_BY_INTERRUPT);
  }
  raise_in_step(L, rt);
}

void neap_interrupt_thread(neap_runtime *rt, lua_State *co) {
  bool stubborn = rt->stopped || rt->interrupt_raises >= GRACES;
  lua_sethook(co, hook, LUA_MASKCOUNT, stubborn ? 1 : GRACE);
}

void neap_interrupt(neap_runtime *rt, neap_request request) {
  atomic_fetch_or(&rt->requests, (int)request);
  lua_State *executing = rt->executing;
  if (executing != NULL) {
    neap_interrupt_thread(rt, executing);
  }
  if (rt->loop_open) {
    uv_async_send(&rt->wakeup);
  }
}
