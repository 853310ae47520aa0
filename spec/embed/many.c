/* SPDX-License-Identifier: MIT */
/* many.c - a thousand runtimes after each other, and eight beside each other
 * that post to one another. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <uv.h>

#include <neap.h>

enum { THREADS = 8, ROUNDS = 20, POSTS = 1000 };

static atomic_int delivered;
static atomic_int accepted;

static const char script[] =
    "local neap = require 'neap'\n"
    "local queue = neap.queue(2)\n"
    "local sum = 0\n"
    "neap.task_group(function(group)\n"
    "  group:create_task(function() for i = 1, 20 do queue:put(i) end "
    "queue:shutdown() end)\n"
    "  group:create_task(function() for i in queue:items() do sum = sum + i "
    "neap.sleep(0) end end)\n"
    "end)\n"
    "return sum\n";

static int run_one(void) {
  neap_runtime *rt;
  if (neap_open(NULL, &rt) != 0) {
    return 0;
  }
  lua_State *L = neap_state(rt);
  int ok = neap_run_string(L, script, "=script") == NEAP_RUN_OK &&
           lua_tointeger(L, -1) == 210;
  return neap_close(rt) == 0 && ok;
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

/* Posts race with the end of the runtime. */
static int race_one(int polls) {
  neap_runtime *rt;
  neap_mailbox *mailbox;
  uv_thread_t thread;
  if (neap_open(NULL, &rt) != 0 || neap_mailbox_open(rt, &mailbox) != 0 ||
      uv_thread_create(&thread, post_many, mailbox) != 0) {
    return 0;
  }
  for (int i = 0; i < polls; i++) {
    neap_poll(rt, 1);
  }
  int err = neap_close(rt);
  uv_thread_join(&thread);
  return err == 0;
}

static void work(void *arg) {
  atomic_int *good = arg;
  for (int i = 0; i < ROUNDS; i++) {
    atomic_fetch_add(good, run_one() && race_one(i % 4));
  }
}

int main(int argc, char **argv) {
  int runtimes = argc > 1 ? atoi(argv[1]) : 1000;
  int good = 0;
  for (int i = 0; i < runtimes; i++) {
    good += run_one();
  }
  printf("%d of %d after each other\n", good, runtimes);
  uv_thread_t threads[THREADS];
  static atomic_int good_rounds;
  for (int i = 0; i < THREADS; i++) {
    uv_thread_create(&threads[i], work, &good_rounds);
  }
  for (int i = 0; i < THREADS; i++) {
    uv_thread_join(&threads[i]);
  }
  printf("%d of %d in %d threads\n", atomic_load(&good_rounds),
         THREADS * ROUNDS, THREADS);
  printf("posts lost: %d\n", atomic_load(&accepted) - atomic_load(&delivered));
  return EXIT_SUCCESS;
}
