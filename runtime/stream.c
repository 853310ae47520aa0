/* SPDX-License-Identifier: MIT */
#include "runtime/stream.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/loop.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/track.h"
#include "runtime/wait.h"

const char neap_stream_type[] = "neap.Stream";

/* So many writes go out at once before a task lets others run. */
enum { WRITES_IN_A_STEP = 128 };

/* ---- what the transport says ---- */

static neap_stream *stream_of(neap_sink *sink) {
  return (neap_stream *)sink;
}

static bool has_reader(const neap_stream *stream) {
  return !neap_list_empty(&stream->readers);
}

/* Whether the reader can go on with what is there. */
static bool is_satisfied(neap_stream *stream) {
  size_t length = neap_buffer_length(&stream->in);
  if (stream->read_status != 0 || length >= stream->wanted) {
    return true;
  }
  return stream->pattern != NULL &&
         neap_buffer_find(&stream->in, stream->pattern, stream->pattern_length,
                          &stream->scanned) != (size_t)-1;
}

static void wake_reader(neap_stream *stream) {
  neap_link *first = stream->readers.next;
  if (has_reader(stream) && is_satisfied(stream)) {
    neap_wake(NEAP_CONTAINER_OF(first, neap_task, wait.job.link));
  }
}

static void stop_reading(neap_stream *stream) {
  if (stream->reading) {
    stream->reading = false;
    stream->transport->kind->stop_reading(stream->transport);
  }
}

/* The room that is always there for what comes in: a part of the capacity. */
enum { ROOM = 4 };

static char *room(neap_sink *sink, size_t *size) {
  neap_stream *stream = stream_of(sink);
  neap_buffer *in = &stream->in;
  if (in->data == NULL &&
      !neap_buffer_open(in, &stream->rt->chunks, stream->fast)) {
    return NULL;
  }
  char *at = neap_buffer_room(in, in->capacity / ROOM);
  *size = in->capacity - in->end;
  return at;
}

static bool put(neap_stream *stream, const char *bytes, size_t nbytes) {
  neap_buffer *in = &stream->in;
  if (in->data == NULL || bytes != in->data + in->end) {
    char *at = neap_buffer_room(in, nbytes);
    if (at == NULL) {
      return false;
    }
    memcpy(at, bytes, nbytes);
  }
  neap_buffer_add(in, nbytes);
  stream->fast = stream->fast || in->end >= NEAP_SMALL_CHUNK;
  return true;
}

static bool received(neap_sink *sink, const char *bytes, size_t nbytes) {
  neap_stream *stream = stream_of(sink);
  if (!put(stream, bytes, nbytes)) {
    return false;
  }
  wake_reader(stream);
  if (!has_reader(stream) &&
      neap_buffer_length(&stream->in) >= NEAP_STREAM_READ_AHEAD) {
    stop_reading(stream);
  }
  return true;
}

static void cancel_watcher(neap_runtime *rt, neap_job *job) {
  neap_stream *stream = NEAP_CONTAINER_OF(job, neap_stream, watch);
  neap_task *task = stream->watcher;
  stream->watcher = NULL;
  neap_task_cancel(rt->L, task, NEAP_BY_PEER);
}

static void tell_watcher(neap_stream *stream) {
  bool may_listen = stream->half_open && stream->read_status == UV_EOF;
  if (stream->watcher != NULL && !may_listen &&
      stream->watch.link.next == NULL && neap_buffer_length(&stream->in) == 0) {
    stream->watch.run = cancel_watcher;
    neap_loop_append(stream->rt, &stream->watch);
  }
}

static void ended(neap_sink *sink, int status) {
  neap_stream *stream = stream_of(sink);
  stream->read_status = status;
  stream->broken = status == UV_EOF ? stream->broken : status;
  stop_reading(stream);
  wake_reader(stream);
  tell_watcher(stream);
}

/* The first writer's operation has ended. */
static void written(neap_sink *sink, int status) {
  neap_stream *stream = stream_of(sink);
  stream->writing = false;
  stream->status = status;
  if (status != 0) {
    stream->write_status = stream->broken = status;
  }
  neap_link *first = stream->writers.next;
  if (first != &stream->writers) {
    neap_wake(NEAP_CONTAINER_OF(first, neap_task, wait.job.link));
  }
  neap_stream_next_writer(stream);
}

static const neap_sink_kind stream_sink = {
    .received = received,
    .ended = ended,
    .written = written,
    .shut_down = written,
    .connected = written,
};

