/* SPDX-License-Identifier: MIT */
#include "runtime/task.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/anchor.h"
#include "runtime/context.h"
#include "runtime/debug.h"
#include "runtime/enter.h"
#include "runtime/error.h"
#include "runtime/interrupt.h"
#include "runtime/limits.h"
#include "runtime/loop.h"
#include "runtime/report.h"
#include "runtime/resume.h"
#include "runtime/scope.h"
#include "runtime/track.h"
#include "runtime/unwind.h"

/* A lua_resume inside a lua_resume costs C stack, of which Lua allows 200
 * levels (LUAI_MAXCCALLS). */
enum { MAX_EAGER_DEPTH = 50 };

enum {
  HANDLER_INDEX = 1,
  TASK_INDEX = NEAP_TASK_INDEX,
  BODY_INDEX = NEAP_TASK_BODY_INDEX
};

/* ---- the coroutine's side ---- */

static int k_body(lua_State *L, int status, lua_KContext ctx) {
  neap_task *task = (neap_task *)ctx;
  if (status == LUA_OK || status == LUA_YIELD) {
    task->end = NEAP_FINISHED;
    neap_future_store(L, &task->future, TASK_INDEX, lua_gettop(L) - TASK_INDEX);
  } else if (neap_error_is(L, task->future.rt, -1, NEAP_CANCELLED_ERROR)) {
    task->end = NEAP_FUTURE_CANCELLED;
    lua_setiuservalue(L, TASK_INDEX, NEAP_OUTCOME_VALUE);
  } else {
    task->end = NEAP_FAILED;
    neap_future_store_error(L, &task->future, TASK_INDEX);
  }
  return 0;
}

static int task_main(lua_State *L) {
  lua_KContext ctx = (lua_KContext)lua_touserdata(L, TASK_INDEX);
  int nargs = lua_gettop(L) - BODY_INDEX;
  return k_body(
      L, lua_pcallk(L, nargs, LUA_MULTRET, HANDLER_INDEX, ctx, k_body), ctx);
}

/* ---- creation, and the pool of coroutines ---- */

/* For a new coroutine, the task, and what its maker has. */
enum { ANCHORS = 3 };

/* [-0, +0, m] Takes an idle coroutine, or makes and anchors a new one. Anchors
 * are reserved last: where memory is taken the collector may run finalizers,
 * which take anchors too. */
static neap_idle_thread take_thread(lua_State *L, neap_runtime *rt) {
  if (rt->idle_count > 0) {
    neap_anchors_reserve(L, rt, ANCHORS);
    return rt->idle[--rt->idle_count];
  }
  neap_idle_thread thread = {lua_newthread(L), 0};
  neap_anchors_reserve(L, rt, ANCHORS);
  thread.slot = neap_anchor(L, rt, -1);
  lua_pop(L, 1);
  return thread;
}

/* A coroutine may serve again only if nobody can tell: nobody has got hold of
 * it, and it has no debug hook. */
static void give_back_thread(lua_State *L, neap_task *task, bool usable) {
  neap_runtime *rt = task->future.rt;
  if (usable && !task->exposed && rt->idle_count < NEAP_POOL_SIZE &&
      neap_has_no_foreign_hook(task->co)) {
    neap_idle_thread thread = {task->co, task->co_anchor};
    rt->idle[rt->idle_count++] = thread;
  } else {
    neap_unanchor(L, rt, task->co_anchor);
  }
  task->co = NULL;
}

static void init_task(neap_task *task, neap_runtime *rt) {
  memset(task, 0, sizeof *task);
  neap_future_init(&task->future, rt, &neap_task_kind);
  task->wait.job.run = neap_task_step;
  task->phase = NEAP_TASK_READY;
}

/* Every C function has 20 slots to push on, and a new coroutine too. */
enum { FEW_ARGUMENTS = 8 };

/* [-0, +0, v] Fills the stack of a coroutine whose task is on L's top, above
 * the function and its arguments. */
static void load_thread(lua_State *L, lua_State *co, int nargs) {
  int first = lua_gettop(L) - 1 - nargs;
  lua_pushcfunction(co, task_main);
  lua_pushcfunction(co, neap_traceback_handler);
  lua_pushvalue(L, -1);
  for (int i = 0; i <= nargs; i++) {
    lua_pushvalue(L, first + i);
  }
  lua_xmove(L, co, nargs + 2);
}

