/* SPDX-License-Identifier: MIT */
/* request.h - a libuv request that one task waits for: work on the thread pool,
 * a look-up.
 *
 *   made --neap_uv_request_park--> pending --libuv--> ended
 *
 * A request is a userdata. While it is pending it is anchored, and with it its
 * user values, whose strings libuv's threads may read: nothing is copied, and
 * nothing is freed too early, whatever becomes of the task. The anchor goes in a
 * job of the drain, since a uv callback may not touch Lua. A task that is
 * cancelled leaves at once; what its request still yields is disposed of. */
#ifndef NEAP_REQUEST_H
#define NEAP_REQUEST_H

#include <stdbool.h>

#include <lua.h>
#include <uv.h>

#include "runtime/runtime.h"
#include "runtime/wait.h"

typedef struct neap_uv_request neap_uv_request;

/* What is particular to a kind of request. Plain C; none may raise. */
typedef struct neap_uv_request_kind {
  /* Frees what the result holds. May be called again. */
  void (*dispose)(neap_uv_request *request);
  /* libuv is done with it; NULL: nobody cares. */
  void (*ended)(neap_uv_request *request);
} neap_uv_request_kind;

/* Owner: Lua's collector; anchored while pending. First in what it is part of.
 */
struct neap_uv_request {
  union {
    uv_req_t any;
    uv_work_t work;
    uv_getaddrinfo_t addrinfo;
    uv_getnameinfo_t nameinfo;
  } uv;

  neap_job job; /* ends it in the drain */
  neap_runtime *rt;
  const neap_uv_request_kind *kind;
  neap_list waiters;   /* the task, unless it has left */
  const char *name;    /* for people: "fs.stat" */
  const char *subject; /* "/etc/passwd", or NULL */
  int status;          /* of uv_cancel, or of the look-up */
  int anchor;          /* while pending */
  bool pending;
};

/* [-0, +1, m] Pushes a new request of `size` bytes, zero but for its base. */
neap_uv_request *neap_uv_request_new(lua_State *L, neap_runtime *rt,
                                     const neap_uv_request_kind *kind,
                                     size_t size, int nuvalue);

/* [-0, +0, m] The last thing before libuv gets it that can raise. */
void neap_uv_request_prepare(lua_State *L, neap_uv_request *request);

/* [-?, +?, -] libuv has taken the request, which is at `index`: suspends the
 * task until it ends. As neap_park; the context of k is the index. */
int neap_uv_request_park(lua_State *L, neap_task *task,
                         neap_uv_request *request, int index, lua_KFunction k);

/* libuv is done with it: the last act of each callback. */
void neap_uv_request_done(neap_uv_request *request);

/* For uv_queue_work. */
void neap_uv_request_worked(uv_work_t *work, int status);

#endif
