/* SPDX-License-Identifier: MIT */
#include "runtime/request.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "runtime/alloc.h"
#include "runtime/anchor.h"
#include "runtime/loop.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/task.h"

static const char *const TYPE_NAME = "neap.Request";

static neap_uv_request *request_of(neap_wait *wait) {
  return wait->target;
}

/* It was woken, but is cancelled before it ran: nobody takes the result. */
static void abandon(neap_wait *wait) {
  neap_uv_request *request = request_of(wait);
  request->kind->dispose(request);
}

/* What has not begun need not begin any more. */
static void leave(neap_wait *wait) {
  uv_cancel(&request_of(wait)->uv.any);
}

static void describe(lua_State *L, neap_wait *wait) {
  neap_uv_request *request = request_of(wait);
  if (request->subject != NULL) {
    lua_pushfstring(L, "%s '%s'", request->name, request->subject);
  } else {
    lua_pushstring(L, request->name);
  }
}

static const neap_wait_kind request_wait = {"request", NULL, abandon, describe,
                                            leave};

static void end(neap_uv_request *request) {
  request->pending = false;
  if (request->kind->ended != NULL) {
    request->kind->ended(request);
  }
}

static void run(neap_runtime *rt, neap_job *job) {
  neap_uv_request *request = NEAP_CONTAINER_OF(job, neap_uv_request, job);
  if (!neap_wake_first(&request->waiters)) {
    request->kind->dispose(request);
  }
  end(request);
  neap_unanchor(rt->L, rt, request->anchor);
}

/* Pending: the state closes. Either libuv is done with it and its job was not
 * run any more, or the runtime's finalizer, the last of all, waits for libuv. */
static int request_gc(lua_State *L) {
  neap_uv_request *request = lua_touserdata(L, 1);
  if (request->pending && request->job.link.next != NULL) {
    neap_list_remove(&request->job.link);
    end(request);
  }
  if (!request->pending) {
    request->kind->dispose(request);
  } else {
    uv_cancel(&request->uv.any);
  }
  return 0;
}

/* ---- the pool ---- */

enum { MOST_THREADS = 1024 };

static atomic_bool pool_can_start;

static void wait_for_end(void *semaphore) {
  uv_sem_wait(semaphore);
}

static int pool_size(void) {
  char text[16];
  size_t size = sizeof text;
  int threads = 4;
  if (uv_os_getenv("UV_THREADPOOL_SIZE", text, &size) == 0) {
    threads = (int)strtol(text, NULL, 10);
  }
  return threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
}

/* libuv aborts the process if it cannot start its threads, which it does at the
 * first request. So as many are started, and ended, on trial. */
static int try_threads(void) {
  uv_sem_t end;
  int err = uv_sem_init(&end, 0);
  if (err != 0) {
    return err;
  }
  int count = pool_size();
  size_t size = (size_t)count * sizeof(uv_thread_t);
  uv_thread_t *threads = neap_realloc(NULL, 0, size);
  int started = 0;
  err = threads == NULL ? UV_ENOMEM : 0;
  while (err == 0 && started < count) {
    err = uv_thread_create(&threads[started], wait_for_end, &end);
    started += err == 0 ? 1 : 0;
  }
  for (int i = 0; i < started; i++) {
    uv_sem_post(&end);
  }
  for (int i = 0; i < started; i++) {
    uv_thread_join(&threads[i]);
  }
  uv_sem_destroy(&end);
  neap_realloc(threads, size, 0);
  return err;
}

static void check_pool(lua_State *L, neap_runtime *rt) {
  if (!atomic_load(&pool_can_start)) {
    int err = try_threads();
    if (err != 0) {
      neap_raise_os_error(L, rt, err, "pthread_create", NULL);
    }
    atomic_store(&pool_can_start, true);
  }
}

/* ---- requests ---- */

neap_uv_request *neap_uv_request_new(lua_State *L, neap_runtime *rt,
                                     const neap_uv_request_kind *kind,
                                     size_t size, int nuvalue) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  check_pool(L, rt);
  neap_uv_request *request = lua_newuserdatauv(L, size, nuvalue);
  memset(request, 0, size);
  request->rt = rt;
  request->kind = kind;
  request->job.run = run;
  neap_list_init(&request->waiters);
  if (luaL_newmetatable(L, TYPE_NAME)) {
    lua_pushcfunction(L, request_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
  }
  lua_setmetatable(L, -2);
  return request;
}

void neap_uv_request_prepare(lua_State *L, neap_uv_request *request) {
  neap_anchors_reserve(L, request->rt, 1);
}

int neap_uv_request_park(lua_State *L, neap_task *task,
                         neap_uv_request *request, int index, lua_KFunction k) {
  request->anchor = neap_anchor(L, request->rt, index);
  request->pending = true;
  neap_list_append(&request->waiters, &task->wait.job.link);
  return neap_park(L, task, &request_wait, request, k, index);
}

void neap_uv_request_done(neap_uv_request *request) {
  if (request->rt->closed) { /* no drain any more; the task is just memory */
    end(request);
    request->kind->dispose(request);
  } else {
    neap_loop_append(request->rt, &request->job);
  }
}

void neap_uv_request_worked(uv_work_t *work, int status) {
  neap_uv_request *request = NEAP_CONTAINER_OF(work, neap_uv_request, uv.work);
  request->status = status;
  neap_uv_request_done(request);
}
