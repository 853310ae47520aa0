/* SPDX-License-Identifier: MIT */
/* loop.h - the ready queue and its drain, libuv under it, and the teardown.
 *
 * One pass runs what was ready when it began, in order. Deadlines that have
 * come join the queue before a pass; what is woken in a pass runs in the next.
 * That is one iteration of asyncio's loop. libuv is only entered between
 * passes, so none of its callbacks is below Lua on the C stack. */
#ifndef NEAP_LOOP_H
#define NEAP_LOOP_H

#include <lua.h>

#include "runtime/job.h"
#include "runtime/runtime.h"

/* Returns 0 or a negative libuv error code. */
int neap_loop_open(neap_runtime *rt);

/* Closes every handle, runs the loop until the last has said so, closes it. */
void neap_loop_close(neap_runtime *rt);

/* host_loop.c: tells the host's loop that there is work. */
void neap_loop_nudge(neap_runtime *rt);

static inline void neap_loop_nudge_if_idle(neap_runtime *rt) {
  if (rt->nudges) {
    neap_loop_nudge(rt);
  }
}

/* Puts a job, which is in no list, at the end of the ready queue. */
static inline void neap_loop_append(neap_runtime *rt, neap_job *job) {
  neap_list_append(&rt->ready, &job->link);
  neap_loop_nudge_if_idle(rt);
}

/* [-0, +0, -] One turn for a host: runs what is ready, for a bounded time, and
 * polls libuv. If nothing is ready it waits for up to timeout_ms (-1: for
 * ever) while anything can happen at all. 1 if anything can still; 0; or
 * UV_EINTR after NEAP_STOP. */
int neap_loop_poll(lua_State *L, neap_runtime *rt, int timeout_ms);

/* Milliseconds until the next turn is due; -1: not until libuv has something. */
int neap_loop_timeout(neap_runtime *rt);

/* Whether the next pass is to run one job, as things stand. */
static inline bool neap_loop_has_one_job(const neap_runtime *rt) {
  return neap_list_single(&rt->ready) && neap_list_empty(&rt->batch);
}

/* For a task that has begun to wait, below which this runs: to leave its
 * coroutine and come back is what waiting costs most. If one job is ready, and
 * it alone, so that the next pass would run nothing else, then it runs now.
 * Returns whether after that `own`, the job of the wait, is the only one. */
bool neap_loop_pass_in_place(neap_runtime *rt, neap_job *own);

/* Takes out `own`, which is the only one, for a pass that is the task's. */
void neap_loop_take(neap_runtime *rt, neap_job *own);

typedef enum neap_loop_end {
  NEAP_LOOP_DONE,    /* the condition holds */
  NEAP_LOOP_BLOCKED, /* nothing at all can ever happen again */
  NEAP_LOOP_STOPPED, /* NEAP_STOP, or os.exit in a task */
} neap_loop_end;

/* [-0, +0, -] Runs passes in L until done(ud) says so, which is asked between
 * them. Not to be nested. */
neap_loop_end neap_loop_run(lua_State *L, neap_runtime *rt,
                            bool (*done)(neap_runtime *rt, void *ud), void *ud);

/* Handles that keep the loop alive, neap's own not counted. */
size_t neap_loop_handles(neap_runtime *rt);

/* Seeds the shuffle of each pass; 0 goes back to FIFO. For tests. Who yielded
 * comes after all others: that is promised. */
void neap_loop_shuffle(neap_runtime *rt, uint64_t seed);

/* neap_clock_switch, at any time. */
void neap_loop_switch_clock(neap_runtime *rt, bool is_virtual, uint64_t now);

/* [-0, +0, -] Whether a virtual clock with deadlines stands still, since there
 * is a wait for the world outside. */
bool neap_loop_clock_is_held(neap_runtime *rt);

#endif
