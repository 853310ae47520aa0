/* SPDX-License-Identifier: MIT */
/* race.c - a race on purpose, to know that races are found: a thread writes
 * what a post has read, and nothing orders the two. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include <neap.h>

static int unprotected;
static atomic_bool looked; /* relaxed: in time, but not ordered */

static void look(lua_State *L, void *ud) {
  (void)L;
  (void)ud;
  printf("the post read %d\n", unprotected);
  atomic_store_explicit(&looked, true, memory_order_relaxed);
}

static void work(void *mailbox) {
  neap_post(mailbox, look, NULL);
  while (!atomic_load_explicit(&looked, memory_order_relaxed)) {
  }
  unprotected = 1;
  neap_mailbox_release(mailbox);
}

int main(void) {
  neap_runtime *rt;
  neap_mailbox *mailbox;
  uv_thread_t thread;
  if (neap_open(NULL, &rt) != 0 || neap_mailbox_open(rt, &mailbox) != 0 ||
      uv_thread_create(&thread, work, mailbox) != 0) {
    return EXIT_FAILURE;
  }
  while (neap_poll(rt, -1) > 0) {
  }
  uv_thread_join(&thread);
  neap_close(rt);
  return EXIT_SUCCESS;
}
