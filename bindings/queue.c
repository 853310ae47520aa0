/* SPDX-License-Identifier: MIT */
/* queue.c - neap.queue, neap.lifo_queue, neap.priority_queue.
 *
 * As in asyncio, an item stays in the queue until a getter runs, and a putter
 * puts its item when it runs: waking says only that there is something to take,
 * or place to put. Whoever is quicker has it, and the one that was woken waits
 * on. One that is cancelled instead passes its wake-up on. */
#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/error.h"
#include "runtime/items.h"
#include "runtime/object.h"
#include "runtime/task.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Queue";

/* Owner: Lua's collector; those who wait have it on their stacks. */
typedef struct queue {
  neap_runtime *rt;
  neap_items items;
  size_t maxsize;      /* 0: no limit */
  uint64_t unfinished; /* items put for which task_done was not called */
  neap_list getters;
  neap_list putters;
  neap_list joiners;
  bool is_shut_down;
} queue;

static bool is_empty(const queue *q) {
  return q->items.count == 0;
}

static bool is_full(const queue *q) {
  return q->maxsize > 0 && q->items.count >= q->maxsize;
}

/* ---- waits ---- */

static void pass_on_get(queue *q) {
  if (!is_empty(q)) {
    neap_wake_first(&q->getters);
  }
}

static void pass_on_put(queue *q) {
  if (!is_full(q)) {
    neap_wake_first(&q->putters);
  }
}

static void abandon_get(neap_wait *wait) {
  pass_on_get(wait->target);
}

static void abandon_put(neap_wait *wait) {
  pass_on_put(wait->target);
}

/* [-0, +1, m] */
static void describe_put(lua_State *L, neap_wait *wait) {
  queue *q = wait->target;
  lua_pushfstring(L, "queue put (%s, maxsize %I)",
                  is_full(q) ? "full" : "not full", (LUAI_UACINT)q->maxsize);
}

/* [-0, +1, m] */
static void describe_join(lua_State *L, neap_wait *wait) {
  queue *q = wait->target;
  lua_pushfstring(L, "queue join (%I unfinished)", (LUAI_UACINT)q->unfinished);
}

static const neap_wait_kind get_kind = {"queue get", NULL, abandon_get, NULL,
                                        NULL};
static const neap_wait_kind put_kind = {"queue put", NULL, abandon_put,
                                        describe_put, NULL};
static const neap_wait_kind join_kind = {"queue join", NULL, NULL,
                                         describe_join, NULL};

static queue *check_queue(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

/* ---- making ---- */

/* [-0, +1, v] Pushes a queue. Argument 1 is its maxsize. */
static queue *push_queue(lua_State *L, neap_items_order order) {
  lua_Integer maxsize = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, maxsize >= 0, 1, "maxsize cannot be negative");
  queue *q = neap_object_new(L, TYPE_NAME, sizeof *q, NEAP_ITEMS_VALUES);
  neap_items_init(L, &q->items, order);
  q->rt = neap_runtime_up(L);
  q->maxsize = (size_t)maxsize;
  q->unfinished = 0;
  neap_list_init(&q->getters);
  neap_list_init(&q->putters);
  neap_list_init(&q->joiners);
  q->is_shut_down = false;
  return q;
}

/* queue([maxsize]) -> Queue
 * First in, first out.
 * maxsize  integer, the most items it holds; 0 or nil: any number
 * raises   bad argument. */
static int l_queue(lua_State *L) {
  push_queue(L, NEAP_FIFO);
  return 1;
}

/* lifo_queue([maxsize]) -> Queue
 * Last in, first out. */
static int l_lifo_queue(lua_State *L) {
  push_queue(L, NEAP_LIFO);
  return 1;
}

/* priority_queue([maxsize[, less]]) -> Queue
 * The least item first; equal ones in the order they were put.
 * less    function(a, b): whether item a goes before b; nil: a < b. It must not
 *         wait, nor change the queue. If it raises, so does the put or get, and
 *         the queue stays as it was. */
static int l_priority_queue(lua_State *L) {
  bool has_less = !lua_isnoneornil(L, 2);
  if (has_less) {
    neap_check_callable(L, 2);
  }
  queue *q = push_queue(L, NEAP_PRIORITY);
  if (has_less) {
    q->items.has_less = true;
    lua_pushvalue(L, 2);
    lua_setiuservalue(L, -2, NEAP_LESS_VALUE);
  }
  return 1;
}

/* ---- putting ---- */

static int raise_shut_down(lua_State *L) {
  return neap_raise(L, neap_runtime_up(L), NEAP_QUEUE_SHUT_DOWN,
                    "the queue was shut down");
}

/* [-0, +0, m] Whether one more may be put, and has a place in memory. */
static inline bool has_place(lua_State *L, queue *q) {
  while (!is_full(q)) {
    if (q->items.count < q->items.capacity) {
      return true;
    }
    neap_items_grow(L, &q->items);
  }
  return false;
}

/* [-0, +1, e] Puts the value at 2. */
static void put(lua_State *L, queue *q) {
  neap_items_put(L, &q->items);
  q->unfinished++;
  neap_wake_first(&q->getters);
}

