/* SPDX-License-Identifier: MIT */
#include "runtime/await.h"

#include <lauxlib.h>

#include "runtime/future.h"
#include "runtime/task.h"
#include "runtime/wait.h"

static neap_future *awaited_future(neap_wait *wait) {
  return wait->target;
}

/* Cancelling the awaiter cancels what it awaits. */
static const neap_wait_kind await_kind = {"await", awaited_future, NULL, NULL};
static const neap_wait_kind await_done_kind = {"await", NULL, NULL, NULL};

neap_future *neap_awaited(neap_task *task) {
  const neap_wait_kind *kind = task->wait.kind;
  if (neap_task_waits(task) &&
      (kind == &await_kind || kind == &await_done_kind)) {
    return task->wait.target;
  }
  return NULL;
}

/* Steps along chains of awaiters that each await earns for the program. */
enum { STEPS_PER_AWAIT = 64 };

/* A task that nobody awaits cannot be part of a cycle, and there are no more
 * steps than have been earned: so no program pays for its chains with n * n
 * steps, and only one that has spent its own, by joining long chains over and
 * over, may close a cycle unnoticed. */
static void check_cycle(lua_State *L, neap_task *task, neap_future *future) {
  neap_runtime *rt = task->future.rt;
  if (&task->future == future) {
    luaL_error(L, "a task cannot await itself");
  }
  rt->cycle_steps += STEPS_PER_AWAIT;
  if (neap_list_empty(&task->future.waiters)) {
    return;
  }
  while (future != NULL && rt->cycle_steps > 0) {
    neap_task *next = neap_future_task(future);
    rt->cycle_steps--;
    if (next == task) {
      luaL_error(L, "a task cannot await itself: this await closes a cycle of "
                    "tasks that await each other");
    }
    future = next == NULL ? NULL : neap_awaited(next);
  }
}

static int begin(lua_State *L, neap_runtime *rt, neap_future *future,
                 const neap_wait_kind *kind, lua_KFunction k) {
  neap_task *task = neap_check_wait(L, rt);
  check_cycle(L, task, future);
  neap_future_anchor(L, future, NEAP_AWAITED_INDEX);
  neap_list_append(&future->waiters, &task->wait.job.link);
  return neap_park(L, task, kind, future, k, (lua_KContext)future);
}

static int k_await(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return neap_future_results(L, (neap_future *)ctx, NEAP_AWAITED_INDEX);
}

int neap_await(lua_State *L, neap_runtime *rt, neap_future *future) {
  if (future->state != NEAP_PENDING) {
    return neap_future_results(L, future, NEAP_AWAITED_INDEX);
  }
  return begin(L, rt, future, &await_kind, k_await);
}

int neap_await_done(lua_State *L, neap_runtime *rt, neap_future *future,
                    lua_KFunction k) {
  if (future->state != NEAP_PENDING) {
    return k(L, LUA_OK, (lua_KContext)future);
  }
  return begin(L, rt, future, &await_done_kind, k);
}