/* [-0, +0, m] Of the task on the top. */
static void inherit_context(lua_State *L, neap_task *task) {
  neap_runtime *rt = task->future.rt;
  if (rt->context_copy_ref != LUA_NOREF) {
    neap_push_inherited_context(L, rt);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
    } else {
      neap_set_task_context(L, task, lua_absindex(L, -2));
    }
  }
}

neap_task *neap_task_new(lua_State *L, neap_runtime *rt, int nargs) {
  /* All that can fail comes first. */
  if (nargs > FEW_ARGUMENTS) {
    luaL_checkstack(L, nargs + LUA_MINSTACK, "too many arguments");
  }
  neap_task *task = lua_newuserdatauv(L, sizeof *task, NEAP_FUTURE_VALUES);
  init_task(task, rt);
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->task_ref);
  lua_setmetatable(L, -2);
  inherit_context(L, task);
  if (rt->watched) {
    neap_limits_check_tasks(L, rt);
    if (rt->debug) {
      neap_debug_created(L, task, -1);
    }
  }
  if (rt->tracking) {
    neap_track(L, rt, rt->created_ref);
  }
  neap_idle_thread thread = take_thread(L, rt);
  if (nargs > FEW_ARGUMENTS && !lua_checkstack(thread.co, nargs + 4)) {
    rt->idle[rt->idle_count++] = thread;
    luaL_error(L, "too many arguments for a task");
  }
  load_thread(L, thread.co, nargs);
  task->co = thread.co;
  task->co_anchor = thread.slot;
  task->nargs = nargs + BODY_INDEX;
  task->future.anchor = neap_anchor(L, rt, -1);
  task->id = ++rt->last_task_id;
  neap_list_append(&rt->tasks, &task->link);
  rt->counters.created++;
  rt->counters.pending++;
  neap_trace_add(&rt->trace, task->id, NEAP_EVENT_CREATED);
  neap_loop_append(rt, &task->wait.job);
  return task;
}

/* ---- the loop's side ---- */

static void forget_outcome(lua_State *L, neap_task *task) {
  task->future.nresults = 0;
  neap_push_future(L, &task->future);
  lua_pushnil(L);
  lua_setiuservalue(L, -2, NEAP_OUTCOME_VALUE);
  lua_pop(L, 1);
}

/* `usable`: the coroutine has come to its end by itself. */
static void finish(lua_State *L, neap_task *task, bool usable) {
  neap_runtime *rt = task->future.rt;
  neap_future_state state = (neap_future_state)task->end;
  if (state == NEAP_FINISHED && task->must_cancel) {
    /* It cancelled itself and never waited again. */
    forget_outcome(L, task);
    state = NEAP_FUTURE_CANCELLED;
  }
  if (state == NEAP_FINISHED && rt->debug) {
    neap_debug_returned(L, task);
  }
  task->must_cancel = false;
  task->phase = NEAP_TASK_ENDED;
  neap_scopes_drop(L, task);
  neap_list_remove(&task->link);
  give_back_thread(L, task, usable);
  rt->counters.pending--;
  switch (state) {
  case NEAP_FAILED:
    rt->counters.failed++;
    neap_trace_add(&rt->trace, task->id, NEAP_EVENT_FAILED);
    break;
  case NEAP_FUTURE_CANCELLED:
    rt->counters.cancelled++;
    neap_trace_add(&rt->trace, task->id, NEAP_EVENT_CANCELLED);
    break;
  default:
    rt->counters.finished++;
    neap_trace_add(&rt->trace, task->id, NEAP_EVENT_FINISHED);
  }
  neap_future_settle(L, &task->future, state);
}

/* Protected. 1: the task, 2: an error value. */
static int store_failure(lua_State *L) {
  neap_future_store_error(L, lua_touserdata(L, 1), 1);
  return 0;
}

/* [-1, +0, -] The coroutine ended outside of its protected call: fails the task
 * with the value on L's top. */
static void fail(lua_State *L, neap_task *task) {
  int err = lua_gettop(L);
  lua_pushcfunction(L, store_failure);
  neap_push_future(L, &task->future);
  lua_pushvalue(L, err);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    /* No memory for the report; its awaiters get the error all the same. */
    neap_push_future(L, &task->future);
    lua_pushvalue(L, err);
    lua_setiuservalue(L, -2, NEAP_OUTCOME_VALUE);
    task->future.retrieved = true;
  }
  lua_settop(L, err - 1);
  task->end = NEAP_FAILED;
  finish(L, task, false);
}

