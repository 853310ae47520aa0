/* SPDX-License-Identifier: MIT */
/* tls_transport.c - TLS over any other transport.
 *
 *   stream <--plain-- engine <--ciphertext-- inner transport
 *
 * It is the sink of the inner transport. What the engine wants to send waits in
 * `out` while the inner one is slow; then no more plain bytes are taken. */
#include <string.h>

#include "runtime/alloc.h"
#include "runtime/buffer.h"
#include "runtime/loop.h"
#include "runtime/openssl.h"
#include "runtime/stream.h"
#include "runtime/transport.h"

#ifdef NEAP_OPENSSL_FILE

/* Plain bytes that are encrypted at once at most: records that fit into a chunk
 * of memory. And how many fit into a small one. */
enum { SLICE = 3 * 16384, SMALL_SLICE = 2048 };

/* What is done once `out` has gone. */
typedef enum after_flush {
  NOTHING,
  SAY_CONNECTED,
  GO_ON_WRITING,
  SHUT_DOWN,
} after_flush;

/* Owner: the stream, until it is closed. */
typedef struct tls_transport {
  neap_transport base; /* first */
  neap_sink sink;      /* of the inner transport */
  neap_runtime *rt;
  neap_transport *inner;
  neap_tls_engine *engine;      /* owned */
  neap_buffer out;              /* ciphertext */
  uv_buf_t bufs[NEAP_MAX_BUFS]; /* the rest of the write under way */
  unsigned count, next;
  bool handshaking;
  bool reading;       /* the sink wants to receive */
  bool inner_reading; /* the inner transport delivers */
  bool flushing;      /* it has `out` */
  bool ended;         /* the sink knows that nothing more comes */
  int status;         /* of the handshake */
  after_flush after;
  neap_job job; /* delivers what is in the engine, from the loop */
} tls_transport;

static tls_transport *of(neap_transport *transport) {
  return (tls_transport *)transport;
}

static tls_transport *of_sink(neap_sink *sink) {
  return NEAP_CONTAINER_OF(sink, tls_transport, sink);
}

static void set_inner_reading(tls_transport *t, bool on) {
  if (t->inner_reading == on) {
    return;
  }
  t->inner_reading = on;
  if (on) {
    t->inner->kind->start_reading(t->inner);
  } else {
    t->inner->kind->stop_reading(t->inner);
  }
}

/* ---- sending ---- */

static void go_on(tls_transport *t, int status);
static void give_up_handshake(tls_transport *t, int status);

/* Memory for what the engine is about to send. If there is none now, it asks
 * for itself, and fails. */
static void make_room(tls_transport *t, bool large) {
  neap_buffer *output = neap_tls_output(t->engine);
  if (output->data == NULL) {
    neap_buffer_open(output, &t->rt->chunks, large);
  }
}

/* Moves what the engine has to send into `out`. */
static int collect(tls_transport *t) {
  neap_buffer *output = neap_tls_output(t->engine);
  size_t size = neap_buffer_length(output);
  if (size == 0) {
    return 0;
  }
  if (neap_buffer_length(&t->out) == 0) {
    neap_buffer_close(&t->out, &t->rt->chunks);
    t->out = *output;
    memset(output, 0, sizeof *output);
    return 0;
  }
  char *room = neap_buffer_room(&t->out, size);
  if (room == NULL) {
    return UV_ENOMEM;
  }
  memcpy(room, neap_buffer_bytes(output), size);
  neap_buffer_add(&t->out, size);
  neap_buffer_close(output, &t->rt->chunks);
  return 0;
}

