/* SPDX-License-Identifier: MIT */
/* runtime.h - the state of one runtime: which room owns which field. */
#ifndef NEAP_RUNTIME_H
#define NEAP_RUNTIME_H

#include <stdatomic.h>
#include <stdint.h>

#include <lua.h>
#include <uv.h>

#include "runtime/buffer.h"
#include "runtime/clock.h"
#include "runtime/limits.h"
#include "runtime/list.h"
#include "runtime/neap.h"
#include "runtime/resume.h"
#include "runtime/trace.h"
#include "runtime/unwind.h"

/* An impossible state: say where and abort, in release builds too. */
#define NEAP_CHECK(condition)                                                  \
  ((condition) ? (void)0 : neap_check_failed(#condition, __FILE__, __LINE__))

_Noreturn void neap_check_failed(const char *what, const char *file, int line);

typedef struct neap_future neap_future;
typedef struct neap_task neap_task;
typedef struct neap_scope neap_scope;

/* A coroutine that waits for its next task. */
typedef struct neap_idle_thread {
  lua_State *co;
  int slot; /* anchor of co */
} neap_idle_thread;

/* Seconds: what neap.slow_step is at first. */
#define NEAP_SLOW_STEP 0.1

/* Idle coroutines kept; more are left to the collector. */
#define NEAP_POOL_SIZE 256

typedef struct neap_host_loop neap_host_loop;

typedef struct neap_counters {
  uint64_t created, finished, failed, cancelled; /* tasks */
  uint64_t pending;                              /* tasks not done */
  uint64_t steps;                                /* resumptions of tasks */
  uint64_t passes;                               /* over the ready queue */
  uint64_t polls;                                /* of libuv */
} neap_counters;

/* Slots that keep objects alive (anchor.h). */
typedef struct neap_anchors {
  int *free; /* the numbers of the free ones */
  uint32_t free_count;
  uint32_t capacity; /* slots that exist */
  uint32_t room;     /* what `free` has room for; at least `capacity` */
} neap_anchors;

/* At least as many as error.h has. */
#define NEAP_MAX_CLASSES 32

/* The error classes by their addresses (class.c). */
typedef struct neap_classes {
  struct neap_class_place *places; /* a userdata in the registry */
  uint32_t capacity;               /* of places: a power of 2 */
  uint32_t count;
} neap_classes;

/* Owner: a userdata in the registry of its lua_State, so it is still there
 * when the last finalizer of a closing state runs. */
struct neap_runtime {
  lua_State *main; /* the state's main thread */
  lua_State *L;    /* the thread that runs the loop; NULL between runs */

  /* loop.c */
  uv_loop_t uv;
  uv_async_t wakeup;  /* unreferenced; sent by neap_interrupt */
  uv_timer_t timer;   /* armed for the earliest deadline while polling */
  neap_list ready;    /* jobs of the next pass */
  neap_list batch;    /* jobs of the pass that runs */
  neap_list settlers; /* jobs to be made ready when nothing else is */
  uint64_t last_poll;
  unsigned passes_since_poll;
  unsigned in_place_left; /* passes in place before the next other one */
  bool in_place;          /* one is under way */
  neap_list io;           /* open handles that tasks may wait for: io.h */
  neap_chunks chunks;     /* stream.c: memory for what comes in */
  uint64_t write_step;    /* the step whose writes are counted */
  int writes_left;        /* until it lets others run */
  char *scratch; /* what is received is put here first: uv_transport.c */
  bool loop_open;
  bool running; /* inside neap_loop_run */
  bool closed;  /* nothing works any more */
  bool exiting; /* os.exit was called in a task */
  int exit_code;
  bool stopped;         /* NEAP_STOP arrived */
  bool restricted;      /* what reaches outside is missing (sandbox.c) */
  bool complete;        /* the module is there */
  bool hosted;          /* opened by neap_open: a host steps the loop */
  bool owns_state;      /* neap_close closes the lua_State */
  bool polled;          /* libuv has been, since the loop was opened */
  bool nudges;          /* new work is news to the host's loop */
  atomic_bool posted;   /* something is in the mailbox */
  bool shutting_down;   /* the main task has ended, the others are cancelled */
  bool exit_guarded;    /* session.c: os.exit raises an error */
  bool exit_refused;    /* it did */
  bool interrupted;     /* NEAP_CANCEL_MAIN arrived */
  bool late;            /* the time limit of neap_drive is over */
  unsigned open_clocks; /* of neap.testing.virtual_clock */
  uint64_t shuffle;     /* state of the order's generator; 0: FIFO */

  neap_clock clock;
  neap_trace trace;
  neap_counters counters;
  neap_anchors anchors;
  neap_classes classes;
  const void *class_addresses[NEAP_MAX_CLASSES]; /* by neap_class */
  neap_limiter limits;

  /* embed.c, mailbox.c, ref.c, host_loop.c: what is the host's */
  uv_thread_t thread;        /* the one that may use the runtime */
  lua_State *driver;         /* where steps are run from; NULL unless hosted */
  neap_host_loop *host_loop; /* on a host's uv loop, or NULL */
  neap_mailbox *mailbox;
  neap_list refs;    /* what C refers to */
  neap_list orphans; /* while it closes: jobs of refs to be told */
  void (*on_error)(void *ud, const char *text); /* NULL: stderr */
  void *on_error_ud;
  size_t open_refs; /* futures that C may still complete */

  /* resume.c */
  const neap_entry *entry;       /* innermost coroutine entered; NULL outside */
  lua_State *volatile executing; /* its thread, for neap_interrupt */
  neap_unwinding *unwinding;     /* unwind.c */
  unsigned closing;              /* depth of neap_close_coroutine */
  bool parking;                  /* the yield under way comes from neap_park */
  bool delivering;               /* the resumption under way is a wake-up */

  /* task.c */
  neap_task *current; /* the task whose code runs; NULL outside */
  neap_task *main_task;
  neap_list tasks; /* tasks that are not done, in creation order */
  uint64_t last_task_id;
  uint32_t sweep; /* the cancellation of all that goes on, or 0 */
  uint32_t last_sweep;
  unsigned eager_depth;
  unsigned idle_count;
  neap_idle_thread idle[NEAP_POOL_SIZE];

  neap_scope *free_scopes;          /* scope.c */
  struct frame_scope *frame_scopes; /* all there are, free or not */
  neap_list failed;     /* report.c: futures whose error nobody has seen */
  neap_future *cancels; /* future.c: work list of neap_future_cancel */

  /* interrupt.c */
  atomic_int requests;  /* neap_request bits not yet served */
  int interrupt_raises; /* errors raised in the step that is to be ended */
  bool interrupting;    /* it is under way */
  bool cancelling;      /* future.c: neap_future_cancel is under way */

  /* debug.c */
  bool watched; /* debug, or there are limits */
  bool debug;
  bool tracking;          /* track.c */
  uint64_t step_began;    /* uv_hrtime; 0 if debug mode was off then */
  int slow_traceback_ref; /* what it was doing when it became slow */
  int module_ref;         /* the module table, for neap.slow_step */

  /* Registry references: integers, because those are looked up fastest. */
  int classes_ref; /* neap_class -> class */
  int parents_ref; /* class -> its parent class, or false: keeps them alive */
  int places_ref;
  int task_ref; /* metatables */
  int future_ref;
  int failure_ref;
  int callback_ref;
  int foreign_yield_ref; /* the error of a task that yielded by itself */
  int failures_ref;      /* address -> future with an unseen error, weak */
  int context_ref;       /* the context outside of tasks, or false */
  int context_copy_ref;  /* makes a copy of one; LUA_NOREF until one was set */
  int outside_ref;       /* the last error raised outside of tasks, and where */
  int handler_ref;       /* the exception handler, or LUA_NOREF */
  int at_close_ref;      /* called when the loop is closed, or LUA_NOREF */
  int brief_ref;         /* the last brief traceback: error.c */
  int late_tree_ref;     /* the tree of tasks when rt->late, or LUA_NOREF */
  int created_ref; /* track.c: task, future or callback -> where created; weak */
  int objects_ref;         /* track.c: other object -> where created; weak */
  int default_handler_ref; /* who gets reports if there is none, or LUA_NOREF */
  const char *brief;       /* its text; NULL before the first */
  size_t brief_length;
  const void *task_metatable; /* lua_topointer of it */
  const void *future_metatable;
};

/* 0 if the calling thread may use the runtime, or a negative libuv error code:
 * UV_EINVAL for NULL, UV_EPERM in another thread, UV_ESHUTDOWN once closed. */
int neap_runtime_check(const neap_runtime *rt);

/* Lets go of what hosts and other threads have to do with the runtime. Again:
 * nothing. Returns 0, or UV_ECANCELED as neap_host_loop_close does. */
int neap_runtime_detach(neap_runtime *rt);

/* [-0, +0, m] Opens a runtime in L and returns it; raises if it cannot. */
neap_runtime *neap_runtime_open(lua_State *L);

/* [-0, +0, -] Why that last had no loop: a libuv error code; 0: it never failed
 * so. */
int neap_runtime_open_error(lua_State *L);

/* To be called after `debug` or the limits have changed. */
static inline void neap_update_watch(neap_runtime *rt) {
  rt->watched = rt->debug || rt->limits.on || rt->limits.set.tasks != 0;
}

/* For functions whose first upvalue is the runtime, as all bindings are. */
static inline neap_runtime *neap_runtime_up(lua_State *L) {
  return (neap_runtime *)lua_touserdata(L, lua_upvalueindex(1));
}

#endif