/* The same, called protected. */
static int l_put_protected(lua_State *L) {
  put(L, lua_touserdata(L, 1));
  return 0;
}

/* [-0, +n, e] The putter was woken. If a comparison raises, the place is for
 * the next that waits for one. */
static void put_when_woken(lua_State *L, queue *q) {
  if (q->items.order != NEAP_PRIORITY || neap_list_empty(&q->putters)) {
    put(L, q);
    return;
  }
  lua_pushcfunction(L, neap_traceback_handler);
  lua_pushcfunction(L, l_put_protected);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 2, 0, -4) != LUA_OK) {
    pass_on_put(q);
    lua_error(L);
  }
}

static int k_put(lua_State *L, int status, lua_KContext ctx) {
  queue *q = (queue *)ctx;
  (void)status;
  if (q->is_shut_down) {
    return raise_shut_down(L);
  }
  if (has_place(L, q)) {
    put_when_woken(L, q);
    return 0;
  }
  neap_task *task = neap_check_wait(L, q->rt);
  neap_list_append(&q->putters, &task->wait.job.link);
  return neap_park(L, task, &put_kind, q, k_put, ctx);
}

static queue *check_put(lua_State *L) {
  bool has_item = !lua_isnoneornil(L, 2);
  queue *q = neap_object_check(L, TYPE_NAME);
  luaL_argcheck(L, has_item, 2, "an item cannot be nil");
  return q;
}

/* queue:put(item)
 * item    any value but nil
 * raises  QueueShutDown; what `less` raises; outside of a task;
 *         CancelledError.
 * waits   while it is full. */
static int l_put(lua_State *L) {
  queue *q = check_put(L);
  neap_check_current(L, q->rt);
  if (!q->is_shut_down && has_place(L, q)) {
    put(L, q);
    return 0;
  }
  return k_put(L, LUA_OK, (lua_KContext)q);
}

/* queue:put_nowait(item)
 * raises  QueueFull; QueueShutDown; what `less` raises. */
static int l_put_nowait(lua_State *L) {
  queue *q = check_put(L);
  if (q->is_shut_down) {
    return raise_shut_down(L);
  }
  if (!has_place(L, q)) {
    return neap_raise(L, neap_runtime_up(L), NEAP_QUEUE_FULL,
                      "the queue is full");
  }
  put(L, q);
  return 0;
}

/* ---- getting ---- */

/* [-0, +0, m] Whether there is one to get. */
static inline bool has_item(lua_State *L, queue *q) {
  if (neap_items_sparse(&q->items)) {
    neap_items_shrink(L, &q->items);
  }
  return !is_empty(q);
}

/* [-0, +2, e] */
static void get(lua_State *L, queue *q) {
  neap_items_take(L, &q->items);
  neap_wake_first(&q->putters);
}

/* The same, called protected. */
static int l_get_protected(lua_State *L) {
  get(L, lua_touserdata(L, 1));
  return 1;
}

/* [-0, +n, e] The getter was woken. If a comparison raises, the item is for the
 * next that waits for one. */
static void get_when_woken(lua_State *L, queue *q) {
  if (q->items.order != NEAP_PRIORITY || neap_list_empty(&q->getters)) {
    get(L, q);
    return;
  }
  lua_pushcfunction(L, neap_traceback_handler);
  lua_pushcfunction(L, l_get_protected);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 1, -3) != LUA_OK) {
    pass_on_get(q);
    lua_error(L);
  }
}

/* What a getter does when the queue is shut down and empty. */
typedef enum at_end { RAISE, RETURN_NIL } at_end;

static int k_get(lua_State *L, int status, lua_KContext ctx);
static int k_next(lua_State *L, int status, lua_KContext ctx);

static inline int get_or_wait(lua_State *L, queue *q, at_end end) {
  if (has_item(L, q)) {
    get_when_woken(L, q);
    return 1;
  }
  if (q->is_shut_down) {
    lua_pushnil(L);
    return end == RETURN_NIL ? 1 : raise_shut_down(L);
  }
  neap_task *task = neap_check_wait(L, q->rt);
  neap_list_append(&q->getters, &task->wait.job.link);
  return neap_park(L, task, &get_kind, q, end == RAISE ? k_get : k_next,
                   (lua_KContext)q);
}

static int k_get(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return get_or_wait(L, (queue *)ctx, RAISE);
}

static int k_next(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  return get_or_wait(L, (queue *)ctx, RETURN_NIL);
}

static inline int begin_get(lua_State *L, queue *q, at_end end) {
  neap_check_current(L, q->rt);
  if (has_item(L, q)) {
    get(L, q);
    return 1;
  }
  return get_or_wait(L, q, end);
}

/* queue:get() -> item
 * raises  QueueShutDown if it is empty; what `less` raises; outside of a task;
 *         CancelledError, and then no item is lost.
 * waits   while it is empty. */
static int l_get(lua_State *L) {
  return begin_get(L, neap_object_check(L, TYPE_NAME), RAISE);
}

/* queue:get_nowait() -> item
 * raises  QueueEmpty; QueueShutDown if it is empty; what `less` raises. */