/* A request that came while the task ran. */
static void deliver_request(lua_State *L, neap_task *task) {
  if (task->must_cancel && task->phase == NEAP_TASK_PARKED) {
    neap_wait *wait = &task->wait;
    neap_future *next = wait->kind->passes_cancel_to == NULL
                            ? NULL
                            : wait->kind->passes_cancel_to(wait);
    task->must_cancel = false;
    if (next == NULL) {
      neap_throw(task, NEAP_CANCELLED);
      return;
    }
    neap_push_future(L, &task->future);
    neap_future_push_message(L, -1);
    lua_getiuservalue(L, -2, NEAP_SOURCE_VALUE);
    neap_request_to_cancel request = {
        lua_isnil(L, -2) ? 0 : lua_gettop(L) - 1,
        lua_isnil(L, -1) ? 0 : lua_gettop(L),
        (neap_origin)task->future.origin,
    };
    neap_future_cancel(L, next, &request);
    lua_pop(L, 3);
  }
}

static void after_resume(lua_State *L, neap_task *task, int status) {
  neap_runtime *rt = task->future.rt;
  rt->delivering = false;
  if (status == LUA_OK) {
    finish(L, task, true);
  } else if (status != LUA_YIELD) {
    lua_xmove(task->co, L, 1);
    fail(L, task);
  } else if (rt->parking) {
    rt->parking = false;
    deliver_request(L, task);
  } else {
    neap_unwind(L, rt, task->co, false);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->foreign_yield_ref);
    fail(L, task);
  }
}

/* In debug mode, or with limits. */
static int resume_watched(lua_State *L, neap_task *task, int nargs) {
  neap_runtime *rt = task->future.rt;
  uint64_t outer_step = rt->step_began;
  uint64_t began = rt->debug ? uv_hrtime() : 0;
  rt->step_began = began;
  if (rt->limits.on && rt->executing == NULL) {
    neap_limits_begin(rt); /* else it is a part of another step */
  }
  int status = neap_resume_task(rt, task->co, L, nargs);
  rt->step_began = outer_step;
  if (began != 0) {
    neap_debug_end_step(L, task, began);
  }
  return status;
}

NEAP_ALWAYS_INLINE void resume(lua_State *L, neap_task *task, int nargs) {
  neap_runtime *rt = task->future.rt;
  neap_task *current = rt->current;
  task->phase = NEAP_TASK_RUNNING;
  rt->current = task;
  rt->counters.steps++;
  int status = rt->watched ? resume_watched(L, task, nargs)
                           : neap_resume_task(rt, task->co, L, nargs);
  rt->current = current;
  neap_interrupt_step_ended(rt);
  after_resume(L, task, status);
}

static void start(lua_State *L, neap_task *task) {
  neap_trace_add(&task->future.rt->trace, task->id, NEAP_EVENT_STARTED);
  if (task->must_cancel) {
    /* Cancelled before its first line: the body never runs. */
    lua_settop(task->co, 0);
    task->end = NEAP_FUTURE_CANCELLED;
    finish(L, task, true);
    return;
  }
  task->started = true;
  resume(L, task, task->nargs);
}

/* Whether the wait is over because what was awaited was itself cancelled: then
 * its CancelledError is the one that is raised. */
static bool awaited_was_cancelled(neap_wait *wait) {
  neap_future *future = wait->kind->passes_cancel_to == NULL
                            ? NULL
                            : wait->kind->passes_cancel_to(wait);
  return future != NULL && future->state == NEAP_FUTURE_CANCELLED;
}

/* The task is about to go on: perhaps with a CancelledError. */
static void note_delivery(neap_task *task) {
  if (task->scopes != NULL && (task->wait.outcome == NEAP_CANCELLED ||
                               awaited_was_cancelled(&task->wait))) {
    neap_scopes_note_delivery(task);
  }
}

NEAP_ALWAYS_INLINE void step(lua_State *L, neap_task *task) {
  neap_runtime *rt = task->future.rt;
  if (!task->started) {
    start(L, task);
    return;
  }
  neap_wait *wait = &task->wait;
  if (task->must_cancel) {
    task->must_cancel = false;
    if (wait->outcome == NEAP_WOKEN && !awaited_was_cancelled(wait)) {
      wait->outcome = NEAP_CANCELLED;
      if (wait->kind->abandon != NULL) {
        wait->kind->abandon(wait);
      }
    }
  }
  note_delivery(task);
  rt->delivering = true;
  resume(L, task, 0);
}