/* Sends what there is. Unless t->flushing, then it has gone. */
static int flush(tls_transport *t) {
  if (t->flushing) {
    return 0; /* `out` may not move; the engine keeps the rest */
  }
  int err = collect(t);
  if (err != 0 || neap_buffer_length(&t->out) == 0) {
    return err;
  }
  uv_buf_t buf = uv_buf_init((char *)neap_buffer_bytes(&t->out),
                             (unsigned)neap_buffer_length(&t->out));
  ssize_t taken = t->inner->kind->try_write(t->inner, &buf, 1);
  if (taken < 0) {
    return (int)taken;
  }
  if ((size_t)taken == buf.len) {
    neap_buffer_close(&t->out, &t->rt->chunks);
    return 0;
  }
  neap_buffer_drop(&t->out, (size_t)taken);
  buf = uv_buf_init((char *)neap_buffer_bytes(&t->out),
                    (unsigned)neap_buffer_length(&t->out));
  err = t->inner->kind->write(t->inner, &buf, 1);
  t->flushing = err == 0;
  return err;
}

/* Does `after` as soon as all that is to be sent has gone. */
static void flush_then(tls_transport *t, after_flush after) {
  t->after = after;
  int err = flush(t);
  if (err != 0 || !t->flushing) {
    go_on(t, err);
  }
}

/* The inner write ended. `out` was its own meanwhile; what the engine has had
 * to say since then goes after it. */
static void written(neap_sink *sink, int status) {
  tls_transport *t = of_sink(sink);
  t->flushing = false;
  neap_buffer_close(&t->out, &t->rt->chunks);
  if (status == 0) {
    status = flush(t);
  }
  if (status != 0 && t->handshaking) {
    give_up_handshake(t, status);
  } else if (status != 0 || !t->flushing) {
    go_on(t, status);
  }
}

/* Encrypts a part of `buf` and sends it; how much, or an error. */
static ssize_t send_some(tls_transport *t, const uv_buf_t *buf) {
  size_t n = buf->len < SLICE ? buf->len : SLICE;
  make_room(t, n > SMALL_SLICE);
  if (neap_tls_write(t->engine, buf->base, n) != NEAP_TLS_OK) {
    return UV_EPROTO;
  }
  int err = flush(t);
  return err != 0 ? err : (ssize_t)n;
}

static ssize_t try_write(neap_transport *transport, const uv_buf_t *bufs,
                         unsigned count) {
  tls_transport *t = of(transport);
  ssize_t total = 0;
  for (unsigned i = 0; i < count; i++) {
    uv_buf_t buf = bufs[i];
    while (buf.len > 0) {
      if (t->flushing) {
        return total;
      }
      ssize_t n = send_some(t, &buf);
      if (n < 0) {
        return n;
      }
      total += n;
      buf.base += n;
      buf.len -= (size_t)n;
    }
  }
  return total;
}

static void go_on_writing(tls_transport *t, int status) {
  while (status == 0 && t->next < t->count) {
    uv_buf_t *buf = &t->bufs[t->next];
    if (t->flushing) {
      t->after = GO_ON_WRITING;
      return;
    }
    ssize_t n = send_some(t, buf);
    if (n < 0) {
      status = (int)n;
      break;
    }
    buf->base += n;
    buf->len -= (size_t)n;
    t->next += buf->len == 0 ? 1 : 0;
  }
  if (status == 0 && t->flushing) {
    t->after = GO_ON_WRITING;
    return;
  }
  t->count = t->next = 0;
  t->base.sink->kind->written(t->base.sink, status);
}

static int start_write(neap_transport *transport, const uv_buf_t *bufs,
                       unsigned count) {
  tls_transport *t = of(transport);
  memcpy(t->bufs, bufs, count * sizeof *bufs);
  t->count = count;
  t->next = 0;
  NEAP_CHECK(t->flushing); /* or try_write would have taken it */
  t->after = GO_ON_WRITING;
  return 0;
}

static void go_on(tls_transport *t, int status) {
  after_flush after = t->after;
  t->after = NOTHING;
  neap_sink *sink = t->base.sink;
  switch (after) {
  case SAY_CONNECTED:
    sink->kind->connected(sink, t->status != 0 ? t->status : status);
    break;
  case GO_ON_WRITING:
    go_on_writing(t, status);
    break;
  case SHUT_DOWN:
    if (status == 0) {
      status = t->inner->kind->shutdown(t->inner);
    }
    if (status != 0) {
      sink->kind->shut_down(sink, status);
    }
    break;
  default:
    break;
  }
}

