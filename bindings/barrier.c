/* SPDX-License-Identifier: MIT */
/* barrier.c - neap.barrier: a number of tasks wait for each other, again and
 * again.
 *
 *   filling --the last one comes--> draining --all have left--> filling
 *           --reset---------------> resetting --all have left--> filling
 *   any     --abort---------------> broken --reset--> resetting or filling
 *
 * Who comes while it drains or is reset waits until it fills again. */
#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/error.h"
#include "runtime/object.h"
#include "runtime/task.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Barrier";

typedef enum barrier_state { /* ORDER barrier_state: state_names */
                             FILLING,
                             DRAINING,
                             RESETTING,
                             BROKEN,
} barrier_state;

static const char *const state_names[] = {"filling", "draining", "resetting",
                                          "broken"};

/* Owner: Lua's collector; those who wait have it on their stacks. */
typedef struct barrier {
  neap_list waiters; /* for the others */
  neap_list blocked; /* for it to fill again */
  lua_Integer parties;
  lua_Integer arrived; /* at least as many as there are in `waiters` */
  lua_Integer leaving; /* woken, and have not run yet */
  barrier_state state;
} barrier;

static neap_wait *wait_of_link(neap_link *link) {
  return NEAP_CONTAINER_OF(NEAP_CONTAINER_OF(link, neap_job, link), neap_wait,
                           job);
}

/* Wakes those who have come; the context of their continuations is their
 * index. */
static void let_go(barrier *b) {
  lua_KContext index = 0;
  for (neap_link *l = b->waiters.next; l != &b->waiters; l = l->next) {
    wait_of_link(l)->ctx = index++;
  }
  b->leaving += index;
  b->arrived = 0;
  neap_wake_all(&b->waiters);
}

/* If all have left, it fills again. */
static void refill(barrier *b) {
  if (b->leaving == 0) {
    if (b->state != BROKEN) {
      b->state = FILLING;
    }
    neap_wake_all(&b->blocked);
  }
}

static void leave(barrier *b) {
  b->leaving--;
  refill(b);
}

static void abandon(neap_wait *wait) {
  leave(wait->target);
}

/* [-0, +1, m] */
static void describe(lua_State *L, neap_wait *wait) {
  barrier *b = wait->target;
  lua_pushfstring(L, "barrier (%d of %I)", neap_count_waiters(&b->waiters),
                  (LUAI_UACINT)b->parties);
}

static const neap_wait_kind barrier_kind = {"barrier", NULL, abandon, describe,
                                            NULL};
static const neap_wait_kind blocked_kind = {"barrier", NULL, NULL, NULL, NULL};

static barrier *check_barrier(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

/* barrier(parties) -> Barrier
 * parties  integer >= 1: how many wait for each other
 * raises   bad argument. */
static int l_barrier(lua_State *L) {
  lua_Integer parties = luaL_checkinteger(L, 1);
  luaL_argcheck(L, parties >= 1, 1, "a barrier needs a party at least");
  barrier *b = neap_object_new(L, TYPE_NAME, sizeof *b, 0);
  neap_list_init(&b->waiters);
  neap_list_init(&b->blocked);
  b->parties = parties;
  b->arrived = 0;
  b->leaving = 0;
  b->state = FILLING;
  return 1;
}

/* ---- waiting ---- */

static int k_wait(lua_State *L, int status, lua_KContext index) {
  neap_runtime *rt = neap_runtime_up(L);
  barrier *b = lua_touserdata(L, 1);
  barrier_state state = b->state;
  (void)status;
  leave(b);
  if (state != DRAINING) {
    return neap_raise(L, rt, NEAP_BROKEN_BARRIER_ERROR,
                      "the barrier was aborted or reset");
  }
  lua_pushinteger(L, (lua_Integer)index);
  return 1;
}

/* Whether one more makes it full. Those who were cancelled have left the list
 * without a word, so they are counted out when it seems full, and only then. */
static bool is_last(barrier *b) {
  if (b->arrived + 1 < b->parties) {
    return false;
  }
  b->arrived = neap_count_waiters(&b->waiters);
  return b->arrived + 1 == b->parties;
}

static int k_blocked(lua_State *L, int status, lua_KContext ctx) {
  neap_runtime *rt = neap_runtime_up(L);
  barrier *b = lua_touserdata(L, 1);
  (void)status;
  (void)ctx;
  if (b->state == BROKEN) {
    return neap_raise(L, rt, NEAP_BROKEN_BARRIER_ERROR,
                      "the barrier is broken");
  }
  if (b->state == FILLING && is_last(b)) {
    b->state = DRAINING;
    let_go(b);
    refill(b);
    lua_pushinteger(L, b->parties - 1);
    return 1;
  }
  neap_task *task = neap_check_wait(L, rt);
  if (b->state != FILLING) {
    neap_list_append(&b->blocked, &task->wait.job.link);
    return neap_park(L, task, &blocked_kind, b, k_blocked, 0);
  }
  b->arrived++;
  neap_list_append(&b->waiters, &task->wait.job.link);
  return neap_park(L, task, &barrier_kind, b, k_wait, 0);
}

/* barrier:wait() -> index
 * Waits until as many tasks as it has parties do. Each gets an index of its
 * own, in the order of coming, from 0 to parties - 1; the last one to come goes
 * on first.
 * raises  BrokenBarrierError if it is aborted or reset; outside of a task;
 *         CancelledError, and then it was as if it had not come.
 * waits   unless it is the last. */
static int l_wait(lua_State *L) {
  check_barrier(L);
  neap_check_current(L, neap_runtime_up(L));
  return k_blocked(L, LUA_OK, 0);
}

/* barrier:reset()
 * Makes it empty. Those who wait get BrokenBarrierError. */
static int l_reset(lua_State *L) {
  barrier *b = check_barrier(L);
  let_go(b);
  b->state = RESETTING;
  neap_wake_all(&b->blocked);
  refill(b);
  return 0;
}

/* barrier:abort()
 * Breaks it: those who wait, and those who will, get BrokenBarrierError. */
static int l_abort(lua_State *L) {
  barrier *b = check_barrier(L);
  let_go(b);
  b->state = BROKEN;
  neap_wake_all(&b->blocked);
  return 0;
}

/* ---- reading ---- */

/* barrier:parties() -> integer */
static int l_parties(lua_State *L) {
  lua_pushinteger(L, check_barrier(L)->parties);
  return 1;
}

/* barrier:n_waiting() -> integer
 * How many have come and wait for the others. */
static int l_n_waiting(lua_State *L) {
  lua_pushinteger(L, neap_count_waiters(&check_barrier(L)->waiters));
  return 1;
}

/* barrier:broken() -> boolean
 * Whether it was aborted, and not reset since. */
static int l_broken(lua_State *L) {
  lua_pushboolean(L, check_barrier(L)->state == BROKEN);
  return 1;
}

static int l_tostring(lua_State *L) {
  barrier *b = check_barrier(L);
  lua_pushfstring(L, "<Barrier %s, %d of %I>", state_names[b->state],
                  neap_count_waiters(&b->waiters), (LUAI_UACINT)b->parties);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"wait",      l_wait     }, /* waits */
    {"reset",     l_reset    },
    {"abort",     l_abort    },
    {"parties",   l_parties  },
    {"n_waiting", l_n_waiting},
    {"broken",    l_broken   },
    {NULL,        NULL       },
};

static const luaL_Reg functions[] = {
    {"barrier", l_barrier},
    {NULL,      NULL     },
};

void neap_bind_barrier(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
