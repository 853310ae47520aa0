/* SPDX-License-Identifier: MIT */
/* uv_transport.c - sockets, pipes and terminals of libuv's. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/alloc.h"
#include "runtime/transport.h"

/* Owner: the stream, until it is closed; then libuv, until the handle is. */
typedef struct uv_transport {
  neap_transport base; /* first */
  neap_runtime *rt;

  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
    uv_tty_t tty;
  } uv;

  union { /* one of them at a time */
    uv_write_t write;
    uv_shutdown_t shutdown;
    uv_connect_t connect;
  } request;

  struct sockaddr_in6 peer; /* of any family; AF_UNSPEC: not known */
} uv_transport;

static uv_transport *of(neap_transport *transport) {
  return (uv_transport *)transport;
}

static void on_closed(uv_handle_t *handle) {
  uv_transport *t = handle->data;
  neap_realloc(t, sizeof *t, 0);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  uv_transport *t = handle->data;
  neap_sink *sink = t->base.sink;
  (void)suggested;
  buf->base = t->rt->scratch;
  buf->len = NEAP_SCRATCH_SIZE;
  if (sink != NULL && sink->room != NULL) {
    buf->base = sink->room(sink, &buf->len);
  }
  if (buf->base == NULL) {
    buf->len = 0; /* libuv says ENOBUFS */
  }
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf) {
  uv_transport *t = stream->data;
  neap_sink *sink = t->base.sink;
  if (nread == 0 || sink == NULL) {
    return; /* nothing to be had after all */
  }
  if (nread == UV_ENOBUFS) {
    nread = UV_ENOMEM;
  }
  if (nread > 0 && sink->kind->received(sink, buf->base, (size_t)nread)) {
    return;
  }
  uv_read_stop(stream);
  sink->kind->ended(sink, nread > 0 ? UV_ENOMEM : (int)nread);
}

static int start_reading(neap_transport *transport) {
  int err = uv_read_start(&of(transport)->uv.stream, on_alloc, on_read);
  return err == UV_EALREADY ? 0 : err;
}

static void stop_reading(neap_transport *transport) {
  uv_read_stop(&of(transport)->uv.stream);
}

/* ---- writing ---- */

static ssize_t try_write(neap_transport *transport, const uv_buf_t *bufs,
                         unsigned count) {
  int written = uv_try_write(&of(transport)->uv.stream, bufs, count);
  return written == UV_EAGAIN ? 0 : written;
}

static void on_written(uv_write_t *request, int status) {
  uv_transport *t = request->handle->data;
  if (t->base.sink != NULL) {
    t->base.sink->kind->written(t->base.sink, status);
  }
}

static int start_write(neap_transport *transport, const uv_buf_t *bufs,
                       unsigned count) {
  uv_transport *t = of(transport);
  return uv_write(&t->request.write, &t->uv.stream, bufs, count, on_written);
}

/* A pipe or a terminal has no way to say it. */
static void on_shut_down(uv_shutdown_t *request, int status) {
  uv_transport *t = request->handle->data;
  if (status == UV_ENOTSOCK) {
    status = 0;
  }
  if (t->base.sink != NULL) {
    t->base.sink->kind->shut_down(t->base.sink, status);
  }
}

static int start_shutdown(neap_transport *transport) {
  uv_transport *t = of(transport);
  return uv_shutdown(&t->request.shutdown, &t->uv.stream, on_shut_down);
}

/* ---- the rest ---- */

static void close_transport(neap_transport *transport) {
  transport->sink = NULL;
  uv_close(&of(transport)->uv.handle, on_closed);
}

int neap_push_address(lua_State *L, const struct sockaddr *address) {
  char name[INET6_ADDRSTRLEN];
  int port = 0;
  int err = 0;
  if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    err = uv_ip6_name(in6, name, sizeof name);
    port = ntohs(in6->sin6_port);
  } else {
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
    err = uv_ip4_name(in4, name, sizeof name);
    port = ntohs(in4->sin_port);
  }
  if (err != 0) {
    return err;
  }
  lua_pushstring(L, name);
  lua_pushinteger(L, port);
  return 2;
}

static int push_tcp_name(uv_transport *t, lua_State *L, bool of_peer) {
  struct sockaddr_storage address;
  int length = sizeof address;
  struct sockaddr *sa = (struct sockaddr *)&address;
  if (of_peer && t->peer.sin6_family != AF_UNSPEC) {
    return neap_push_address(L, (const struct sockaddr *)&t->peer);
  }
  int err = of_peer ? uv_tcp_getpeername(&t->uv.tcp, sa, &length)
                    : uv_tcp_getsockname(&t->uv.tcp, sa, &length);
  return err != 0 ? err : neap_push_address(L, sa);
}

static int push_pipe_name(uv_pipe_t *pipe, lua_State *L, bool of_peer) {
  enum { PREFIX = offsetof(struct sockaddr_un, sun_path) };

  /* libuv 1.44 looks for the end of a name where the kernel wrote none. */
  struct sockaddr_un address = {0};
  socklen_t size = sizeof address;
  uv_os_fd_t fd;
  int err = uv_fileno((const uv_handle_t *)pipe, &fd);
  if (err != 0) {
    return err;
  }
  if ((of_peer ? getpeername : getsockname)(fd, (struct sockaddr *)&address,
                                            &size) != 0) {
    return uv_translate_sys_error(errno);
  }
  size_t length = size > PREFIX ? size - PREFIX : 0;
  if (address.sun_path[0] != '\0') {
    length = strnlen(address.sun_path, length);
  }
  lua_pushlstring(L, address.sun_path, length);
  return 1;
}