/* A peer that has gone need not be told, as TCP has it. */
static int start_shutdown(neap_transport *transport) {
  tls_transport *t = of(transport);
  neap_tls_shutdown(t->engine);
  int err = flush(t);
  if (err != 0) {
    return err == UV_EPIPE || err == UV_ECONNRESET ? UV_ENOTCONN : err;
  }
  if (t->flushing) {
    t->after = SHUT_DOWN;
    return 0;
  }
  return t->inner->kind->shutdown(t->inner);
}

static void shut_down(neap_sink *sink, int status) {
  tls_transport *t = of_sink(sink);
  t->base.sink->kind->shut_down(t->base.sink, status);
}

/* ---- receiving ---- */

static void end(tls_transport *t, int status) {
  if (!t->ended) {
    t->ended = true;
    set_inner_reading(t, false);
    t->base.sink->kind->ended(t->base.sink, status);
  }
}

/* The peer cannot be told, so it may wait for ever. */
static void give_up_handshake(tls_transport *t, int status) {
  t->handshaking = false;
  t->status = status;
  t->after = SAY_CONNECTED;
  go_on(t, status);
}

static void shake_hands(tls_transport *t) {
  make_room(t, false);
  neap_tls_status status = neap_tls_handshake(t->engine);
  if (status == NEAP_TLS_WANTS_INPUT) {
    int err = flush(t);
    if (err != 0) {
      give_up_handshake(t, err);
    }
    return;
  }
  t->handshaking = false;
  t->status = status == NEAP_TLS_OK ? 0 : UV_EPROTO;
  flush_then(t, SAY_CONNECTED);
  if (!t->reading) {
    set_inner_reading(t, false);
  }
}

/* Where the sink wants what comes next. */
static char *room(tls_transport *t, size_t *size) {
  neap_sink *sink = t->base.sink;
  *size = NEAP_SCRATCH_SIZE;
  return sink->room != NULL ? sink->room(sink, size) : t->rt->scratch;
}

/* Hands on what the engine has decrypted, while the sink wants it. */
static void deliver(tls_transport *t) {
  while (t->reading && !t->ended) {
    size_t size = 0;
    size_t got = 0;
    char *at = room(t, &size);
    if (at == NULL) {
      end(t, UV_ENOMEM);
      break;
    }
    neap_tls_status status = neap_tls_read(t->engine, at, size, &got);
    if (got > 0) {
      if (!t->base.sink->kind->received(t->base.sink, at, got)) {
        end(t, UV_ENOMEM);
      }
    } else if (status == NEAP_TLS_WANTS_INPUT) {
      break;
    } else {
      end(t, status == NEAP_TLS_CLOSED ? UV_EOF : UV_EPROTO);
    }
  }
  flush(t); /* an answer of the protocol's own, such as a new key */
}

static bool received(neap_sink *sink, const char *bytes, size_t nbytes) {
  tls_transport *t = of_sink(sink);
  neap_tls_put_input(t->engine, bytes, nbytes);
  if (t->handshaking) {
    shake_hands(t);
  }
  if (!t->handshaking) {
    deliver(t);
  }
  return neap_tls_keep_input(t->engine);
}

/* An end without the peer's word for it may be somebody else's doing. */
static void inner_ended(neap_sink *sink, int status) {
  tls_transport *t = of_sink(sink);
  t->inner_reading = false;
  if (status == UV_EOF) {
    status = UV_ECONNABORTED;
  }
  if (t->handshaking) {
    t->handshaking = false;
    t->status = status;
    flush_then(t, SAY_CONNECTED);
  }
  end(t, status);
}

static void connected(neap_sink *sink, int status) {
  (void)sink;
  (void)status; /* it was, before TLS began */
}

