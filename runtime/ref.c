/* SPDX-License-Identifier: MIT */
/* ref.c - the references that C holds to Tasks and Futures. */
#include <string.h>

#include <lauxlib.h>

#include "runtime/alloc.h"
#include "runtime/anchor.h"
#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/future.h"
#include "runtime/loop.h"
#include "runtime/mailbox.h"
#include "runtime/report.h"
#include "runtime/task.h"
#include "runtime/wait.h"

/* Owner: whoever counts: the host until neap_release, the mailbox while one of
 * its nodes is there. Thread: the loop's, but for `count`, `completing` and
 * what neap_complete and neap_release write before they put a node in. */
struct neap_ref {
  neap_link link;   /* in rt->refs */
  neap_runtime *rt; /* NULL once that has closed */
  neap_mailbox *mailbox;
  neap_future *future; /* alive: anchored */
  int anchor;
  bool completable; /* a future that C made */
  bool open;        /* counted in rt->open_refs: C may still complete it */
  atomic_int count;
  atomic_bool completing;
  neap_post_node completion;
  int (*results)(lua_State *L, void *ud);
  void *results_ud;
  bool called;
  neap_post_node release;
  neap_job done_job;
  void (*done)(lua_State *L, neap_ref *ref, void *ud);
  void *done_ud;
  void (*cancel)(void *ud);
  void *cancel_ud;
};

/* A future that C completes. Lua sees a Future. */
typedef struct operation {
  neap_future future; /* first */
  neap_ref *ref;      /* NULL once that is released */
} operation;

/* ---- their life ---- */

static void drop(neap_ref *ref) {
  if (atomic_fetch_sub(&ref->count, 1) == 1) {
    neap_mailbox_drop(ref->mailbox);
    neap_realloc(ref, sizeof *ref, 0);
  }
}

/* C will not complete it any more: the loop need not wait for that. */
static void close_ref(neap_ref *ref) {
  if (ref->open) {
    ref->open = false;
    ref->rt->open_refs--;
    neap_mailbox_keep_alive(ref->rt);
  }
}

/* A reference to nothing yet; NULL if there is no memory. */
static neap_ref *alloc_ref(neap_runtime *rt) {
  neap_mailbox *mailbox = neap_mailbox_get(rt);
  neap_ref *ref = mailbox == NULL ? NULL : neap_realloc(NULL, 0, sizeof *ref);
  if (ref != NULL) {
    memset(ref, 0, sizeof *ref);
    atomic_init(&ref->count, 1);
    atomic_init(&ref->completing, false);
    ref->mailbox = mailbox;
    neap_mailbox_hold(mailbox);
  }
  return ref;
}

/* [-0, +0, -] Lets it refer to the future at `index`; the anchor has been
 * reserved. */
static void attach(lua_State *L, neap_runtime *rt, neap_ref *ref, int index) {
  ref->rt = rt;
  ref->future = lua_touserdata(L, index);
  ref->anchor = neap_anchor(L, rt, index);
  neap_list_append(&rt->refs, &ref->link);
}

static void unlink_ref(lua_State *L, neap_ref *ref) {
  neap_runtime *rt = ref->rt;
  close_ref(ref);
  if (ref->completable) {
    ((operation *)ref->future)->ref = NULL;
  }
  neap_list_remove(&ref->done_job.link);
  neap_list_remove(&ref->link);
  neap_unanchor(L, rt, ref->anchor);
  ref->rt = NULL;
  ref->future = NULL;
}

static void deliver_release(lua_State *L, neap_post_node *node) {
  neap_ref *ref = NEAP_CONTAINER_OF(node, neap_ref, release);
  if (ref->rt != NULL) {
    unlink_ref(L, ref);
  }
  drop(ref);
}

void neap_release(neap_ref *ref) {
  if (ref != NULL) {
    ref->release.deliver = deliver_release;
    if (neap_mailbox_put(ref->mailbox, &ref->release) != 0) {
      drop(ref); /* the runtime has let go of it */
    }
  }
}

void neap_refs_orphan(neap_runtime *rt) {
  neap_link *link;
  while ((link = neap_list_shift(&rt->refs)) != NULL) {
    neap_ref *ref = NEAP_CONTAINER_OF(link, neap_ref, link);
    neap_list_remove(&ref->done_job.link);
    if (ref->done != NULL) {
      neap_list_append(&rt->orphans, &ref->done_job.link);
      atomic_fetch_add(&ref->count, 1);
    }
    if (ref->completable && ref->future != NULL) {
      ((operation *)ref->future)->ref = NULL;
    }
    ref->rt = NULL;
    ref->future = NULL;
  }
  rt->open_refs = 0;
}