static int l_get_nowait(lua_State *L) {
  queue *q = neap_object_check(L, TYPE_NAME);
  if (has_item(L, q)) {
    get(L, q);
    return 1;
  }
  if (q->is_shut_down) {
    return raise_shut_down(L);
  }
  return neap_raise(L, neap_runtime_up(L), NEAP_QUEUE_EMPTY,
                    "the queue is empty");
}

/* The iterator. Its upvalue 2 is the queue. */
static int l_next(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  return begin_get(L, lua_touserdata(L, 1), RETURN_NIL);
}

/* queue:items() -> iterator
 * `for item in queue:items() do` gets one item after the other, and ends when
 * the queue is shut down and empty.
 * raises  in the loop, as get, but no QueueShutDown.
 * waits   in the loop, as get. */
static int l_items(lua_State *L) {
  check_queue(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_pushcclosure(L, l_next, 2);
  return 1;
}

/* ---- the end of work ---- */

/* queue:task_done()
 * Says that the work for one item that was got is done.
 * raises  if it was called for every item already. */
static int l_task_done(lua_State *L) {
  queue *q = check_queue(L);
  if (q->unfinished == 0) {
    return luaL_error(L, "task_done() called too many times");
  }
  if (--q->unfinished == 0) {
    neap_wake_all(&q->joiners);
  }
  return 0;
}

static int k_join(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* queue:join()
 * Waits until task_done was called for every item that was put.
 * raises  outside of a task; CancelledError.
 * waits   if there is such an item. */
static int l_join(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  queue *q = check_queue(L);
  neap_check_current(L, rt);
  if (q->unfinished == 0) {
    return 0;
  }
  neap_task *task = neap_check_wait(L, rt);
  neap_list_append(&q->joiners, &task->wait.job.link);
  return neap_park(L, task, &join_kind, q, k_join, 0);
}

static void drop_items(lua_State *L, queue *q) {
  size_t count = neap_items_clear(L, &q->items);
  q->unfinished -= count < q->unfinished ? count : q->unfinished;
  if (q->unfinished == 0) {
    neap_wake_all(&q->joiners);
  }
}

/* queue:shutdown([immediate])
 * From now on put raises QueueShutDown, and get does once the queue is empty;
 * also those that wait.
 * immediate  boolean: drop the items at once, as if they were done */
static int l_shutdown(lua_State *L) {
  queue *q = check_queue(L);
  if (lua_toboolean(L, 2)) {
    drop_items(L, q);
  }
  q->is_shut_down = true;
  q->items.changes++; /* no comparison under way may go on to put */
  neap_wake_all(&q->getters);
  neap_wake_all(&q->putters);
  return 0;
}

/* ---- reading ---- */

/* queue:qsize() -> integer
 * The number of items. */
static int l_qsize(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_queue(L)->items.count);
  return 1;
}

/* queue:maxsize() -> integer
 * 0 if there is no limit. */
static int l_maxsize(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_queue(L)->maxsize);
  return 1;
}

/* queue:empty() -> boolean */
static int l_empty(lua_State *L) {
  lua_pushboolean(L, is_empty(check_queue(L)));
  return 1;
}

/* queue:full() -> boolean
 * Never of a queue without limit. */
static int l_full(lua_State *L) {
  lua_pushboolean(L, is_full(check_queue(L)));
  return 1;
}

/* [-1, +1, m] Adds to the text on the top, if anybody waits. */
static void push_count(lua_State *L, const neap_list *list, const char *what) {
  int count = neap_count_waiters(list);
  if (count > 0) {
    lua_pushfstring(L, ", %d %s", count, what);
    lua_concat(L, 2);
  }
}

static int l_tostring(lua_State *L) {
  static const char *const names[] = {"Queue", "LifoQueue", "PriorityQueue"};
  queue *q = check_queue(L);
  lua_pushfstring(L, "<%s %I items", names[q->items.order],
                  (LUAI_UACINT)q->items.count);
  if (q->maxsize > 0) {
    lua_pushfstring(L, ", maxsize %I", (LUAI_UACINT)q->maxsize);
    lua_concat(L, 2);
  }
  push_count(L, &q->getters, "getting");
  push_count(L, &q->putters, "putting");
  push_count(L, &q->joiners, "joining");
  lua_pushstring(L, q->is_shut_down ? ", shut down>" : ">");
  lua_concat(L, 2);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"put",        l_put       }, /* waits */
    {"put_nowait", l_put_nowait},
    {"get",        l_get       }, /* waits */
    {"get_nowait", l_get_nowait},
    {"items",      l_items     },
    {"task_done",  l_task_done },
    {"join",       l_join      }, /* waits */
    {"shutdown",   l_shutdown  },
    {"qsize",      l_qsize     },
    {"maxsize",    l_maxsize   },
    {"empty",      l_empty     },
    {"full",       l_full      },
    {NULL,         NULL        },
};

static const luaL_Reg functions[] = {
    {"queue",          l_queue         },
    {"lifo_queue",     l_lifo_queue    },
    {"priority_queue", l_priority_queue},
    {NULL,             NULL            },
};

void neap_bind_queue(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
