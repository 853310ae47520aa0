/* SPDX-License-Identifier: MIT */
/* watch.c - neap.fs.watch: what happens to a file or in a directory. */
#include <string.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/alloc.h"
#include "runtime/io.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Watch";

enum { PATH_VALUE = 1, MOST_EVENTS = 1024 };

/* Nobody has asked for it yet. Owner: its watcher's list. */
typedef struct event {
  neap_link link;
  size_t size; /* of all */
  int what;    /* UV_RENAME or UV_CHANGE */
  char name[]; /* of the file in the directory; "" if that is not known */
} event;

/* Owner: its box, until that is closed or collected; then the loop, until
 * on_closed frees it. */
typedef struct watcher {
  uv_fs_event_t uv;
  neap_io io;
  neap_list events;
  unsigned count;
  int err;         /* the watch has broken */
  bool overflowed; /* some events were dropped */
  neap_list waiters;
} watcher;

/* What Lua has. */
typedef struct box {
  watcher *w; /* NULL: closed */
} box;

static bool holds_clock(neap_io *io) {
  watcher *w = NEAP_CONTAINER_OF(io, watcher, io);
  return !neap_list_empty(&w->waiters);
}

static void free_events(watcher *w) {
  neap_link *link;
  while ((link = neap_list_shift(&w->events)) != NULL) {
    event *e = NEAP_CONTAINER_OF(link, event, link);
    neap_realloc(e, e->size, 0);
  }
}

static void on_closed(uv_handle_t *handle) {
  watcher *w = NEAP_CONTAINER_OF((uv_fs_event_t *)handle, watcher, uv);
  free_events(w);
  neap_realloc(w, sizeof *w, 0);
}

/* Many writes are one change. */
static bool is_known(watcher *w, const char *name, int what) {
  if (neap_list_empty(&w->events)) {
    return false;
  }
  event *last = NEAP_CONTAINER_OF(w->events.prev, event, link);
  return last->what == what && strcmp(last->name, name) == 0;
}

static void on_event(uv_fs_event_t *handle, const char *name, int events,
                     int status) {
  watcher *w = NEAP_CONTAINER_OF(handle, watcher, uv);
  const char *text = name == NULL ? "" : name;
  int what = (events & UV_RENAME) != 0 ? UV_RENAME : UV_CHANGE;
  if (status < 0) {
    w->err = status;
  } else if (!is_known(w, text, what)) {
    size_t size = sizeof(event) + strlen(text) + 1;
    event *e = w->count == MOST_EVENTS ? NULL : neap_realloc(NULL, 0, size);
    if (e == NULL) {
      w->overflowed = true;
    } else {
      e->size = size;
      e->what = what;
      memcpy(e->name, text, strlen(text) + 1);
      e->link.prev = e->link.next = NULL;
      neap_list_append(&w->events, &e->link);
      w->count++;
    }
  }
  neap_wake_first(&w->waiters);
}

static box *check_box(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

/* watch(path) -> Watch
 * Watches a file, or what is in a directory, though not in those below it.
 * Returns it four times as a generic for wants it, which then closes it.
 * raises  OSError
 * waits   never. */
static int l_watch(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(path) == length, 1, "a path without NUL expected");
  neap_check_running(L, rt);
  lua_settop(L, 1);
  box *b = neap_object_new(L, TYPE_NAME, sizeof *b, 1);
  b->w = NULL;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 2, PATH_VALUE);
  watcher *w = neap_realloc(NULL, 0, sizeof *w);
  if (w == NULL) {
    return neap_raise_os_error(L, rt, UV_ENOMEM, "watch", path);
  }
  memset(w, 0, sizeof *w);
  neap_list_init(&w->events);
  neap_list_init(&w->waiters);
  uv_fs_event_init(&rt->uv, &w->uv); /* cannot fail */
  b->w = w;
  int err = uv_fs_event_start(&w->uv, on_event, path, 0);
  if (err != 0) {
    b->w = NULL;
    uv_close((uv_handle_t *)&w->uv, on_closed);
    return neap_raise_os_error(L, rt, err, "watch", path);
  }
  neap_io_open(rt, &w->io, (uv_handle_t *)&w->uv, holds_clock);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushvalue(L, 2);
  return 4;
}

