/* SPDX-License-Identifier: MIT */
/* memory_transport.c - two ends in one process: for tests, and as a pipe.
 *
 * What one end writes is handed to the other if that one reads, and waits in a
 * buffer otherwise; a writer waits while that is full. Nothing of the world
 * outside is involved, so the order of events is exact. */
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/buffer.h"
#include "runtime/loop.h"
#include "runtime/transport.h"

typedef struct memory_end memory_end;

/* Owner: its stream, until it is closed. */
struct memory_end {
  neap_transport base; /* first */
  neap_runtime *rt;
  memory_end *peer; /* NULL once that is closed */
  neap_buffer in;   /* what the peer wrote and the sink has not got */
  size_t limit;
  bool reading;
  bool at_end;                  /* the peer writes no more */
  bool said_end;                /* and the sink knows */
  uv_buf_t bufs[NEAP_MAX_BUFS]; /* the rest of the write under way */
  unsigned count, next;
  bool shutting_down;
  neap_job job; /* tells the sinks, from the loop: never inside a call */
};

static memory_end *of(neap_transport *transport) {
  return (memory_end *)transport;
}

static void later(memory_end *end) {
  if (end->job.link.next == NULL) {
    neap_loop_append(end->rt, &end->job);
  }
}

/* ---- from one end to the other ---- */

/* Gives the sink what has come in. */
static void deliver(memory_end *end) {
  neap_sink *sink = end->base.sink;
  if (!end->reading) {
    return;
  }
  size_t length = neap_buffer_length(&end->in);
  if (length > 0) {
    if (!sink->kind->received(sink, neap_buffer_bytes(&end->in), length)) {
      end->said_end = true;
      sink->kind->ended(sink, UV_ENOMEM);
      return;
    }
    neap_buffer_drop(&end->in, length);
  }
  if (end->at_end && !end->said_end) {
    end->said_end = true;
    sink->kind->ended(sink, UV_EOF);
  }
}

/* How much of `bufs` the peer has room for now; an error. */
static ssize_t put(memory_end *end, const uv_buf_t *bufs, unsigned count) {
  memory_end *peer = end->peer;
  if (peer == NULL) {
    return UV_EPIPE;
  }
  ssize_t total = 0;
  for (unsigned i = 0; i < count; i++) {
    size_t left = peer->limit - neap_buffer_length(&peer->in);
    size_t n = bufs[i].len < left ? bufs[i].len : left;
    char *room = neap_buffer_room(&peer->in, n);
    if (room == NULL) {
      return total > 0 ? total : UV_ENOMEM;
    }
    if (n > 0) {
      memcpy(room, bufs[i].base, n);
    }
    neap_buffer_add(&peer->in, n);
    total += (ssize_t)n;
    if (n < bufs[i].len) {
      break;
    }
  }
  if (total > 0) {
    later(peer);
  }
  return total;
}

/* Goes on with the write under way. */
static void go_on_writing(memory_end *end) {
  int status = 0;
  while (end->next < end->count) {
    uv_buf_t *buf = &end->bufs[end->next];
    ssize_t n = put(end, buf, 1);
    if (n < 0) {
      status = (int)n;
      break;
    }
    buf->base += n;
    buf->len -= (size_t)n;
    if (buf->len > 0) {
      return; /* full: the peer says when there is room */
    }
    end->next++;
  }
  end->count = end->next = 0;
  end->base.sink->kind->written(end->base.sink, status);
}

static void run(neap_runtime *rt, neap_job *job) {
  (void)rt;
  memory_end *end = NEAP_CONTAINER_OF(job, memory_end, job);
  if (end->count > 0) {
    go_on_writing(end);
  }
  if (end->shutting_down) {
    end->shutting_down = false;
    end->base.sink->kind->shut_down(end->base.sink, 0);
  }
  size_t before = neap_buffer_length(&end->in);
  deliver(end);
  if (end->peer != NULL && end->peer->count > 0 &&
      neap_buffer_length(&end->in) < before) {
    later(end->peer);
  }
}

/* ---- the transport ---- */

static int start_reading(neap_transport *transport) {
  memory_end *end = of(transport);
  end->reading = true;
  if (neap_buffer_length(&end->in) > 0 || (end->at_end && !end->said_end)) {
    later(end);
  }
  return 0;
}

static void stop_reading(neap_transport *transport) {
  of(transport)->reading = false;
}

static ssize_t try_write(neap_transport *transport, const uv_buf_t *bufs,
                         unsigned count) {
  return put(of(transport), bufs, count);
}

static int start_write(neap_transport *transport, const uv_buf_t *bufs,
                       unsigned count) {
  memory_end *end = of(transport);
  memcpy(end->bufs, bufs, count * sizeof *bufs);
  end->count = count;
  end->next = 0;
  later(end);
  return 0;
}

static void end_peer(memory_end *end) {
  if (end->peer != NULL && !end->peer->at_end) {
    end->peer->at_end = true;
    later(end->peer);
  }
}

static int start_shutdown(neap_transport *transport) {
  memory_end *end = of(transport);
  end_peer(end);
  end->shutting_down = true;
  later(end);
  return 0;
}

static void close_transport(neap_transport *transport) {
  memory_end *end = of(transport);
  end_peer(end);
  if (end->peer != NULL) {
    end->peer->peer = NULL;
    if (end->peer->count > 0) {
      later(end->peer); /* its write fails */
    }
  }
  neap_list_remove(&end->job.link);
  neap_buffer_free(&end->in);
  neap_realloc(end, sizeof *end, 0);
}

static int push_name(neap_transport *transport, lua_State *L, bool of_peer) {
  (void)transport;
  (void)of_peer;
  lua_pushliteral(L, "memory");
  return 1;
}

static int set_nodelay(neap_transport *transport, bool on) {
  (void)transport;
  (void)on;
  return 0;
}

static const neap_transport_kind memory_kind = {
    .name = "memory stream",
    .start_reading = start_reading,
    .stop_reading = stop_reading,
    .try_write = try_write,
    .write = start_write,
    .shutdown = start_shutdown,
    .close = close_transport,
    .push_name = push_name,
    .set_nodelay = set_nodelay,
};

static memory_end *new_end(neap_runtime *rt, size_t limit) {
  memory_end *end = neap_realloc(NULL, 0, sizeof *end);
  if (end != NULL) {
    memset(end, 0, sizeof *end);
    end->base.kind = &memory_kind;
    end->rt = rt;
    end->limit = limit;
    end->job.run = run;
  }
  return end;
}

bool neap_memory_transport_pair(neap_runtime *rt, size_t limit,
                                neap_transport *ends[2]) {
  memory_end *a = new_end(rt, limit);
  memory_end *b = new_end(rt, limit);
  if (a == NULL || b == NULL) {
    neap_realloc(a, sizeof *a, 0);
    neap_realloc(b, sizeof *b, 0);
    return false;
  }
  a->peer = b;
  b->peer = a;
  ends[0] = &a->base;
  ends[1] = &b->base;
  return true;
}
