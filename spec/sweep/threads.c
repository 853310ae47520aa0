/* SPDX-License-Identifier: MIT */
/* threads.c - what C hosts do: a wait that another thread completes, and posts
 * to a mailbox. */
#include <stdlib.h>

#include <lauxlib.h>
#include <unistd.h>
#include <uv.h>

#include "runtime/neap.h"
#include "spec/sweep/points.h"

/* Owner: the thread, until it has handed it to the loop. */
typedef struct work {
  neap_ref *ref;         /* to be completed, or NULL */
  neap_mailbox *mailbox; /* to post to, or NULL */
  lua_Integer value;
} work;

/* L is NULL if nobody waits any more. */
static int push_value(lua_State *L, void *ud) {
  work *w = ud;
  if (L != NULL) {
    lua_pushinteger(L, w->value);
  }
  free(w);
  return L != NULL;
}

static void call_global(lua_State *L, void *ud) {
  free(ud);
  if (L != NULL) {
    lua_getglobal(L, "sweep_posted");
    lua_call(L, 0, 0);
  }
}

static void run(void *arg) {
  work *w = arg;
  neap_ref *ref = w->ref;
  neap_mailbox *mailbox = w->mailbox;
  if ((ref != NULL && neap_complete(ref, push_value, w) != 0) ||
      (mailbox != NULL && neap_post(mailbox, call_global, w) != 0)) {
    free(w);
  }
  neap_release(ref);
  neap_mailbox_release(mailbox);
}

/* [-0, +0, v] Runs the thread to its end, so that the order of events is always
 * the same. */
static void run_thread(lua_State *L, work *w) {
  uv_thread_t thread;
  int err = uv_thread_create(&thread, run, w);
  if (err != 0) {
    neap_release(w->ref);
    neap_mailbox_release(w->mailbox);
    free(w);
    luaL_error(L, "%s", uv_strerror(err));
    return;
  }
  uv_thread_join(&thread);
}

/* sweep_from_thread(integer) -> integer. Waits. */
static int l_from_thread(lua_State *L) {
  lua_Integer value = luaL_checkinteger(L, 1);
  neap_ref *ref = neap_begin(L);
  work *w = calloc(1, sizeof *w);
  if (w == NULL) {
    neap_release(ref);
    return luaL_error(L, "not enough memory");
  }
  w->value = value;
  w->ref = ref;
  run_thread(L, w);
  return neap_await_ref(L, ref, NULL, NULL);
}

/* sweep_post(): the loop calls the global function sweep_posted. */
static int l_post(lua_State *L) {
  work *w = calloc(1, sizeof *w);
  if (w == NULL) {
    return luaL_error(L, "not enough memory");
  }
  int err = neap_mailbox_open(neap_runtime_of(L), &w->mailbox);
  if (err != 0) {
    free(w);
    return luaL_error(L, "%s", uv_strerror(err));
  }
  run_thread(L, w);
  return 0;
}

/* Globals. */
void sweep_open_threads(lua_State *L) {
  lua_register(L, "sweep_from_thread", l_from_thread);
  lua_register(L, "sweep_post", l_post);
  lua_pushinteger(L, getpid());
  lua_setglobal(L, "sweep_pid");
}