static int push_name(neap_transport *transport, lua_State *L, bool of_peer) {
  uv_transport *t = of(transport);
  switch (t->uv.handle.type) {
  case UV_TCP:
    return push_tcp_name(t, L, of_peer);
  case UV_NAMED_PIPE:
    return push_pipe_name(&t->uv.pipe, L, of_peer);
  default:
    return UV_ENOTSUP;
  }
}

static int set_nodelay(neap_transport *transport, bool on) {
  uv_transport *t = of(transport);
  return t->uv.handle.type == UV_TCP ? uv_tcp_nodelay(&t->uv.tcp, on) : 0;
}

#define KIND(text)                                                             \
  {                                                                            \
    .name = (text), .start_reading = start_reading,                            \
    .stop_reading = stop_reading, .try_write = try_write,                      \
    .write = start_write, .shutdown = start_shutdown,                          \
    .close = close_transport, .push_name = push_name,                          \
    .set_nodelay = set_nodelay                                                 \
  }

static const neap_transport_kind kinds[] = {
    /* ORDER neap_uv_type */
    KIND("tcp socket"), KIND("pipe"), KIND("terminal")};

static int init(uv_transport *t, neap_uv_type type, int fd) {
  switch (type) {
  case NEAP_TCP:
    return uv_tcp_init(&t->rt->uv, &t->uv.tcp);
  case NEAP_PIPE:
    return uv_pipe_init(&t->rt->uv, &t->uv.pipe, 0);
  default:
    return uv_tty_init(&t->rt->uv, &t->uv.tty, fd, 0);
  }
}

/* Writing to what nobody reads any more is an error, not the end of the process.
 * Children get the default back (uv_spawn). */
static void ignore_sigpipe(void) {
  struct sigaction action;
  if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
  }
}

char *neap_scratch(neap_runtime *rt) {
  if (rt->scratch == NULL) {
    ignore_sigpipe();
    rt->scratch = neap_realloc(NULL, 0, NEAP_SCRATCH_SIZE);
  }
  return rt->scratch;
}

neap_transport *neap_uv_transport_new(neap_runtime *rt, neap_uv_type type,
                                      int fd, int *err) {
  *err = UV_ENOMEM;
  uv_transport *t =
      neap_scratch(rt) == NULL ? NULL : neap_realloc(NULL, 0, sizeof *t);
  if (t == NULL) {
    return NULL;
  }
  memset(t, 0, sizeof *t);
  t->base.kind = &kinds[type];
  t->rt = rt;
  *err = init(t, type, fd);
  if (*err != 0) {
    neap_realloc(t, sizeof *t, 0);
    return NULL;
  }
  t->uv.handle.data = t;
  return &t->base;
}

void neap_scratch_free(neap_runtime *rt) {
  neap_realloc(rt->scratch, NEAP_SCRATCH_SIZE, 0);
  rt->scratch = NULL;
}

uv_stream_t *neap_uv_transport_stream(neap_transport *transport) {
  return transport->kind >= kinds && transport->kind <= &kinds[NEAP_TTY]
             ? &of(transport)->uv.stream
             : NULL;
}

/* The system forgets who it was when both sides have closed. */
void neap_uv_transport_connected(neap_transport *transport) {
  uv_transport *t = of(transport);
  struct sockaddr_in6 peer;
  int length = sizeof peer;
  if (t->uv.handle.type == UV_TCP &&
      uv_tcp_getpeername(&t->uv.tcp, (struct sockaddr *)&peer, &length) == 0) {
    t->peer = peer;
  }
}

int neap_reuse_port(const uv_handle_t *handle) {
#ifdef SO_REUSEPORT
  uv_os_fd_t fd = -1;
  int on = 1;
  int err = uv_fileno(handle, &fd);
  if (err == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) {
    err = uv_translate_sys_error(errno);
  }
  return err;
#else
  (void)handle;
  return UV_ENOTSUP;
#endif
}

static void on_connected(uv_connect_t *request, int status) {
  uv_transport *t = request->handle->data;
  if (status == 0) {
    neap_uv_transport_connected(&t->base);
  }
  if (t->base.sink != NULL) {
    t->base.sink->kind->connected(t->base.sink, status);
  }
}

int neap_uv_transport_connect(neap_transport *transport,
                              const struct sockaddr *address) {
  uv_transport *t = of(transport);
  bool is_inet6 = address->sa_family == AF_INET6;
  memcpy(&t->peer, address,
         is_inet6 ? sizeof t->peer : sizeof(struct sockaddr_in));
  return uv_tcp_connect(&t->request.connect, &t->uv.tcp, address, on_connected);
}

int neap_uv_transport_connect_pipe(neap_transport *transport,
                                   const char *path) {
  uv_transport *t = of(transport);
  uv_pipe_connect(&t->request.connect, &t->uv.pipe, path, on_connected);
  return 0;
}
