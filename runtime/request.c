/* SPDX-License-Identifier: MIT */
#include "runtime/request.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/anchor.h"
#include "runtime/loop.h"
#include "runtime/object.h"
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

/* Pending: the state closes, and the runtime's finalizer, the last of all, will
 * wait for libuv. */
static int request_gc(lua_State *L) {
  neap_uv_request *request = lua_touserdata(L, 1);
  if (!request->pending) {
    request->kind->dispose(request);
  } else {
    uv_cancel(&request->uv.any);
  }
  return 0;
}

neap_uv_request *neap_uv_request_new(lua_State *L, neap_runtime *rt,
                                     const neap_uv_request_kind *kind,
                                     size_t size, int nuvalue) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_anchors_reserve(L, rt, 1);
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
