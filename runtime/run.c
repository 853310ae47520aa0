/* SPDX-License-Identifier: MIT */
#include "runtime/run.h"

#include <lauxlib.h>

#include "runtime/callback.h"
#include "runtime/future.h"
#include "runtime/interrupt.h"
#include "runtime/loop.h"
#include "runtime/report.h"
#include "runtime/task.h"
#include "runtime/wait.h"

/* How long leftovers may take to clean up, by the loop's clock, before they are
 * cancelled again; and how often that is tried before they are abandoned. */
static const uint64_t SHUTDOWN_GRACE = 30000000000;

enum { SHUTDOWN_ROUNDS = 100 };

/* The same in passes, for tasks that never let a virtual clock move on. */
enum { SHUTDOWN_PASSES = 100000, ROUND_PASSES = 10 };

/* When its task is done, asyncio's loop goes on for a pass or two, in which the
 * callbacks of that end are called. */
typedef struct last_passes {
  neap_job job;
  int left;
  bool queued;
} last_passes;

typedef struct shutdown_limit {
  last_passes last;
  uint64_t until;
  uint64_t passes;
} shutdown_limit;

typedef struct main_run {
  last_passes last;
  neap_task *task;
} main_run;

static void run_last_pass(neap_runtime *rt, neap_job *job) {
  last_passes *last = NEAP_CONTAINER_OF(job, last_passes, job);
  if (--last->left > 0) {
    neap_loop_append(rt, job);
  }
}

/* Whether they are over; the first call queues them. */
static bool last_passes_over(neap_runtime *rt, last_passes *last) {
  if (!last->queued) {
    last->queued = true;
    last->job.run = run_last_pass;
    neap_loop_append(rt, &last->job);
  }
  return last->left == 0;
}

static bool main_done(neap_runtime *rt, void *ud) {
  main_run *run = ud;
  if (run->task->phase != NEAP_TASK_ENDED) {
    return rt->late;
  }
  return last_passes_over(rt, &run->last);
}

static bool run_main(lua_State *L, neap_runtime *rt, neap_task *task) {
  main_run run = {.last = {.left = 1}, .task = task};
  neap_list_init(&run.last.job.link);
  for (;;) {
    neap_loop_end end = neap_loop_run(L, rt, main_done, &run);
    neap_list_remove(&run.last.job.link); /* if it was stopped */
    if (end != NEAP_LOOP_BLOCKED) {
      return end == NEAP_LOOP_DONE;
    }
    if (task->phase == NEAP_TASK_PARKED) {
      neap_throw(task, NEAP_DEADLOCKED);
    } else {
      return true;
    }
  }
}

static bool all_done(neap_runtime *rt, void *ud) {
  shutdown_limit *limit = ud;
  return (neap_list_empty(&rt->tasks) && last_passes_over(rt, &limit->last)) ||
         neap_clock_now(&rt->clock) > limit->until ||
         (rt->clock.is_virtual && rt->counters.passes > limit->passes);
}

/* Oldest first. Requesting a cancellation runs nothing and ends nobody, so the
 * list stays as it is. */
void neap_cancel_tasks(lua_State *L, neap_runtime *rt) {
  rt->sweep = ++rt->last_sweep;
  for (neap_link *l = rt->tasks.next; l != &rt->tasks; l = l->next) {
    neap_task_cancel(L, NEAP_CONTAINER_OF(l, neap_task, link),
                     NEAP_BY_SHUTDOWN);
  }
  rt->sweep = 0;
}

/* False if it was stopped. */
static bool shut_down(lua_State *L, neap_runtime *rt) {
  for (int round = 0; round < SHUTDOWN_ROUNDS; round++) {
    if (neap_list_empty(&rt->tasks)) {
      return true;
    }
    shutdown_limit limit = {.last = {.left = 2},
                            .until = neap_clock_now(&rt->clock),
                            .passes = rt->counters.passes};
    neap_list_init(&limit.last.job.link);
    limit.until += round == 0 ? SHUTDOWN_GRACE : 0;
    limit.passes += round == 0 ? SHUTDOWN_PASSES : ROUND_PASSES;
    limit.passes += 2 * rt->counters.pending; /* they may await each other */
    neap_cancel_tasks(L, rt);
    neap_loop_end end = neap_loop_run(L, rt, all_done, &limit);
    neap_list_remove(&limit.last.job.link);
    if (end == NEAP_LOOP_STOPPED) {
      return false;
    }
  }
  while (!neap_list_empty(&rt->tasks)) {
    neap_task *task = NEAP_CONTAINER_OF(rt->tasks.next, neap_task, link);
    neap_push_future(L, &task->future);
    neap_report(L, rt, "a task ignored its cancellation and was abandoned", 0,
                lua_gettop(L));
    lua_pop(L, 1);
    neap_task_abandon(L, task);
  }
  return true;
}

/* Callbacks that have not been called will not be: the run is over. */
static void drop_callbacks(lua_State *L, neap_runtime *rt) {
  neap_job *job;
  while ((job = neap_clock_take_due(&rt->clock, NEAP_NEVER)) != NULL) {
    neap_loop_append(rt, job);
  }
  neap_list kept; /* of streams, which outlive a run */
  neap_list_init(&kept);
  neap_link *link;
  while ((link = neap_list_shift(&rt->ready)) != NULL) {
    neap_job *ready = NEAP_CONTAINER_OF(link, neap_job, link);
    neap_callback *callback = neap_job_callback(ready);
    if (callback != NULL) {
      neap_callback_cancel(L, callback);
    } else {
      neap_list_append(&kept, link);
    }
  }
  neap_list_splice(&rt->ready, &kept);
}

bool neap_run_until_done(lua_State *L, neap_runtime *rt, neap_task *task) {
  rt->running = true;
  rt->stopped = rt->exiting = false;
  rt->main_task = task;
  bool completed = run_main(L, rt, task);
  rt->main_task = NULL;
  rt->running = false;
  neap_interrupt_step_ended(rt);
  return completed;
}

void neap_run_shutdown(lua_State *L, neap_runtime *rt) {
  rt->running = rt->shutting_down = true;
  rt->stopped = rt->exiting = false;
  bool completed = shut_down(L, rt);
  rt->shutting_down = false;
  if (completed) {
    drop_callbacks(L, rt);
    neap_report_failures(L, rt);
  }
  rt->running = false;
  neap_interrupt_step_ended(rt);
}

bool neap_run(lua_State *L, neap_runtime *rt, int nargs) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_task *task = neap_task_new(L, rt, nargs);
  rt->running = true;
  rt->stopped = rt->exiting = rt->late = false;
  atomic_store(&rt->requests, 0); /* what came for an earlier run */
  rt->main_task = task;
  bool completed = run_main(L, rt, task);
  if (completed) {
    rt->shutting_down = true;
    completed = shut_down(L, rt);
    rt->shutting_down = false;
  }
  neap_future_retrieve(&task->future); /* the caller raises it */
  if (completed) {
    drop_callbacks(L, rt);
    neap_report_failures(L, rt);
  }
  rt->main_task = NULL;
  rt->running = false;
  neap_interrupt_step_ended(rt);
  return completed;
}