void neap_refs_close(neap_list *waiting) {
  neap_link *link;
  while ((link = neap_list_shift(waiting)) != NULL) {
    neap_ref *ref = NEAP_CONTAINER_OF(NEAP_CONTAINER_OF(link, neap_job, link),
                                      neap_ref, done_job);
    ref->done(NULL, ref, ref->done_ud);
    drop(ref);
  }
}

/* ---- operations ---- */

static bool cancel_operation(lua_State *L, neap_future *future,
                             const neap_request_to_cancel *request) {
  neap_ref *ref = ((operation *)future)->ref;
  neap_future_note_request(L, future, request);
  neap_future_settle(L, future, NEAP_FUTURE_CANCELLED);
  if (ref != NULL && ref->cancel != NULL) {
    ref->cancel(ref->cancel_ud);
  }
  return true;
}

static const neap_future_kind operation_kind = {"Future", cancel_operation};

/* [-0, +1, m] Pushes a future that C completes. */
static operation *new_operation(lua_State *L, neap_runtime *rt) {
  operation *op = lua_newuserdatauv(L, sizeof *op, NEAP_FUTURE_VALUES);
  neap_future_init(&op->future, rt, &operation_kind);
  op->ref = NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->future_ref);
  lua_setmetatable(L, -2);
  neap_anchors_reserve(L, rt, 2);
  return op;
}

/* [-0, +0, -] Attaches the reference to the operation on the top. */
static void open_ref(lua_State *L, neap_runtime *rt, neap_ref *ref,
                     operation *op) {
  neap_future_anchor(L, &op->future, lua_gettop(L));
  attach(L, rt, ref, -1);
  op->ref = ref;
  ref->completable = true;
  ref->open = true;
  rt->open_refs++;
  neap_mailbox_keep_alive(rt);
  neap_loop_nudge_if_idle(rt);
}

neap_ref *neap_begin(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (rt == NULL) {
    luaL_error(L, "there is no runtime in this state");
    return NULL;
  }
  neap_check_wait(L, rt);
  operation *op = new_operation(L, rt);
  neap_ref *ref = alloc_ref(rt);
  if (ref == NULL) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  open_ref(L, rt, ref, op);
  lua_pop(L, 1);
  return ref;
}

int neap_await_ref(lua_State *L, neap_ref *ref, void (*cancel)(void *ud),
                   void *ud) {
  neap_runtime *rt = neap_runtime_of(L);
  if (ref == NULL || ref->rt == NULL || ref->rt != rt) {
    return luaL_error(L, "not a reference of this runtime");
  }
  luaL_checkstack(L, 4, NULL);
  if (ref->completable) {
    ref->cancel = cancel;
    ref->cancel_ud = ud;
  }
  neap_push_anchored(L, ref->anchor);
  return neap_await_top(L, rt, ref->future);
}

/* Protected. 1: the reference. */
static int l_complete(lua_State *L) {
  neap_ref *ref = lua_touserdata(L, 1);
  neap_future *future = ref->future;
  ref->called = true;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_push_anchored(L, ref->anchor);
  lua_replace(L, 1);
  int n = ref->results == NULL ? 0 : ref->results(L, ref->results_ud);
  if (future->state == NEAP_PENDING) {
    neap_future_store(L, future, 1, n);
    neap_future_settle(L, future, NEAP_FINISHED);
  }
  return 0;
}

/* Protected. 1: the future, 2: the error. */
static int l_fail(lua_State *L) {
  neap_future_store_error(L, lua_touserdata(L, 1), 1);
  return 0;
}

/* [-1, +0, -] Fails the future with the value on the top. */
static void fail(lua_State *L, neap_ref *ref) {
  int err = lua_gettop(L);
  neap_future *future = ref->future;
  if (future->state == NEAP_PENDING) {
    lua_pushcfunction(L, l_fail);
    neap_push_anchored(L, ref->anchor);
    lua_pushvalue(L, err);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
      /* No memory to report it later; who awaits it gets it all the same. */
      neap_push_anchored(L, ref->anchor);
      lua_pushvalue(L, err);
      lua_setiuservalue(L, -2, NEAP_OUTCOME_VALUE);
      future->retrieved = true;
    }
    neap_future_settle(L, future, NEAP_FAILED);
  }
  lua_settop(L, err - 1);
}

