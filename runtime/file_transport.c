/* SPDX-License-Identifier: MIT */
/* file_transport.c - a file that a standard descriptor leads to, as a stream.
 *
 * epoll knows nothing of files. So reading is one request after the other on
 * libuv's pool of threads, at the file's own position. Writing is done in place:
 * it goes to the system's memory, and what print writes stays in order with it. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "runtime/alloc.h"
#include "runtime/job.h"
#include "runtime/loop.h"
#include "runtime/transport.h"

enum { CHUNK = 65536 };

/* Owner: the stream, until it is closed; then the read under way, if any. */
typedef struct file_transport {
  neap_transport base; /* first */
  neap_runtime *rt;
  int fd;
  bool reading;   /* the sink wants more */
  bool in_flight; /* the system has the buffer */
  int status;     /* of what is told later */
  bool shutting_down;
  neap_job job; /* tells the sink, from the loop */
  uv_fs_t request;
  char chunk[CHUNK];
} file_transport;

static file_transport *of(neap_transport *transport) {
  return (file_transport *)transport;
}

/* ---- reading ---- */

static int read_next(file_transport *t);

static void on_read(uv_fs_t *request) {
  file_transport *t = NEAP_CONTAINER_OF(request, file_transport, request);
  neap_sink *sink = t->base.sink;
  ssize_t nread = request->result;
  uv_fs_req_cleanup(request);
  t->in_flight = false;
  if (sink == NULL) {
    neap_realloc(t, sizeof *t, 0);
    return;
  }
  int err = nread > 0 ? 0 : nread == 0 ? UV_EOF : (int)nread;
  if (err == 0 && !sink->kind->received(sink, t->chunk, (size_t)nread)) {
    err = UV_ENOMEM;
  }
  if (err == 0 && t->reading) {
    err = read_next(t);
  }
  if (err != 0) {
    t->reading = false;
    sink->kind->ended(sink, err);
  }
}

static int read_next(file_transport *t) {
  uv_buf_t buf = uv_buf_init(t->chunk, CHUNK);
  int err = uv_fs_read(&t->rt->uv, &t->request, t->fd, &buf, 1, -1, on_read);
  t->in_flight = err == 0;
  return err;
}

static int start_reading(neap_transport *transport) {
  file_transport *t = of(transport);
  t->reading = true;
  return t->in_flight ? 0 : read_next(t);
}

static void stop_reading(neap_transport *transport) {
  of(transport)->reading = false;
}

/* ---- writing ---- */

static ssize_t write_one(int fd, const char *bytes, size_t nbytes) {
  ssize_t n;
  do {
    n = write(fd, bytes, nbytes < INT_MAX ? nbytes : INT_MAX);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
}

/* As much as the system takes; an error only if that is nothing. */
static ssize_t try_write(neap_transport *transport, const uv_buf_t *bufs,
                         unsigned count) {
  ssize_t total = 0;
  for (unsigned i = 0; i < count; i++) {
    size_t done = 0;
    while (done < bufs[i].len) {
      ssize_t n =
          write_one(of(transport)->fd, bufs[i].base + done, bufs[i].len - done);
      if (n < 0) {
        return total > 0 ? total : n;
      }
      done += (size_t)n;
      total += n;
    }
  }
  return total;
}

static void run(neap_runtime *rt, neap_job *job) {
  (void)rt;
  file_transport *t = NEAP_CONTAINER_OF(job, file_transport, job);
  neap_sink *sink = t->base.sink;
  if (t->shutting_down) {
    t->shutting_down = false;
    sink->kind->shut_down(sink, 0);
  } else {
    sink->kind->written(sink, t->status);
  }
}

/* The rest of a write that stopped half way: what the system says to that. */
static int start_write(neap_transport *transport, const uv_buf_t *bufs,
                       unsigned count) {
  file_transport *t = of(transport);
  size_t size = 0;
  for (unsigned i = 0; i < count; i++) {
    size += bufs[i].len;
  }
  ssize_t n = try_write(transport, bufs, count);
  t->status = n < 0 ? (int)n : (size_t)n < size ? UV_EIO : 0;
  neap_loop_append(t->rt, &t->job);
  return 0;
}

static int start_shutdown(neap_transport *transport) {
  file_transport *t = of(transport);
  t->shutting_down = true;
  neap_loop_append(t->rt, &t->job);
  return 0;
}

/* ---- the rest ---- */

/* The descriptor is the process's, and stays open. */
static void close_transport(neap_transport *transport) {
  file_transport *t = of(transport);
  t->base.sink = NULL;
  neap_list_remove(&t->job.link);
  if (t->in_flight) {
    uv_cancel((uv_req_t *)&t->request);
  } else {
    neap_realloc(t, sizeof *t, 0);
  }
}

static int push_name(neap_transport *transport, lua_State *L, bool of_peer) {
  (void)transport;
  (void)L;
  (void)of_peer;
  return UV_ENOTSOCK;
}

static int set_nodelay(neap_transport *transport, bool on) {
  (void)transport;
  (void)on;
  return 0;
}

static const neap_transport_kind file_kind = {
    .name = "file",
    .start_reading = start_reading,
    .stop_reading = stop_reading,
    .try_write = try_write,
    .write = start_write,
    .shutdown = start_shutdown,
    .close = close_transport,
    .push_name = push_name,
    .set_nodelay = set_nodelay,
};

neap_transport *neap_file_transport_new(neap_runtime *rt, int fd) {
  file_transport *t = neap_realloc(NULL, 0, sizeof *t);
  if (t != NULL) {
    memset(t, 0, offsetof(file_transport, chunk));
    t->base.kind = &file_kind;
    t->rt = rt;
    t->fd = fd;
    t->job.run = run;
  }
  return t == NULL ? NULL : &t->base;
}
