/* SPDX-License-Identifier: MIT */
#include "runtime/interrupt.h"

#include <lauxlib.h>

#include "runtime/limits.h"
#include "runtime/run.h"
#include "runtime/scope.h"
#include "runtime/session.h"
#include "runtime/task.h"
#include "runtime/tree.h"

/* Instructions that a step may still execute: about 10 ms. Its cleanup gets as
 * much each time, but one that goes on all the same is stopped at every
 * instruction, so that a pcall in a loop cannot swallow all errors. */
enum { GRACE = NEAP_GRACE, GRACES = 5 };

bool neap_is_stubborn(const neap_runtime *rt) {
  return rt->stopped || rt->interrupt_raises >= GRACES;
}

static void cancel_main(lua_State *L, neap_runtime *rt) {
  if (rt->main_task != NULL && rt->main_task->phase != NEAP_TASK_ENDED) {
    neap_task_cancel(L, rt->main_task, NEAP_BY_INTERRUPT);
  } else if (rt->hosted && !rt->running) {
    neap_cancel_tasks(L, rt);
  } else {
    rt->stopped = true; /* it has ended; do not wait for the others */
  }
}

static int take_requests(lua_State *L, neap_runtime *rt) {
  int requests = atomic_exchange(&rt->requests, 0);
  if ((requests & NEAP_DUMP) != 0) {
    neap_dump_tasks(L, rt);
  }
  if ((requests & NEAP_TIME_IS_UP) != 0) {
    neap_session_late(L, rt);
  }
  if ((requests & NEAP_CANCEL_MAIN) != 0) {
    rt->interrupted = true;
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

static void raise_cancelled(lua_State *L, neap_task *task) {
  task->must_cancel = false;
  neap_push_cancelled(L, task);
  lua_error(L);
}

/* Raises in the task that does not wait. */
static void raise_in_step(lua_State *L, neap_runtime *rt) {
  neap_task *task = rt->current;
  rt->interrupt_raises++;
  neap_interrupt_thread(rt, L);
  if (rt->limits.spent && !rt->stopped) {
    neap_limits_raise(L, rt);
    return;
  }
  if (rt->stopped || task == NULL) {
    luaL_error(L, "interrupted");
    return;
  }
  raise_cancelled(L, task);
}

void neap_interrupt_spent(lua_State *L, neap_runtime *rt) {
  if (neap_limits_spent(rt)) {
    rt->interrupting = true;
    raise_in_step(L, rt);
  }
}

/* A step with limits: also ends what its deadlines end. */
static void look(lua_State *L, neap_runtime *rt) {
  neap_task *task = rt->current;
  bool noted = task == NULL || task->must_cancel;
  rt->limits.used += (uint64_t)lua_gethookcount(L);
  neap_interrupt_spent(L, rt);
  neap_watch_thread(rt, L, false);
  neap_scopes_expire(L, rt);
  if (!noted && task->must_cancel) {
    neap_scopes_note_delivery(task);
    raise_cancelled(L, task);
  }
}

static void hook(lua_State *L, lua_Debug *ar) {
  neap_runtime *rt = neap_runtime_of(L);
  (void)ar;
  int requests =
      take_requests(L, rt) & (NEAP_CANCEL_MAIN | NEAP_STOP | NEAP_TIME_IS_UP);
  if (requests == 0 && rt->limits.on &&
      (!rt->interrupting || rt->limits.spent)) {
    look(L, rt);
    return;
  }
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

/* One that is set already goes on counting: a grace is not to be had anew. */
static void set_hook(lua_State *co, int count) {
  if (lua_gethook(co) != hook || lua_gethookcount(co) != count) {
    lua_sethook(co, hook, LUA_MASKCOUNT, count);
  }
}

void neap_interrupt_thread(neap_runtime *rt, lua_State *co) {
  int grace = rt->limits.spent ? NEAP_HOOK_PERIOD : GRACE;
  set_hook(co, neap_is_stubborn(rt) ? 1 : grace);
}

void neap_watch_thread(neap_runtime *rt, lua_State *co, bool soon) {
  if (rt->interrupting) {
    neap_interrupt_thread(rt, co);
  } else {
    set_hook(co, soon ? 1 : NEAP_HOOK_PERIOD);
  }
}

bool neap_has_no_foreign_hook(lua_State *co) {
  lua_Hook set = lua_gethook(co);
  return set == NULL || set == hook;
}

void neap_request_bits(neap_runtime *rt, int requests) {
  atomic_fetch_or(&rt->requests, requests);
  uv_thread_t self = uv_thread_self();
  if (uv_thread_equal(&rt->thread, &self)) { /* only here Lua may be touched */
    lua_State *executing = rt->executing;
    if (executing != NULL) {
      neap_interrupt_thread(rt, executing);
    }
  }
  if (rt->loop_open) {
    uv_async_send(&rt->wakeup);
  }
}

void neap_interrupt(neap_runtime *rt, neap_request request) {
  if (rt != NULL) {
    neap_request_bits(rt, (int)request);
  }
}