static void deliver_completion(lua_State *L, neap_post_node *node) {
  neap_ref *ref = NEAP_CONTAINER_OF(node, neap_ref, completion);
  ref->called = ref->results == NULL;
  if (L != NULL && ref->rt != NULL) {
    if (ref->future->state == NEAP_PENDING && lua_checkstack(L, 8)) {
      lua_pushcfunction(L, neap_traceback_handler);
      int handler = lua_gettop(L);
      lua_pushcfunction(L, l_complete);
      lua_pushlightuserdata(L, ref);
      if (lua_pcall(L, 1, 0, handler) != LUA_OK) {
        fail(L, ref);
      }
      lua_settop(L, handler - 1);
    }
    close_ref(ref);
  }
  if (!ref->called) {
    ref->results(NULL, ref->results_ud);
  }
  drop(ref);
}

int neap_complete(neap_ref *ref, int (*results)(lua_State *L, void *ud),
                  void *ud) {
  if (ref == NULL || !ref->completable) {
    return UV_EINVAL;
  }
  if (atomic_exchange(&ref->completing, true)) {
    return UV_EALREADY;
  }
  ref->completion.deliver = deliver_completion;
  ref->results = results;
  ref->results_ud = ud;
  atomic_fetch_add(&ref->count, 1);
  int err = neap_mailbox_put(ref->mailbox, &ref->completion);
  if (err != 0) {
    drop(ref);
  }
  return err;
}

/* ---- made from outside of Lua ---- */

typedef struct request {
  neap_runtime *rt;
  neap_ref *ref; /* to be attached, or NULL */
  int nargs;
} request;

/* [-n, +nresults, -] Calls a function under protection with the n values on
 * the top and, above them, the request, whose reference goes to *out (NULL:
 * none is wanted). */
static int protect(lua_State *L, lua_CFunction function, request *r, int n,
                   int nresults, neap_ref **out) {
  r->ref = out == NULL ? NULL : alloc_ref(r->rt);
  if ((out != NULL && r->ref == NULL) || !lua_checkstack(L, LUA_MINSTACK)) {
    lua_pop(L, n);
  } else {
    lua_pushcfunction(L, function);
    lua_insert(L, -n - 1);
    lua_pushlightuserdata(L, r);
    if (lua_pcall(L, n + 1, nresults, 0) == LUA_OK) {
      if (out != NULL) {
        *out = r->ref;
      }
      return 0;
    }
    lua_pop(L, 1);
  }
  if (r->ref != NULL) {
    drop(r->ref);
  }
  return UV_ENOMEM;
}

static request *take_request(lua_State *L) {
  request *r = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return r;
}

