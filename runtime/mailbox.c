/* SPDX-License-Identifier: MIT */
#include "runtime/mailbox.h"

#include <lauxlib.h>

#include "runtime/alloc.h"
#include "runtime/error.h"
#include "runtime/loop.h"
#include "runtime/report.h"

/* Owner: all who hold it: its runtime, its references, and the host. Thread:
 * any; `rt` and `posts` under the lock. */
struct neap_mailbox {
  atomic_int holders;
  atomic_int senders; /* holders that are the host's */
  uv_mutex_t lock;
  neap_runtime *rt; /* NULL once that has closed */
  neap_list posts;
};

neap_mailbox *neap_mailbox_get(neap_runtime *rt) {
  if (rt->mailbox == NULL) {
    neap_mailbox *mailbox = neap_realloc(NULL, 0, sizeof *mailbox);
    if (mailbox == NULL) {
      return NULL;
    }
    if (uv_mutex_init(&mailbox->lock) != 0) {
      neap_realloc(mailbox, sizeof *mailbox, 0);
      return NULL;
    }
    atomic_init(&mailbox->holders, 1);
    atomic_init(&mailbox->senders, 0);
    mailbox->rt = rt;
    neap_list_init(&mailbox->posts);
    rt->mailbox = mailbox;
  }
  return rt->mailbox;
}

void neap_mailbox_hold(neap_mailbox *mailbox) {
  atomic_fetch_add(&mailbox->holders, 1);
}

void neap_mailbox_drop(neap_mailbox *mailbox) {
  if (atomic_fetch_sub(&mailbox->holders, 1) == 1) {
    uv_mutex_destroy(&mailbox->lock);
    neap_realloc(mailbox, sizeof *mailbox, 0);
  }
}

/* Under the lock: ends the poll, if there is one. */
static void notify(neap_mailbox *mailbox) {
  atomic_store(&mailbox->rt->posted, true);
  uv_async_send(&mailbox->rt->wakeup);
}

int neap_mailbox_put(neap_mailbox *mailbox, neap_post_node *node) {
  int err = UV_ESHUTDOWN;
  uv_mutex_lock(&mailbox->lock);
  if (mailbox->rt != NULL) {
    neap_list_append(&mailbox->posts, &node->link);
    notify(mailbox);
    err = 0;
  }
  uv_mutex_unlock(&mailbox->lock);
  return err;
}

void neap_mailbox_keep_alive(neap_runtime *rt) {
  neap_mailbox *mailbox = rt->mailbox;
  bool expects = rt->open_refs > 0 ||
                 (mailbox != NULL && atomic_load(&mailbox->senders) > 0);
  if (!rt->loop_open) {
    return;
  }
  if (expects) {
    uv_ref((uv_handle_t *)&rt->wakeup);
  } else {
    uv_unref((uv_handle_t *)&rt->wakeup);
  }
}

static void deliver_all(lua_State *L, neap_list *posts) {
  neap_link *link;
  while ((link = neap_list_shift(posts)) != NULL) {
    neap_post_node *node = NEAP_CONTAINER_OF(link, neap_post_node, link);
    node->deliver(L, node);
  }
}

void neap_mailbox_deliver(lua_State *L, neap_runtime *rt) {
  neap_list posts;
  neap_list_init(&posts);
  if (atomic_exchange(&rt->posted, false)) {
    uv_mutex_lock(&rt->mailbox->lock);
    neap_list_splice(&posts, &rt->mailbox->posts);
    uv_mutex_unlock(&rt->mailbox->lock);
    deliver_all(L, &posts);
    neap_mailbox_keep_alive(rt);
  }
}

void neap_mailbox_close(neap_runtime *rt) {
  neap_mailbox *mailbox = rt->mailbox;
  neap_list posts;
  if (mailbox == NULL) {
    return;
  }
  neap_list_init(&posts);
  uv_mutex_lock(&mailbox->lock);
  mailbox->rt = NULL;
  neap_list_splice(&posts, &mailbox->posts);
  neap_refs_orphan(rt);
  uv_mutex_unlock(&mailbox->lock);
  rt->mailbox = NULL;
  atomic_store(&rt->posted, false);
  deliver_all(NULL, &posts);
  neap_refs_close(&rt->orphans);
  neap_mailbox_drop(mailbox);
}

/* ---- the public part ---- */

typedef struct post {
  neap_post_node node;
  void (*function)(lua_State *L, void *ud);
  void *ud;
  bool called;
} post;

/* Protected. 1: the post. */
static int l_post(lua_State *L) {
  post *p = lua_touserdata(L, 1);
  p->called = true;
  lua_settop(L, 0);
  p->function(L, p->ud);
  return 0;
}

static void deliver_post(lua_State *L, neap_post_node *node) {
  post *p = NEAP_CONTAINER_OF(node, post, node);
  if (L != NULL && lua_checkstack(L, 4)) {
    int top = lua_gettop(L);
    lua_pushcfunction(L, neap_traceback_handler);
    lua_pushcfunction(L, l_post);
    lua_pushlightuserdata(L, p);
    if (lua_pcall(L, 1, 0, top + 1) != LUA_OK && p->called) {
      neap_report(L, neap_runtime_of(L), "Exception in callback", -1, 0);
    }
    lua_settop(L, top);
  }
  if (!p->called) {
    p->function(NULL, p->ud);
  }
  neap_realloc(p, sizeof *p, 0);
}

int neap_mailbox_open(neap_runtime *rt, neap_mailbox **out) {
  int err = out == NULL ? UV_EINVAL : neap_runtime_check(rt);
  if (err != 0) {
    return err;
  }
  neap_mailbox *mailbox = neap_mailbox_get(rt);
  if (mailbox == NULL) {
    return UV_ENOMEM;
  }
  neap_mailbox_hold(mailbox);
  atomic_fetch_add(&mailbox->senders, 1);
  neap_mailbox_keep_alive(rt);
  neap_loop_nudge_if_idle(rt);
  *out = mailbox;
  return 0;
}

void neap_mailbox_release(neap_mailbox *mailbox) {
  if (mailbox == NULL) {
    return;
  }
  atomic_fetch_sub(&mailbox->senders, 1);
  uv_mutex_lock(&mailbox->lock);
  if (mailbox->rt != NULL) {
    notify(mailbox); /* perhaps there is nothing left to wait for */
  }
  uv_mutex_unlock(&mailbox->lock);
  neap_mailbox_drop(mailbox);
}

int neap_post(neap_mailbox *mailbox, void (*function)(lua_State *L, void *ud),
              void *ud) {
  if (mailbox == NULL || function == NULL) {
    return UV_EINVAL;
  }
  post *p = neap_realloc(NULL, 0, sizeof *p);
  if (p == NULL) {
    return UV_ENOMEM;
  }
  p->node.deliver = deliver_post;
  p->function = function;
  p->ud = ud;
  p->called = false;
  int err = neap_mailbox_put(mailbox, &p->node);
  if (err != 0) {
    neap_realloc(p, sizeof *p, 0);
  }
  return err;
}
