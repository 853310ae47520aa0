/* SPDX-License-Identifier: MIT */
#include "runtime/loop.h"

#include <limits.h>

#include "runtime/alloc.h"
#include "runtime/interrupt.h"
#include "runtime/io.h"
#include "runtime/mailbox.h"
#include "runtime/object.h"
#include "runtime/task.h"

/* libuv is polled after so many passes, or nanoseconds, of ready work. */
enum { MAX_PASSES = 64, UNTIMED_PASSES = 16, LOOK_EVERY = 4 };

/* Passes in place between two others. */
enum { MAX_IN_PLACE = 64 };

static const uint64_t MAX_POLL_INTERVAL = 1000000;
static const uint64_t NANOSECONDS_PER_MS = 1000000;

/* ---- libuv ---- */

static void on_wakeup(uv_async_t *wakeup) {
  (void)wakeup; /* its purpose was to end the poll */
}

/* Likewise: deadlines are collected after the poll. One that has come before
 * the poll began is called first, and must keep it from waiting for others. */
static void on_timer(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

int neap_loop_open(neap_runtime *rt) {
  neap_list_init(&rt->ready);
  neap_list_init(&rt->batch);
  neap_list_init(&rt->io);
  neap_list_init(&rt->settlers);
  int err = uv_loop_init(&rt->uv);
  if (err != 0) {
    return err;
  }
  rt->loop_open = true;
  err = uv_async_init(&rt->uv, &rt->wakeup, on_wakeup);
  if (err == 0) {
    uv_unref((uv_handle_t *)&rt->wakeup);
    err = uv_timer_init(&rt->uv, &rt->timer);
  }
  if (err == 0) {
    uv_unref((uv_handle_t *)&rt->timer);
  }
  return err;
}

static void close_handle(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

void neap_loop_close(neap_runtime *rt) {
  if (!rt->loop_open) {
    return;
  }
  rt->loop_open = false;
  uv_walk(&rt->uv, close_handle, NULL);
  uv_run(&rt->uv, UV_RUN_DEFAULT);
  NEAP_CHECK(uv_loop_close(&rt->uv) == 0);
}

static void count_handle(uv_handle_t *handle, void *arg) {
  size_t *count = arg;
  *count += uv_is_active(handle) && uv_has_ref(handle) ? 1 : 0;
}

size_t neap_loop_handles(neap_runtime *rt) {
  size_t count = 0;
  if (rt->loop_open) {
    uv_walk(&rt->uv, count_handle, &count);
  }
  return count;
}

/* Whether libuv has anything to wait for; our own handles are not referenced. */
static bool has_io(neap_runtime *rt) {
  return uv_loop_alive(&rt->uv) != 0;
}

/* The one call of uv_run while the loop lives. No callback enters Lua. */
static void poll(neap_runtime *rt, uv_run_mode mode) {
  rt->counters.polls++;
  rt->passes_since_poll = 0;
  uv_run(&rt->uv, mode);
}

/* Polls until something happens, or `deadline` comes. libuv's timers count
 * milliseconds, so that is rounded up; one that comes early is armed again. */
static void wait_until(neap_runtime *rt, uint64_t deadline) {
  bool timed = deadline != NEAP_NEVER;
  if (timed) {
    uint64_t now = neap_clock_now(&rt->clock);
    uint64_t delay = deadline > now ? deadline - now : 0;
    uv_update_time(&rt->uv);
    uv_timer_start(&rt->timer, on_timer,
                   (delay + NANOSECONDS_PER_MS - 1) / NANOSECONDS_PER_MS, 0);
    uv_ref((uv_handle_t *)&rt->timer);
  }
  poll(rt, UV_RUN_ONCE);
  if (timed) {
    uv_timer_stop(&rt->timer);
    uv_unref((uv_handle_t *)&rt->timer);
  }
}

/* ---- the drain ---- */

void neap_loop_shuffle(neap_runtime *rt, uint64_t seed) {
  rt->shuffle = seed;
}

/* xorshift64*, Vigna 2016 */
static uint64_t next_random(neap_runtime *rt) {
  uint64_t x = rt->shuffle;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  rt->shuffle = x;
  return x * 0x2545F4914F6CDD1DULL;
}

/* Fisher and Yates on an array; without memory the order stays. */
static void shuffle_list(neap_runtime *rt, neap_list *list) {
  size_t count = 0;
  for (neap_link *l = list->next; l != list; l = l->next) {
    count++;
  }
  size_t size = count * sizeof(neap_link *);
  neap_link **links = neap_realloc(NULL, 0, size);
  if (count < 2 || links == NULL) {
    neap_realloc(links, size, 0);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    size_t j = (size_t)(next_random(rt) % (i + 1));
    links[i] = links[j];
    links[j] = neap_list_shift(list);
  }
  for (size_t i = 0; i < count; i++) {
    neap_list_append(list, links[i]);
  }
  neap_realloc(links, size, 0);
}

/* Those who yielded come after all others, as they came: sleep(0) lets everybody
 * run who is ready, in any order. */
static void shuffle_batch(neap_runtime *rt) {
  neap_list others, yields;
  neap_link *link;
  neap_list_init(&others);
  neap_list_init(&yields);
  while ((link = neap_list_shift(&rt->batch)) != NULL) {
    neap_task *task = neap_job_task(NEAP_CONTAINER_OF(link, neap_job, link));
    bool yielded = task != NULL && task->wait.yielded;
    neap_list_append(yielded ? &yields : &others, link);
  }
  shuffle_list(rt, &others);
  neap_list_splice(&rt->batch, &others);
  neap_list_splice(&rt->batch, &yields);
}

static void collect_due(neap_runtime *rt, uint64_t now) {
  neap_job *job;
  rt->trace.now = now;
  while ((job = neap_clock_take_due(&rt->clock, now)) != NULL) {
    neap_loop_append(rt, job);
  }
}

void neap_loop_switch_clock(neap_runtime *rt, bool is_virtual, uint64_t now) {
  collect_due(rt, neap_clock_now(&rt->clock));
  neap_clock_switch(&rt->clock, is_virtual, now);
  rt->trace.now = neap_clock_now(&rt->clock);
}

/* Without deadlines nobody needs the exact time, and reading a clock costs as
 * much as a third of a switch between tasks. */
static void collect_deadlines(neap_runtime *rt) {
  if (neap_clock_count(&rt->clock) > 0 ||
      rt->counters.passes % UNTIMED_PASSES == 0) {
    collect_due(rt, neap_clock_now(&rt->clock));
  }
}

static void count_pass(neap_runtime *rt) {
  rt->counters.passes++;
  rt->passes_since_poll++;
}

/* False once the loop is to stop. */
static bool run_pass(lua_State *L, neap_runtime *rt) {
  count_pass(rt);
  rt->in_place_left = MAX_IN_PLACE;
  neap_list_splice(&rt->batch, &rt->ready);
  if (rt->shuffle != 0) {
    shuffle_batch(rt);
  }
  neap_link *link;
  while ((link = neap_list_shift(&rt->batch)) != NULL) {
    neap_job *job = NEAP_CONTAINER_OF(link, neap_job, link);
    job->run(rt, job);
    if (rt->requests != 0) {
      neap_serve_requests(L, rt);
    }
    if (rt->stopped || rt->exiting) {
      return false;
    }
  }
  return true;
}

/* Work is ready; whether libuv could have a turn all the same. */
static bool may_poll(neap_runtime *rt) {
  return rt->passes_since_poll % LOOK_EVERY == 0 && has_io(rt);
}

static void poll_now_and_then(neap_runtime *rt) {
  if (!may_poll(rt)) {
    return;
  }
  uint64_t now = uv_hrtime();
  if (rt->passes_since_poll >= MAX_PASSES ||
      now - rt->last_poll >= MAX_POLL_INTERVAL) {
    rt->last_poll = now;
    poll(rt, UV_RUN_NOWAIT);
  }
}

/* ---- passes in place ---- */

/* Whether there will be a next pass, and nothing for the loop to do before. */
static bool is_free(neap_runtime *rt) {
  return rt->in_place_left > 0 && rt->running && !rt->shutting_down &&
         rt->main_task->phase != NEAP_TASK_ENDED && !rt->watched &&
         rt->requests == 0 && !rt->posted && !rt->stopped && !rt->exiting &&
         !rt->interrupting && !may_poll(rt);
}

static bool is_only(neap_runtime *rt, const neap_job *job) {
  return rt->ready.next == &job->link && neap_loop_has_one_job(rt);
}

/* As from the loop: outside of the task that has begun to wait. */
static void run_outside(neap_runtime *rt, neap_job *job) {
  neap_task *current = rt->current;
  const neap_entry *entry = rt->entry;
  lua_State *executing = rt->executing;
  rt->current = NULL;
  rt->entry = NULL;
  rt->executing = NULL;
  job->run(rt, job);
  rt->executing = executing;
  rt->entry = entry;
  rt->current = current;
}

bool neap_loop_pass_in_place(neap_runtime *rt, neap_job *own) {
  if (!neap_loop_has_one_job(rt) || !is_free(rt)) {
    return false;
  }
  neap_job *job = NEAP_CONTAINER_OF(rt->ready.next, neap_job, link);
  if (job == own) {
    return true;
  }
  /* The main task's end is for the loop to see. */
  if (job == &rt->main_task->wait.job) {
    return false;
  }
  collect_deadlines(rt);
  if (!is_only(rt, job)) {
    return false;
  }
  count_pass(rt);
  rt->in_place_left--;
  neap_list_remove(&job->link);
  run_outside(rt, job);
  return is_only(rt, own) && is_free(rt);
}

void neap_loop_take(neap_runtime *rt, neap_job *own) {
  neap_list_remove(&own->link);
  collect_deadlines(rt);
  neap_list_splice(&rt->batch, &rt->ready); /* they are of the same pass */
  count_pass(rt);
  rt->in_place_left--;
}

/* ---- waiting ---- */

static bool is_waited_for(neap_runtime *rt) {
  for (neap_link *l = rt->io.next; l != &rt->io; l = l->next) {
    neap_io *io = NEAP_CONTAINER_OF(l, neap_io, link);
    if (io->holds_clock(io)) {
      return true;
    }
  }
  return false;
}

/* The same of what else libuv knows: a process, a request. */
static bool is_under_way(neap_runtime *rt) {
  for (neap_link *l = rt->io.next; l != &rt->io; l = l->next) {
    uv_unref(NEAP_CONTAINER_OF(l, neap_io, link)->handle);
  }
  bool holds = has_io(rt);
  for (neap_link *l = rt->io.next; l != &rt->io; l = l->next) {
    uv_ref(NEAP_CONTAINER_OF(l, neap_io, link)->handle);
  }
  return holds;
}

/* Whether a task waits for the world outside, which holds a virtual clock: all
 * that libuv knows does, apart from handles that say they do not. */
static bool holds_clock(neap_runtime *rt) {
  if (is_waited_for(rt)) {
    return true;
  }
  poll(rt, UV_RUN_NOWAIT); /* what has happened comes before what will */
  return is_under_way(rt);
}

bool neap_loop_clock_is_held(neap_runtime *rt) {
  return rt->clock.is_virtual && rt->loop_open &&
         neap_clock_next(&rt->clock) != NEAP_NEVER &&
         (is_waited_for(rt) || is_under_way(rt));
}

/* Whether a poll has brought something, which must not be waited for again. */
static bool has_work(neap_runtime *rt) {
  return !neap_list_empty(&rt->ready) || rt->requests != 0 || rt->posted;
}

/* Nothing is ready: waits for the next deadline or for libuv. False if neither
 * will ever come. */
static bool wait_for_work(neap_runtime *rt) {
  uint64_t deadline = neap_clock_next(&rt->clock);
  bool io = has_io(rt);
  if (deadline == NEAP_NEVER && !io) {
    return false;
  }
  if (!rt->clock.is_virtual || deadline == NEAP_NEVER) {
    wait_until(rt, deadline);
  } else {
    bool holds = io && holds_clock(rt);
    if (!has_work(rt) && holds) {
      wait_until(rt, NEAP_NEVER);
    } else if (!has_work(rt)) {
      rt->clock.virtual_now = deadline;
    }
  }
  rt->trace.now = neap_clock_now(&rt->clock);
  return true;
}

/* Nothing is ready. Whether somebody waited for that. */
static bool settle(neap_runtime *rt) {
  if (neap_list_empty(&rt->settlers)) {
    return false;
  }
  if (has_io(rt)) {
    poll(rt, UV_RUN_NOWAIT);
  }
  if (neap_list_empty(&rt->ready)) {
    neap_wake_all(&rt->settlers);
  }
  return true;
}

neap_loop_end neap_loop_run(lua_State *L, neap_runtime *rt,
                            bool (*done)(neap_runtime *rt, void *ud),
                            void *ud) {
  lua_State *outer = rt->L;
  neap_loop_end end = NEAP_LOOP_DONE;
  rt->L = L;
  rt->trace.now = neap_clock_now(&rt->clock);
  if (!neap_list_empty(&rt->batch)) { /* left by a run that was stopped */
    neap_list_splice(&rt->batch, &rt->ready);
    neap_list_splice(&rt->ready, &rt->batch);
  }
  while (!done(rt, ud)) {
    if (rt->requests != 0) {
      neap_serve_requests(L, rt);
      if (rt->stopped) {
        end = NEAP_LOOP_STOPPED;
        break;
      }
      continue; /* it may be done now */
    }
    neap_mailbox_deliver_posted(L, rt);
    collect_deadlines(rt);
    if (neap_list_empty(&rt->ready)) {
      if (!settle(rt) && !wait_for_work(rt) && rt->requests == 0 &&
          !rt->posted) {
        end = NEAP_LOOP_BLOCKED;
        break;
      }
      continue;
    }
    poll_now_and_then(rt);
    if (!run_pass(L, rt)) {
      end = NEAP_LOOP_STOPPED;
      break;
    }
  }
  rt->L = outer;
  return end;
}

/* ---- a host's turns ---- */

/* Runs what is ready; false once it is to stop. */
static bool run_turn(lua_State *L, neap_runtime *rt) {
  uint64_t began = uv_hrtime();
  for (int pass = 0; pass < MAX_PASSES; pass++) {
    if (rt->requests != 0) {
      neap_serve_requests(L, rt);
    }
    neap_mailbox_deliver_posted(L, rt);
    collect_deadlines(rt);
    if (rt->stopped || (!neap_list_empty(&rt->ready) && !run_pass(L, rt))) {
      return false;
    }
    if (neap_list_empty(&rt->ready) ||
        uv_hrtime() - began > MAX_POLL_INTERVAL) {
      break;
    }
  }
  return true;
}

/* Nothing is ready: waits, for not longer than the host allows. */
static void wait_a_while(neap_runtime *rt, int timeout_ms) {
  uint64_t deadline = neap_clock_next(&rt->clock);
  if (settle(rt) || (deadline == NEAP_NEVER && !has_io(rt))) {
    return;
  }
  if (rt->clock.is_virtual && deadline != NEAP_NEVER) {
    bool holds = holds_clock(rt);
    if (!has_work(rt) && !holds) {
      rt->clock.virtual_now = deadline;
    }
    if (has_work(rt) || !holds) {
      return;
    }
  }
  uint64_t until = NEAP_NEVER;
  if (timeout_ms >= 0) {
    until =
        neap_clock_now(&rt->clock) + (uint64_t)timeout_ms * NANOSECONDS_PER_MS;
  }
  if (timeout_ms == 0) {
    poll(rt, UV_RUN_NOWAIT);
  } else {
    bool counts = !rt->clock.is_virtual && deadline < until;
    wait_until(rt, counts ? deadline : until);
  }
}

int neap_loop_poll(lua_State *L, neap_runtime *rt, int timeout_ms) {
  rt->L = L;
  rt->nudges = false;
  rt->trace.now = neap_clock_now(&rt->clock);
  if (!neap_list_empty(&rt->batch)) { /* left by a turn that was stopped */
    neap_list_splice(&rt->batch, &rt->ready);
    neap_list_splice(&rt->ready, &rt->batch);
  }
  bool stopped = !run_turn(L, rt);
  if (!stopped) {
    if (neap_list_empty(&rt->ready) && !rt->posted) {
      wait_a_while(rt, timeout_ms);
    } else {
      poll(rt, UV_RUN_NOWAIT);
    }
    rt->trace.now = neap_clock_now(&rt->clock);
    rt->polled = true;
    stopped = !run_turn(L, rt);
  }
  rt->L = NULL;
  rt->nudges = rt->host_loop != NULL;
  if (stopped) {
    rt->stopped = false;
    return UV_EINTR;
  }
  return !neap_list_empty(&rt->ready) || rt->posted || has_io(rt) ||
         neap_clock_next(&rt->clock) != NEAP_NEVER;
}

/* The earlier of two timeouts, of which -1 is never. */
static int earlier(int a, int b) {
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

int neap_loop_timeout(neap_runtime *rt) {
  if (!rt->polled || rt->posted || rt->requests != 0 ||
      !neap_list_empty(&rt->ready) || !neap_list_empty(&rt->batch) ||
      !neap_list_empty(&rt->settlers)) {
    return 0;
  }
  uint64_t deadline = neap_clock_next(&rt->clock);
  int timeout = -1;
  if (has_io(rt)) {
    uv_update_time(&rt->uv);
    timeout = uv_backend_timeout(&rt->uv);
  }
  if (deadline == NEAP_NEVER) {
    return timeout;
  }
  if (rt->clock.is_virtual) {
    return has_io(rt) && is_waited_for(rt) ? timeout : 0;
  }
  uint64_t now = neap_clock_now(&rt->clock);
  uint64_t delay = deadline > now ? deadline - now : 0;
  delay = (delay + NANOSECONDS_PER_MS - 1) / NANOSECONDS_PER_MS;
  return earlier(timeout, delay > INT_MAX ? INT_MAX : (int)delay);
}