static void deliver_later(neap_runtime *rt, neap_job *job) {
  (void)rt;
  tls_transport *t = NEAP_CONTAINER_OF(job, tls_transport, job);
  if (!t->handshaking) {
    deliver(t);
  }
}

static int start_reading(neap_transport *transport) {
  tls_transport *t = of(transport);
  t->reading = true;
  set_inner_reading(t, true);
  if (t->job.link.next == NULL) { /* what has come in before */
    neap_loop_append(t->rt, &t->job);
  }
  return 0;
}

static void stop_reading(neap_transport *transport) {
  tls_transport *t = of(transport);
  t->reading = false;
  if (!t->handshaking) {
    set_inner_reading(t, false);
  }
}

/* ---- the rest ---- */

static void close_transport(neap_transport *transport) {
  tls_transport *t = of(transport);
  if (!t->handshaking && !t->flushing) {
    neap_tls_shutdown(t->engine);
    collect(t);
    uv_buf_t buf = uv_buf_init((char *)neap_buffer_bytes(&t->out),
                               (unsigned)neap_buffer_length(&t->out));
    if (buf.len > 0) {
      t->inner->kind->try_write(t->inner, &buf, 1);
    }
  }
  neap_list_remove(&t->job.link);
  t->inner->kind->close(t->inner); /* lets go of `out`, too */
  neap_buffer_close(neap_tls_output(t->engine), &t->rt->chunks);
  neap_buffer_close(&t->out, &t->rt->chunks);
  neap_tls_engine_free(t->engine);
  neap_realloc(t, sizeof *t, 0);
}

static int push_name(neap_transport *transport, lua_State *L, bool of_peer) {
  neap_transport *inner = of(transport)->inner;
  return inner->kind->push_name(inner, L, of_peer);
}

static int set_nodelay(neap_transport *transport, bool on) {
  neap_transport *inner = of(transport)->inner;
  return inner->kind->set_nodelay(inner, on);
}

static const neap_transport_kind tls_kind = {
    .name = "TLS connection",
    .start_reading = start_reading,
    .stop_reading = stop_reading,
    .try_write = try_write,
    .write = start_write,
    .shutdown = start_shutdown,
    .close = close_transport,
    .push_name = push_name,
    .set_nodelay = set_nodelay,
};

static const neap_sink_kind sink_of_inner = {
    .received = received,
    .ended = inner_ended,
    .written = written,
    .shut_down = shut_down,
    .connected = connected,
};

neap_tls_engine *neap_tls_transport_engine(neap_transport *transport) {
  return transport != NULL && transport->kind == &tls_kind
             ? of(transport)->engine
             : NULL;
}

int neap_stream_start_tls(neap_stream *stream, neap_tls_engine *engine) {
  tls_transport *t = neap_scratch(stream->rt) == NULL
                         ? NULL
                         : neap_realloc(NULL, 0, sizeof *t);
  size_t ahead = neap_buffer_length(&stream->in);
  neap_tls_put_input(engine, neap_buffer_bytes(&stream->in), ahead);
  if (t == NULL || !neap_tls_keep_input(engine)) {
    neap_realloc(t, sizeof *t, 0);
    neap_tls_engine_free(engine);
    return UV_ENOMEM;
  }
  memset(t, 0, sizeof *t);
  t->base.kind = &tls_kind;
  t->base.sink = &stream->sink;
  t->sink.kind = &sink_of_inner;
  t->rt = stream->rt;
  t->inner = stream->transport;
  t->inner->sink = &t->sink;
  t->engine = engine;
  t->job.run = deliver_later;
  t->handshaking = true;
  t->inner_reading = stream->reading;
  neap_buffer_drop(&stream->in, ahead);
  stream->reading = false;
  stream->transport = &t->base;
  int before = stream->read_status; /* an end that has come already */
  stream->read_status = 0;
  stream->writing = true;
  set_inner_reading(t, before == 0);
  shake_hands(t);
  if (before != 0) {
    inner_ended(&t->sink, before);
  }
  return 0;
}

#endif