/* ---- next ---- */

/* Somebody else may have what came. */
static void abandon(neap_wait *wait) {
  box *b = wait->target;
  if (b->w != NULL) {
    neap_wake_first(&b->w->waiters);
  }
}

static void describe(lua_State *L, neap_wait *wait) {
  (void)wait;
  lua_pushliteral(L, "events of a watch");
}

static const neap_wait_kind watch_kind = {"watch", NULL, abandon, describe,
                                          NULL};

/* [-0, +2 | +1, m] The first event, if any; 0 if there is none. */
static int take(lua_State *L, watcher *w) {
  if (w->overflowed) {
    w->overflowed = false;
    lua_pushliteral(L, "overflow");
    return 1;
  }
  if (neap_list_empty(&w->events)) {
    return 0;
  }
  event *e = NEAP_CONTAINER_OF(w->events.next, event, link);
  lua_pushstring(L, e->what == UV_RENAME ? "rename" : "change");
  if (*e->name == '\0') {
    lua_pushnil(L);
  } else {
    lua_pushstring(L, e->name);
  }
  neap_list_remove(&e->link);
  neap_realloc(e, e->size, 0);
  w->count--;
  if (w->count > 0) {
    neap_wake_first(&w->waiters);
  }
  return 2;
}

static int k_next(lua_State *L, int status, lua_KContext ctx);

/* watch:next() -> event, name
 * The next event: "change", "rename" (it came, went, or got another name), or
 * "overflow" (so much happened that some was lost); and the file's name, if
 * the system tells it. nil once the watch is closed.
 * raises  OSError; outside of a task; CancelledError.
 * waits   if nothing has happened yet. */
static int l_next(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  box *b = check_box(L);
  neap_task *task = neap_check_wait(L, rt);
  lua_settop(L, 1);
  if (b->w == NULL) {
    lua_pushnil(L);
    return 1;
  }
  if (b->w->err != 0) {
    lua_getiuservalue(L, 1, PATH_VALUE);
    return neap_raise_os_error(L, rt, b->w->err, "watch", lua_tostring(L, -1));
  }
  int n = take(L, b->w);
  if (n > 0) {
    return n;
  }
  neap_list_append(&b->w->waiters, &task->wait.job.link);
  return neap_park(L, task, &watch_kind, b, k_next, 0);
}

static int k_next(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return l_next(L);
}

/* watch:close()
 * Whoever waits gets nil. Again: nothing. */
static int l_close(lua_State *L) {
  box *b = check_box(L);
  watcher *w = b->w;
  if (w != NULL) {
    b->w = NULL;
    neap_wake_all(&w->waiters);
    neap_io_close(&w->io);
    uv_close((uv_handle_t *)&w->uv, on_closed);
  }
  return 0;
}

/* Nobody waits; or the state closes, and tasks are just memory. */
static int l_gc(lua_State *L) {
  box *b = check_box(L);
  if (b->w != NULL) {
    neap_io_close(&b->w->io);
    uv_close((uv_handle_t *)&b->w->uv, on_closed);
    b->w = NULL;
  }
  return 0;
}

static int l_tostring(lua_State *L) {
  box *b = check_box(L);
  lua_getiuservalue(L, 1, PATH_VALUE);
  lua_pushfstring(L, "<Watch '%s'%s>", lua_tostring(L, -1),
                  b->w == NULL ? " closed" : "");
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__call",     l_next    },
    {"__close",    l_close   },
    {"__gc",       l_gc      },
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"next",  l_next }, /* waits */
    {"close", l_close},
    {NULL,    NULL   },
};

static const luaL_Reg functions[] = {
    {"watch", l_watch},
    {NULL,    NULL   },
};

void neap_bind_watch(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