bool neap_task_goes_on(neap_task *task) {
  neap_runtime *rt = task->future.rt;
  neap_wait *wait = &task->wait;
  if (task->must_cancel || rt->in_place || rt->eager_depth > 0) {
    return false;
  }
  rt->in_place = true;
  bool is_next = neap_loop_pass_in_place(rt, &wait->job);
  rt->in_place = false;
  if (!is_next || task->must_cancel || wait->outcome != NEAP_WOKEN) {
    return false;
  }
  neap_loop_take(rt, &wait->job);
  note_delivery(task);
  task->phase = NEAP_TASK_RUNNING;
  rt->counters.steps++;
  return true;
}

neap_task *neap_job_task(neap_job *job) {
  if (job->run != neap_task_step) {
    return NULL;
  }
  return NEAP_CONTAINER_OF(NEAP_CONTAINER_OF(job, neap_wait, job), neap_task,
                           wait);
}

void neap_task_step(neap_runtime *rt, neap_job *job) {
  step(rt->L, neap_job_task(job));
}

void neap_task_start_now(lua_State *L, neap_task *task) {
  neap_runtime *rt = task->future.rt;
  if (rt->eager_depth == MAX_EAGER_DEPTH || !lua_checkstack(L, LUA_MINSTACK)) {
    return;
  }
  neap_list_remove(&task->wait.job.link);
  rt->eager_depth++;
  start(L, task);
  rt->eager_depth--;
}

/* ---- cancellation ---- */

static bool cancel_task(lua_State *L, neap_future *future,
                        const neap_request_to_cancel *request) {
  neap_task *task = (neap_task *)future;
  neap_wait *wait = &task->wait;
  if (future->rt->sweep != 0) {
    if (task->sweep == future->rt->sweep) {
      return true; /* once is enough, however many await it */
    }
    task->sweep = future->rt->sweep;
  }
  task->cancelling++;
  neap_trace_add(&future->rt->trace, task->id, NEAP_EVENT_CANCEL);
  if (task->phase == NEAP_TASK_PARKED) {
    neap_future *next = wait->kind->passes_cancel_to == NULL
                            ? NULL
                            : wait->kind->passes_cancel_to(wait);
    if (next != NULL) {
      neap_future_cancel_later(next);
      return true;
    }
    neap_throw(task, NEAP_CANCELLED);
  } else if (task->started && task->phase == NEAP_TASK_READY &&
             wait->outcome == NEAP_CANCELLED) {
    task->must_cancel = true;
    return true; /* the first request's message is on its way */
  } else {
    task->must_cancel = true;
  }
  neap_future_note_request(L, future, request);
  return true;
}

const neap_future_kind neap_task_kind = {"Task", cancel_task};

void neap_task_cancel(lua_State *L, neap_task *task, neap_origin origin) {
  neap_request_to_cancel request = {0, 0, origin};
  neap_future_cancel(L, &task->future, &request);
}

uint32_t neap_task_uncancel(neap_task *task) {
  if (task->cancelling > 0 && --task->cancelling == 0) {
    task->must_cancel = false;
  }
  return task->cancelling;
}

void neap_task_abandon(lua_State *L, neap_task *task) {
  neap_runtime *rt = task->future.rt;
  neap_wait *wait = &task->wait;
  neap_clock_disarm(&rt->clock, &wait->job);
  neap_list_remove(&wait->job.link);
  if (task->started && task->phase == NEAP_TASK_READY &&
      wait->outcome == NEAP_WOKEN && wait->kind->abandon != NULL) {
    wait->kind->abandon(wait);
  }
  if (lua_status(task->co) == LUA_YIELD) {
    neap_unwind(L, rt, task->co, true);
  } else {
    lua_settop(task->co, 0); /* not started */
  }
  forget_outcome(L, task);
  task->end = NEAP_FUTURE_CANCELLED;
  finish(L, task, false);
}

void neap_push_cancelled(lua_State *L, neap_task *task) {
  neap_push_future(L, &task->future);
  neap_future_push_cancelled(L, &task->future, -1);
  lua_replace(L, -2);
}

void neap_push_task_name(lua_State *L, neap_task *task, int index) {
  neap_future_push_extra(L, &task->future, index, "name");
  if (lua_isnil(L, -1)) {
    char space[32];
    neap_text text = {space, space + sizeof space};
    neap_add_default_name(&text, task);
    lua_pop(L, 1);
    lua_pushlstring(L, space, (size_t)(text.at - space));
  }
}