/* ---- waiting ---- */

static void describe(lua_State *L, neap_wait *wait);

/* A write that is cancelled half way leaves the other side with a part of it:
 * nothing that follows would make sense. And its bytes are about to go. */
static void leave_write(neap_wait *wait) {
  neap_stream *stream = wait->target;
  if (stream->transport != NULL) {
    neap_stream_close(stream);
    stream->write_status = UV_ECANCELED;
  }
}

static void leave_read(neap_wait *wait) {
  ((neap_stream *)wait->target)->busy = false;
}

static void abandon_turn(neap_wait *wait) {
  neap_stream *stream = wait->target;
  stream->turn = false;
  neap_stream_next_writer(stream);
}

static const neap_wait_kind read_kind = {"read", NULL, leave_read, describe,
                                         leave_read};
static const neap_wait_kind write_kind = {"write", NULL, NULL, describe,
                                          leave_write};
static const neap_wait_kind connect_kind = {"connect", NULL, NULL, describe,
                                            leave_write};
static const neap_wait_kind turn_kind = {"write", NULL, abandon_turn, describe,
                                         NULL};
static const neap_wait_kind wrote_kind = {"write", NULL, NULL, NULL, NULL};

/* [-0, +1, m] "127.0.0.1:80", "stdin of process 12", "a pipe" */
static void push_subject(lua_State *L, const neap_stream *stream) {
  neap_transport *transport = stream->transport;
  int count = 0;
  if (stream->role != NULL && stream->pid != 0) {
    lua_pushfstring(L, "%s of process %d", stream->role, stream->pid);
    return;
  }
  if (stream->role != NULL) {
    lua_pushstring(L, stream->role);
    return;
  }
  if (transport != NULL) {
    count = transport->kind->push_name(transport, L, true);
  }
  if (count == 2) {
    lua_pushfstring(L, "%s:%d", lua_tostring(L, -2), (int)lua_tointeger(L, -1));
  } else if (count == 1 && lua_rawlen(L, -1) > 0) {
    lua_pushvalue(L, -1);
  } else {
    lua_pushfstring(L, "a %s",
                    transport == NULL ? "stream" : transport->kind->name);
  }
}

/* "read from 127.0.0.1:80" */
static void describe(lua_State *L, neap_wait *wait) {
  const neap_wait_kind *kind = wait->kind;
  int top = lua_gettop(L);
  push_subject(L, wait->target);
  lua_pushfstring(L, "%s %s %s", kind->name, kind == &read_kind ? "from" : "to",
                  lua_tostring(L, -1));
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
}

static int k_reader(lua_State *L, int status, lua_KContext ctx) {
  neap_stream *stream = lua_touserdata(L, 1);
  stream->busy = false;
  return stream->k_reader(L, status, ctx);
}

int neap_stream_park_reader(lua_State *L, neap_stream *stream, lua_KFunction k,
                            lua_KContext ctx) {
  neap_task *task = neap_check_wait(L, stream->rt);
  neap_list_append(&stream->readers, &task->wait.job.link);
  stream->busy = true;
  stream->k_reader = k;
  return neap_park(L, task, &read_kind, stream, k_reader, ctx);
}

