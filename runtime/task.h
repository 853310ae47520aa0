/* SPDX-License-Identifier: MIT */
/* task.h - a Lua function that runs in a coroutine of its own, step by step.
 *
 *   ready --step--> running --park--> parked --wake--> ready
 *                      |
 *                      +--> ended; its future is settled
 *
 * A task is a future. Its body runs under a protected call inside its
 * coroutine, so <close> handlers run, and may wait, while an error unwinds. */
#ifndef NEAP_TASK_H
#define NEAP_TASK_H

#include <lua.h>

#include "runtime/future.h"
#include "runtime/runtime.h"
#include "runtime/text.h"
#include "runtime/wait.h"

typedef enum neap_task_phase {
  NEAP_TASK_READY,   /* in the ready queue */
  NEAP_TASK_RUNNING, /* its code runs, or it started an eager task */
  NEAP_TASK_PARKED,  /* waits for something */
  NEAP_TASK_ENDED,
} neap_task_phase;

/* The stack of a task's coroutine, from the bottom: the message handler, the
 * task, and before it starts its function and arguments. */
enum { NEAP_TASK_INDEX = 2, NEAP_TASK_BODY_INDEX = 3 };

/* Owner: as its future; anchored until it has ended. */
struct neap_task {
  neap_future future; /* first */
  neap_wait wait;
  neap_link link;     /* in rt->tasks until it has ended */
  lua_State *co;      /* NULL once it has ended */
  neap_scope *scopes; /* deadlines it is inside of, innermost first */
  uint64_t id;        /* the N of "Task-N" */
  int co_anchor;
  uint32_t cancelling; /* requests not taken back */
  uint32_t sweep;      /* the last cancellation of all that reached it */
  int nargs;           /* values on co's stack above task_main, at first */
  uint8_t phase;       /* neap_task_phase */
  uint8_t end;         /* neap_future_state, told by the coroutine */
  bool started;
  bool must_cancel; /* a request that waits for the next step */
  bool exposed;     /* its coroutine was handed out: never to be reused */
  bool shown;       /* tree.c: in the tree that is being made */
  bool below;       /* tree.c: has its place below another */
};

extern const neap_future_kind neap_task_kind;

/* Whether its wait is what it is doing; also while the DeadlockError that will
 * end it is being made. */
static inline bool neap_task_waits(const neap_task *task) {
  return task->phase == NEAP_TASK_PARKED ||
         (task->phase != NEAP_TASK_ENDED &&
          task->wait.outcome == NEAP_DEADLOCKED);
}

static inline neap_task *neap_future_task(neap_future *future) {
  return future->kind == &neap_task_kind ? (neap_task *)future : NULL;
}

/* [-0, +1, m] Makes a task that will call the function below the nargs
 * arguments on the top, which stay there, pushes it above them and puts it into
 * the ready queue. One anchor is free then, for who made it. */
neap_task *neap_task_new(lua_State *L, neap_runtime *rt, int nargs);

/* [-0, +0, -] Runs a new task at once up to its first wait, inside the task
 * that made it. Falls back to the ready queue if such starts nest too deep. */
void neap_task_start_now(lua_State *L, neap_task *task);

/* [-0, +0, -] The task that runs has begun to wait, in its own coroutine, which
 * nobody else has: whether the wait is over and the task may go on at once,
 * after everybody else has had the turns they would have had otherwise. */
bool neap_task_goes_on(neap_task *task);

/* The job of a ready task. */
void neap_task_step(neap_runtime *rt, neap_job *job);

/* The task whose wait's job this is, or NULL if it is a callback's. */
neap_task *neap_job_task(neap_job *job);

/* [-0, +0, -] As neap_future_cancel, without a message. */
void neap_task_cancel(lua_State *L, neap_task *task, neap_origin origin);

/* Takes back one request; returns how many are left. */
uint32_t neap_task_uncancel(neap_task *task);

/* [-0, +0, -] Ends a task that does not want to end: it is cancelled without
 * its consent, and what its <close> handlers raise is lost. */
void neap_task_abandon(lua_State *L, neap_task *task);

/* [-0, +1, m] Pushes the CancelledError of a request to the running task. */
void neap_push_cancelled(lua_State *L, neap_task *task);

/* The name of a task that has no extras, and so was given none. */
static inline void neap_add_default_name(neap_text *text,
                                         const neap_task *task) {
  neap_text_add(text, "Task-");
  neap_text_add_number(text, task->id);
}

/* [-0, +1, m] Pushes the name of the task at `index`. */
void neap_push_task_name(lua_State *L, neap_task *task, int index);

#endif
