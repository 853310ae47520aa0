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
static const neap_wait_kind await_kind = {"await", awaited_future, NULL, NULL,
                                          NULL};
static const neap_wait_kind await_done_kind = {"await", NULL, NULL, NULL, NULL};

neap_future *neap_awaited(neap_task *task) {
  const neap_wait_kind *kind = task->wait.kind;
  if (neap_task_waits(task) &&
      (kind == &await_kind || kind == &await_done_kind)) {
    return task->wait.target;
  }
  return NULL;
}

/* The first task from `l` on, in the list of the waiters of `future`, that
 * awaits it. */
static neap_task *awaiter_from(neap_link *l, neap_future *future) {
  for (; l != &future->waiters; l = l->next) {
    neap_task *task = neap_job_task(NEAP_CONTAINER_OF(l, neap_job, link));
    if (task != NULL && neap_awaited(task) == future) {
      return task;
    }
  }
  return NULL;
}

/* What comes after `at` in the tree of the tasks that await `root`, directly or
 * through others; NULL at its end. */
static neap_task *next_awaiter(neap_task *root, neap_task *at) {
  neap_task *next = awaiter_from(at->future.waiters.next, &at->future);
  while (next == NULL && at != root) {
    neap_future *awaited = neap_awaited(at);
    next = awaiter_from(at->wait.job.link.next, awaited);
    at = neap_future_task(awaited);
  }
  return next;
}

/* Looks for `future` above the task and for the task below the future, in turn,
 * until one of the two searches ends. So to join chains takes no longer than
 * the shorter of them, and to build a long one in any way is cheap. */
void neap_check_cycle(lua_State *L, neap_task *task, neap_future *future) {
  if (&task->future == future) {
    luaL_error(L, "a task cannot await itself");
  }
  neap_task *above = task;
  neap_task *below = neap_future_task(future);
  while (above != NULL && below != NULL) {
    if (below == task || &above->future == future) {
      luaL_error(L, "a task cannot await itself: this await closes a cycle of "
                    "tasks that await each other");
    }
    neap_future *next = neap_awaited(below);
    above = next_awaiter(task, above);
    below = next == NULL ? NULL : neap_future_task(next);
  }
}

static int begin(lua_State *L, neap_runtime *rt, neap_future *future,
                 const neap_wait_kind *kind, lua_KFunction k) {
  neap_task *task = neap_check_wait(L, rt);
  neap_check_cycle(L, task, future);
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

static int k_await_top(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return neap_future_results(L, lua_touserdata(L, -1), lua_gettop(L));
}

int neap_await_top(lua_State *L, neap_runtime *rt, neap_future *future) {
  if (future->state != NEAP_PENDING) {
    return k_await_top(L, LUA_OK, 0);
  }
  neap_task *task = neap_check_wait(L, rt);
  neap_check_cycle(L, task, future);
  neap_future_anchor(L, future, lua_gettop(L));
  neap_list_append(&future->waiters, &task->wait.job.link);
  return neap_park(L, task, &await_kind, future, k_await_top, 0);
}
