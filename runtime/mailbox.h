/* SPDX-License-Identifier: MIT */
/* mailbox.h - what other threads hand to the loop.
 *
 * A mailbox outlives its runtime: it is there until nobody holds it. Whatever
 * was put in is delivered exactly once, at the latest when the runtime closes;
 * nothing can be put in after that. */
#ifndef NEAP_MAILBOX_H
#define NEAP_MAILBOX_H

#include <lua.h>

#include "runtime/list.h"
#include "runtime/runtime.h"

/* Owner: who puts it in, until it is delivered. */
typedef struct neap_post_node {
  neap_link link;
  /* On the loop's thread. L is NULL if the runtime is closing. */
  void (*deliver)(lua_State *L, struct neap_post_node *node);
} neap_post_node;

/* The mailbox of a runtime, made if need be; NULL if there is no memory. */
neap_mailbox *neap_mailbox_get(neap_runtime *rt);

/* Any thread. Holds it, and lets go of it. */
void neap_mailbox_hold(neap_mailbox *mailbox);
void neap_mailbox_drop(neap_mailbox *mailbox);

/* Any thread. Returns 0, or UV_ESHUTDOWN once the runtime has closed. */
int neap_mailbox_put(neap_mailbox *mailbox, neap_post_node *node);

/* [-0, +0, -] Delivers what is there. */
void neap_mailbox_deliver(lua_State *L, neap_runtime *rt);

/* The same where it is asked often. */
static inline void neap_mailbox_deliver_posted(lua_State *L, neap_runtime *rt) {
  if (atomic_load_explicit(&rt->posted, memory_order_relaxed)) {
    neap_mailbox_deliver(L, rt);
  }
}

/* While something may still come from outside, the loop waits for it. */
void neap_mailbox_keep_alive(neap_runtime *rt);

/* The runtime closes: lets go of the references of C, and delivers the rest
 * without a state. */
void neap_mailbox_close(neap_runtime *rt);

/* ref.c: the runtime closes. Called under the lock. */
void neap_refs_orphan(neap_runtime *rt);

/* ref.c: tells those who have been waiting for a future. */
void neap_refs_close(neap_list *waiting);

#endif
