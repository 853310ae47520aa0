/* SPDX-License-Identifier: MIT */
#include "runtime/scope.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/alloc.h"
#include "runtime/anchor.h"
#include "runtime/loop.h"
#include "runtime/task.h"

static void expire_in(lua_State *L, neap_scope *scope) {
  scope->state = NEAP_SCOPE_EXPIRING;
  neap_task_cancel(L, scope->task, NEAP_BY_TIMEOUT);
}

/* The deadline has come: the job of an entered scope. */
static void expire(neap_runtime *rt, neap_job *job) {
  expire_in(rt->L, NEAP_CONTAINER_OF(job, neap_scope, job));
}

/* [-0, +0, m] A deadline that has passed is due at once, but not before the
 * task waits. */
static void arm(lua_State *L, neap_scope *scope) {
  neap_runtime *rt = scope->task->future.rt;
  if (scope->deadline <= neap_clock_now(&rt->clock)) {
    neap_loop_append(rt, &scope->job);
  } else if (neap_clock_reserve(&rt->clock)) {
    neap_clock_arm(&rt->clock, &scope->job, scope->deadline);
  } else {
    luaL_error(L, "not enough memory");
  }
}

static void disarm(neap_scope *scope) {
  neap_clock_disarm(&scope->task->future.rt->clock, &scope->job);
  neap_list_remove(&scope->job.link);
}

void neap_scope_enter(lua_State *L, neap_scope *scope, neap_task *task,
                      uint64_t deadline) {
  memset(scope, 0, sizeof *scope);
  scope->job.run = expire;
  scope->task = task;
  scope->deadline = deadline;
  scope->undelivered = task->must_cancel ? 1 : 0;
  scope->cancelling = task->cancelling - scope->undelivered;
  scope->state = NEAP_SCOPE_ENTERED;
  arm(L, scope);
  scope->outer = task->scopes;
  task->scopes = scope;
}

void neap_scope_reschedule(lua_State *L, neap_scope *scope, uint64_t deadline) {
  disarm(scope);
  scope->deadline = deadline;
  arm(L, scope);
}

bool neap_scope_exit(lua_State *L, neap_scope *scope) {
  neap_task *task = scope->task;
  if (task == NULL) {
    return false;
  }
  disarm(scope);
  if (scope->anchor != 0) {
    neap_unanchor(L, task->future.rt, scope->anchor);
    scope->anchor = 0;
  }
  neap_scope **link = &task->scopes;
  while (*link != scope) {
    link = &(*link)->outer;
  }
  *link = scope->outer;
  scope->task = NULL;
  scope->outer = NULL;
  if (scope->state == NEAP_SCOPE_EXPIRING) {
    scope->state = NEAP_SCOPE_EXPIRED;
    return neap_task_uncancel(task) <= scope->cancelling;
  }
  scope->state = NEAP_SCOPE_EXITED;
  return false;
}

void neap_scopes_expire(lua_State *L, neap_runtime *rt) {
  neap_clock *clock = &rt->clock;
  size_t i = 0;
  if (neap_clock_next(clock) == NEAP_NEVER) {
    return;
  }
  uint64_t now = neap_clock_now(clock);
  if (neap_clock_next(clock) > now) {
    return;
  }
  while (i < clock->count) {
    neap_job *job = clock->slots[clock->heap[i].slot].job;
    if (clock->heap[i].at <= now && job != NULL && job->run == expire) {
      neap_clock_disarm(clock, job);
      expire_in(L, NEAP_CONTAINER_OF(job, neap_scope, job));
      i = 0; /* the heap is another one */
    } else {
      i++;
    }
  }
}

void neap_scopes_drop(lua_State *L, neap_task *task) {
  while (task->scopes != NULL) {
    neap_scope_exit(L, task->scopes);
  }
}

void neap_scopes_note_delivery(neap_task *task) {
  for (neap_scope *scope = task->scopes; scope != NULL; scope = scope->outer) {
    if (scope->state == NEAP_SCOPE_ENTERED) {
      scope->cancelling += scope->undelivered;
      scope->undelivered = 0;
    }
  }
}

/* A block of memory that is a scope; all are in one list, so that those whose
 * frame was never finished can be freed. */
typedef struct frame_scope {
  neap_scope scope; /* first */
  struct frame_scope *next;
} frame_scope;

neap_scope *neap_scope_take(lua_State *L, neap_runtime *rt) {
  neap_scope *scope = rt->free_scopes;
  if (scope != NULL) {
    rt->free_scopes = scope->outer;
    return scope;
  }
  frame_scope *block = neap_realloc(NULL, 0, sizeof *block);
  if (block == NULL) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  block->next = rt->frame_scopes;
  rt->frame_scopes = block;
  return &block->scope;
}

void neap_scope_give(neap_runtime *rt, neap_scope *scope) {
  scope->outer = rt->free_scopes;
  rt->free_scopes = scope;
}

void neap_scopes_close(neap_runtime *rt) {
  frame_scope *block = rt->frame_scopes;
  rt->frame_scopes = NULL;
  rt->free_scopes = NULL;
  while (block != NULL) {
    frame_scope *next = block->next;
    neap_realloc(block, sizeof *block, 0);
    block = next;
  }
}
