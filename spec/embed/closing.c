/* SPDX-License-Identifier: MIT */
/* closing.c - runtimes that close while threads post to them, complete what
 * their tasks wait for, and let go of it. Whatever was accepted is delivered
 * exactly once. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <uv.h>

#include <neap.h>

enum { ROUNDS = 60, POSTERS = 3, POSTS = 200, WAITS = 40 };

static atomic_int accepted;
static atomic_int delivered;

/* A wait that a thread completes. Owner: the thread. */
typedef struct work {
  neap_ref *ref;
  uv_thread_t thread;
  atomic_bool cancelled;
} work;

/* Those of this round, which it joins. */
static work works[WAITS];
static int begun;

static int push_seven(lua_State *L, void *ud) {
  (void)ud;
  atomic_fetch_add(&delivered, 1);
  if (L != NULL) {
    lua_pushinteger(L, 7);
  }
  return L != NULL;
}

static void complete(void *arg) {
  work *w = arg;
  atomic_load(&w->cancelled);
  if (neap_complete(w->ref, push_seven, NULL) == 0) {
    atomic_fetch_add(&accepted, 1);
  }
  neap_release(w->ref);
}

static void cancel(void *ud) {
  work *w = ud;
  atomic_store(&w->cancelled, true);
}

/* seven() -> 7. Waits for a thread. */
static int l_seven(lua_State *L) {
  neap_ref *ref = neap_begin(L);
  work *w = &works[begun];
  if (begun == WAITS) {
    neap_release(ref);
    return luaL_error(L, "enough");
  }
  w->ref = ref;
  atomic_store(&w->cancelled, false);
  if (uv_thread_create(&w->thread, complete, w) != 0) {
    neap_release(ref);
    return luaL_error(L, "no thread");
  }
  begun++;
  return neap_await_ref(L, ref, cancel, w);
}

static void count(lua_State *L, void *ud) {
  (void)L;
  (void)ud;
  atomic_fetch_add(&delivered, 1);
}

static void post_many(void *arg) {
  neap_mailbox *mailbox = arg;
  for (int i = 0; i < POSTS; i++) {
    if (neap_post(mailbox, count, NULL) == 0) {
      atomic_fetch_add(&accepted, 1);
    }
  }
  neap_mailbox_release(mailbox);
}

static const char script[] = "local neap = require 'neap'\n"
                             "for i = 1, 6 do\n"
                             "  neap.create_task(function()\n"
                             "    while seven() == 7 do neap.sleep(0) end\n"
                             "  end)\n"
                             "  neap.create_task(function()\n"
                             "    while true do neap.fs.stat '.' end\n"
                             "  end)\n"
                             "end\n";

static int start(neap_runtime *rt) {
  lua_State *L = neap_state(rt);
  lua_register(L, "seven", l_seven);
  return luaL_loadstring(L, script) == LUA_OK &&
         neap_create_task(L, 0, NULL) == 0;
}

static void drop_error(void *ud, const char *text) {
  (void)ud;
  (void)text;
}

static int one_round(int polls) {
  neap_runtime *rt;
  neap_options options;
  uv_thread_t posters[POSTERS];
  neap_options_init(&options);
  options.on_error = drop_error;
  begun = 0;
  if (neap_open(&options, &rt) != 0 || !start(rt)) {
    return 0;
  }
  for (int i = 0; i < POSTERS; i++) {
    neap_mailbox *mailbox;
    if (neap_mailbox_open(rt, &mailbox) != 0 ||
        uv_thread_create(&posters[i], post_many, mailbox) != 0) {
      return 0;
    }
  }
  for (int i = 0; i < polls; i++) {
    neap_poll(rt, 1);
  }
  int err = neap_close(rt);
  for (int i = 0; i < POSTERS; i++) {
    uv_thread_join(&posters[i]);
  }
  for (int i = 0; i < begun; i++) {
    uv_thread_join(&works[i].thread);
  }
  return err == 0;
}

int main(void) {
  int good = 0;
  for (int i = 0; i < ROUNDS; i++) {
    good += one_round(i % 6);
  }
  printf("%d of %d closed, lost or doubled: %d\n", good, ROUNDS,
         atomic_load(&accepted) - atomic_load(&delivered));
  return EXIT_SUCCESS;
}