static int k_wrote(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

int neap_stream_wrote(lua_State *L, neap_stream *stream) {
  neap_runtime *rt = stream->rt;
  if (rt->write_step != rt->counters.steps) {
    rt->write_step = rt->counters.steps;
    rt->writes_left = WRITES_IN_A_STEP;
  }
  if (--rt->writes_left > 0) {
    return 0;
  }
  return neap_yield(L, rt->current, &wrote_kind, k_wrote, 0);
}

static int park_first(lua_State *L, neap_stream *stream,
                      const neap_wait_kind *kind, lua_KFunction k) {
  neap_task *task = neap_check_wait(L, stream->rt);
  /* Before those that wait for their turn. */
  neap_list_append(stream->writers.next, &task->wait.job.link);
  return neap_park(L, task, kind, stream, k, 0);
}

int neap_stream_park_writer(lua_State *L, neap_stream *stream,
                            lua_KFunction k) {
  return park_first(L, stream, &write_kind, k);
}

int neap_stream_park_connecting(lua_State *L, neap_stream *stream,
                                lua_KFunction k) {
  return park_first(L, stream, &connect_kind, k);
}

int neap_stream_park_turn(lua_State *L, neap_stream *stream, lua_KFunction k) {
  neap_task *task = neap_check_wait(L, stream->rt);
  neap_list_append(&stream->writers, &task->wait.job.link);
  return neap_park(L, task, &turn_kind, stream, k, 0);
}

void neap_stream_next_writer(neap_stream *stream) {
  neap_link *first = stream->writers.next;
  if (!stream->writing && !stream->turn && first != &stream->writers) {
    stream->turn = true;
    neap_wake(NEAP_CONTAINER_OF(first, neap_task, wait.job.link));
  }
}

/* ---- opening, reading, closing ---- */

static bool holds_clock(neap_io *io) {
  neap_stream *stream = NEAP_CONTAINER_OF(io, neap_stream, io);
  return has_reader(stream) || !neap_list_empty(&stream->writers);
}

neap_stream *neap_stream_new(lua_State *L, neap_runtime *rt) {
  neap_stream *stream =
      neap_object_make(L, neap_stream_type, sizeof *stream, 0);
  memset(stream, 0, sizeof *stream);
  stream->sink.kind = &stream_sink;
  stream->sink.room = room;
  stream->rt = rt;
  stream->limit = NEAP_STREAM_LIMIT;
  stream->read_status = stream->write_status = UV_EBADF;
  neap_list_init(&stream->readers);
  neap_list_init(&stream->writers);
  lua_rawgetp(L, LUA_REGISTRYINDEX, neap_stream_type);
  lua_setmetatable(L, -2);
  if (rt->tracking) {
    neap_track(L, rt, rt->objects_ref);
  }
  return stream;
}

neap_stream *neap_stream_check(lua_State *L, int arg) {
  neap_stream *stream = neap_object_at(L, arg, neap_stream_type);
  if (stream == NULL) {
    luaL_typeerror(L, arg, neap_stream_type);
  }
  return stream;
}

void neap_stream_attach(neap_stream *stream, neap_transport *transport) {
  stream->transport = transport;
  transport->sink = &stream->sink;
  stream->read_status = stream->write_status = 0;
  uv_stream_t *handle = neap_uv_transport_stream(transport);
  if (handle != NULL) {
    neap_io_open(stream->rt, &stream->io, (uv_handle_t *)handle, holds_clock);
  }
}

neap_stream *neap_stream_open(lua_State *L, neap_runtime *rt,
                              neap_uv_type type) {
  int err = 0;
  neap_stream *stream = neap_stream_new(L, rt);
  neap_transport *transport = neap_uv_transport_new(rt, type, -1, &err);
  if (transport == NULL) {
    neap_raise_os_error(L, rt, err, "socket", NULL);
    return NULL;
  }
  neap_stream_attach(stream, transport);
  return stream;
}

void neap_stream_close(neap_stream *stream) {
  neap_transport *transport = stream->transport;
  if (transport == NULL) {
    return;
  }
  stream->transport = NULL;
  neap_io_close(&stream->io);
  neap_stream_unwatch(stream);
  transport->kind->close(transport);
  neap_buffer_close(&stream->in, &stream->rt->chunks);
  stream->reading = stream->writing = false;
  stream->read_status = stream->write_status = stream->status = UV_EBADF;
  neap_wake_all(&stream->readers);
  neap_wake_all(&stream->writers);
}

int neap_stream_start_reading(neap_stream *stream) {
  if (stream->reading || stream->read_status != 0) {
    return 0;
  }
  stream->reading = true;
  int err = stream->transport->kind->start_reading(stream->transport);
  if (err != 0) {
    stream->reading = false;
  }
  return err;
}

void neap_stream_take(neap_stream *stream, size_t nbytes) {
  stream->in.start += nbytes;
  if (neap_buffer_length(&stream->in) == 0) {
    neap_buffer_close(&stream->in, &stream->rt->chunks);
  }
  stream->scanned = 0;
  if (stream->watcher != NULL && stream->read_status != 0) {
    tell_watcher(stream);
  }
}

void neap_stream_watch(neap_stream *stream, neap_task *task, bool half_open) {
  stream->watcher = task;
  stream->half_open = half_open;
  if (stream->read_status != 0) {
    tell_watcher(stream);
  } else if (neap_buffer_length(&stream->in) < NEAP_STREAM_READ_AHEAD) {
    neap_stream_start_reading(stream); /* or nobody notices, as before */
  }
}

void neap_stream_unwatch(neap_stream *stream) {
  stream->watcher = NULL;
  neap_list_remove(&stream->watch.link);
}