static int l_create_task(lua_State *L) {
  request *r = take_request(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_task_new(L, r->rt, r->nargs);
  if (r->ref != NULL) {
    attach(L, r->rt, r->ref, -1);
  }
  return 0;
}

int neap_create_task(lua_State *L, int nargs, neap_ref **ref) {
  request r = {.rt = neap_runtime_of(L), .ref = NULL, .nargs = nargs};
  int err = neap_runtime_check(r.rt);
  if (err == 0 &&
      (nargs < 0 || lua_gettop(L) <= nargs || !lua_isfunction(L, -nargs - 1))) {
    return UV_EINVAL;
  }
  if (err == 0 && !r.rt->hosted && !r.rt->running) {
    err = UV_EBUSY;
  }
  if (err != 0) {
    lua_pop(L, nargs + 1);
    return err;
  }
  return protect(L, l_create_task, &r, nargs + 1, 0, ref);
}

static int l_create_future(lua_State *L) {
  request *r = take_request(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  operation *op = new_operation(L, r->rt);
  open_ref(L, r->rt, r->ref, op);
  return 1;
}

int neap_create_future(lua_State *L, neap_ref **ref) {
  request r = {.rt = neap_runtime_of(L), .ref = NULL, .nargs = 0};
  int err = ref == NULL ? UV_EINVAL : neap_runtime_check(r.rt);
  return err != 0 ? err : protect(L, l_create_future, &r, 0, 1, ref);
}

static int l_ref(lua_State *L) {
  request *r = take_request(L);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_future_anchor(L, lua_touserdata(L, 1), 1);
  neap_anchors_reserve(L, r->rt, 1);
  attach(L, r->rt, r->ref, 1);
  return 0;
}

int neap_ref_at(lua_State *L, int index, neap_ref **ref) {
  request r = {.rt = neap_runtime_of(L), .ref = NULL, .nargs = 0};
  int err = ref == NULL ? UV_EINVAL : neap_runtime_check(r.rt);
  if (err != 0) {
    return err;
  }
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    return UV_ENOMEM;
  }
  if (neap_to_future(L, r.rt, index) == NULL) {
    return UV_EINVAL;
  }
  lua_pushvalue(L, index);
  return protect(L, l_ref, &r, 1, 0, ref);
}

/* ---- use ---- */

static int check_ref(neap_ref *ref) {
  if (ref == NULL) {
    return UV_EINVAL;
  }
  return ref->rt == NULL ? UV_ESHUTDOWN : neap_runtime_check(ref->rt);
}

int neap_push_ref(lua_State *L, neap_ref *ref) {
  int err = check_ref(ref);
  if (err == 0 && neap_runtime_of(L) != ref->rt) {
    err = UV_EINVAL;
  }
  if (err == 0 && !lua_checkstack(L, 2)) {
    err = UV_ENOMEM;
  }
  if (err == 0) {
    neap_push_anchored(L, ref->anchor);
  }
  return err;
}

int neap_ref_state(neap_ref *ref) {
  int err = check_ref(ref);
  return err != 0 ? err : ref->future->state;
}

/* Protected. 1: the future. */
static int l_results(lua_State *L) {
  neap_future *future = lua_touserdata(L, 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  if (future->state == NEAP_FINISHED) {
    return neap_future_results(L, future, 1);
  }
  neap_future_push_error(L, future, 1);
  return 1;
}

int neap_ref_results(lua_State *L, neap_ref *ref, int *nresults) {
  int err = neap_push_ref(L, ref);
  if (nresults != NULL) {
    *nresults = 0;
  }
  if (err != 0) {
    return err;
  }
  int state = ref->future->state;
  int base = lua_gettop(L) - 1;
  if (state == NEAP_PENDING || !lua_checkstack(L, LUA_MINSTACK)) {
    lua_pop(L, 1);
    return state == NEAP_PENDING ? state : UV_ENOMEM;
  }
  lua_pushcfunction(L, l_results);
  lua_insert(L, -2);
  if (lua_pcall(L, 1, LUA_MULTRET, 0) != LUA_OK) {
    lua_settop(L, base);
    return UV_ENOMEM;
  }
  if (nresults != NULL) {
    *nresults = lua_gettop(L) - base;
  }
  return state;
}

int neap_cancel(neap_ref *ref) {
  int err = check_ref(ref);
  if (err != 0) {
    return err;
  }
  if (ref->future->state != NEAP_PENDING) {
    return UV_EALREADY;
  }
  neap_runtime *rt = ref->rt;
  lua_State *L = rt->driver != NULL ? rt->driver : rt->main;
  if (rt->cancelling) {
    return UV_EBUSY; /* inside a host's cancel function */
  }
  if (!lua_checkstack(L, LUA_MINSTACK)) {
    return UV_ENOMEM;
  }
  neap_request_to_cancel by_code = {0, 0, NEAP_BY_CODE};
  neap_future_cancel(L, ref->future, &by_code);
  return 0;
}

/* Protected. 1: the reference. */
static int l_done(lua_State *L) {
  neap_ref *ref = lua_touserdata(L, 1);
  void (*done)(lua_State *, neap_ref *, void *) = ref->done;
  ref->done = NULL;
  lua_settop(L, 0);
  done(L, ref, ref->done_ud);
  return 0;
}

static void run_done(neap_runtime *rt, neap_job *job) {
  neap_ref *ref = NEAP_CONTAINER_OF(job, neap_ref, done_job);
  lua_State *L = rt->L;
  int top = lua_gettop(L);
  lua_pushcfunction(L, neap_traceback_handler);
  lua_pushcfunction(L, l_done);
  lua_pushlightuserdata(L, ref);
  if (lua_pcall(L, 1, 0, top + 1) != LUA_OK) {
    if (ref->done != NULL) { /* there was no memory to call it */
      void (*done)(lua_State *, neap_ref *, void *) = ref->done;
      ref->done = NULL;
      done(NULL, ref, ref->done_ud);
    } else {
      neap_report(L, rt, "Exception in callback", -1, 0);
    }
  }
  lua_settop(L, top);
}

int neap_on_done(neap_ref *ref,
                 void (*done)(lua_State *L, neap_ref *ref, void *ud),
                 void *ud) {
  int err = done == NULL ? UV_EINVAL : check_ref(ref);
  if (err != 0) {
    return err;
  }
  if (ref->done != NULL) {
    return UV_EALREADY;
  }
  ref->done = done;
  ref->done_ud = ud;
  ref->done_job.run = run_done;
  if (ref->future->state == NEAP_PENDING) {
    neap_list_append(&ref->future->waiters, &ref->done_job.link);
  } else {
    neap_loop_append(ref->rt, &ref->done_job);
  }
  return 0;
}
