/* SPDX-License-Identifier: MIT */
#include "runtime/wait.h"

#include <lauxlib.h>

#include "runtime/debug.h"
#include "runtime/loop.h"
#include "runtime/resume.h"
#include "runtime/task.h"
#include "runtime/tree.h"

char neap_parked[1];

static int raise_deadlock(lua_State *L, neap_runtime *rt, neap_wait *wait) {
  neap_push_deadlock(L, rt); /* shows this wait as it is */
  wait->outcome = NEAP_WOKEN;
  return lua_error(L);
}

/* Every wait continues here, in the coroutine that parked. */
static int k_parked(lua_State *L, int status, lua_KContext ctx) {
  neap_runtime *rt = (neap_runtime *)ctx;
  neap_task *task = rt->current;
  if (!rt->delivering || rt->entry->co != L || task->wait.co != L) {
    return luaL_error(L, "a coroutine that waits was resumed by something "
                         "other than neap");
  }
  rt->delivering = false;
  neap_wait *wait = &task->wait;
  if (wait->marked) {
    lua_pop(L, 1);
  }
  if (wait->outcome == NEAP_WOKEN) {
    return wait->k(L, status, wait->ctx);
  }
  if (wait->outcome == NEAP_DEADLOCKED) {
    return raise_deadlock(L, rt, wait);
  }
  if (rt->debug) {
    neap_debug_cancelling(L, task);
  }
  neap_push_cancelled(L, task);
  return lua_error(L);
}

/* `marked` says to everybody who might resume it that this coroutine waits. */
static int suspend(lua_State *L, bool marked, lua_KContext ctx,
                   lua_KFunction k) {
  if (marked) {
    lua_pushlightuserdata(L, neap_parked);
  }
  return lua_yieldk(L, marked, ctx, k);
}

neap_task *neap_check_wait(lua_State *L, neap_runtime *rt) {
  neap_check_waitable(L, rt);
  return rt->current;
}

static int begin(lua_State *L, neap_task *task, const neap_wait_kind *kind,
                 void *target, lua_KFunction k, lua_KContext ctx) {
  neap_runtime *rt = task->future.rt;
  neap_wait *wait = &task->wait;
  wait->kind = kind;
  wait->target = target;
  wait->k = k;
  wait->ctx = ctx;
  wait->co = L;
  wait->since = rt->trace.now;
  wait->outcome = NEAP_WOKEN;
  wait->marked = L != task->co || task->exposed; /* else nobody has it */
  neap_trace_add(&rt->trace, task->id, NEAP_EVENT_WAITING);
  if (!wait->marked && neap_loop_has_one_job(rt) && neap_task_goes_on(task)) {
    return k(L, LUA_YIELD, ctx);
  }
  rt->parking = true;
  return suspend(L, wait->marked, (lua_KContext)rt, k_parked);
}

int neap_park(lua_State *L, neap_task *task, const neap_wait_kind *kind,
              void *target, lua_KFunction k, lua_KContext ctx) {
  task->phase = NEAP_TASK_PARKED;
  return begin(L, task, kind, target, k, ctx);
}

int neap_yield(lua_State *L, neap_task *task, const neap_wait_kind *kind,
               lua_KFunction k, lua_KContext ctx) {
  task->phase = NEAP_TASK_READY;
  task->wait.yielded = true;
  neap_loop_append(task->future.rt, &task->wait.job);
  return begin(L, task, kind, NULL, k, ctx);
}

int neap_pass_through(lua_State *L, lua_KContext ctx, lua_KFunction k) {
  return suspend(L, true, ctx, k);
}

int neap_yield_values(lua_State *L) {
  return lua_yieldk(L, lua_gettop(L), 0, NULL);
}

void neap_yield_in_hook(lua_State *L) {
  lua_yieldk(L, 0, 0, NULL);
}

static void make_ready(neap_task *task, neap_outcome outcome) {
  neap_runtime *rt = task->future.rt;
  NEAP_CHECK(task->phase == NEAP_TASK_PARKED);
  neap_clock_disarm(&rt->clock, &task->wait.job);
  neap_list_remove(&task->wait.job.link);
  neap_trace_add(&rt->trace, task->id, NEAP_EVENT_WOKEN);
  task->wait.outcome = outcome;
  task->phase = NEAP_TASK_READY;
  task->wait.yielded = false;
  task->wait.job.run = neap_task_step;
  neap_loop_append(rt, &task->wait.job);
}

void neap_wake(neap_task *task) {
  make_ready(task, NEAP_WOKEN);
}

void neap_wake_job(neap_runtime *rt, neap_job *job) {
  neap_task *task = neap_job_task(job);
  if (task != NULL) {
    neap_wake(task);
  } else {
    neap_loop_append(rt, job);
  }
}

void neap_throw(neap_task *task, neap_outcome outcome) {
  make_ready(task, outcome);
  if (task->wait.kind->leave != NULL) {
    task->wait.kind->leave(&task->wait);
  }
}
