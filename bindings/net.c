/* SPDX-License-Identifier: MIT */
/* net.c - sockets and pipes: what neap/net.lua is made of. */
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/alloc.h"
#include "runtime/io.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/stream.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.net.Listener";

/* is_address(host) -> boolean */
static int l_is_address(lua_State *L) {
  struct sockaddr_storage address;
  size_t length;
  const char *host = luaL_checklstring(L, 1, &length);
  lua_pushboolean(L, neap_parse_address(host, length, 0, &address));
  return 1;
}

/* ---- connecting ---- */

/* [-0, +1, m] A stream with a new transport. Raises OSError. */
static neap_stream *push_stream(lua_State *L, neap_runtime *rt,
                                neap_uv_type type) {
  int err = 0;
  neap_stream *stream = neap_stream_new(L, rt);
  neap_transport *transport = neap_uv_transport_new(rt, type, -1, &err);
  if (transport == NULL) {
    neap_raise_os_error(L, rt, err, "socket", NULL);
  }
  neap_stream_attach(stream, transport);
  return stream;
}

/* From the start, small writes are sent at once. */
static void disable_delay(neap_stream *stream) {
  stream->transport->kind->set_nodelay(stream->transport, true);
}

/* The stack: what was called with, the text for an error, the stream. */
static int k_connected(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *stream = lua_touserdata(L, -1);
  if (stream->status != 0) {
    int err = stream->status;
    neap_stream_close(stream);
    return neap_raise_os_error(L, stream->rt, err, "connect",
                               lua_tostring(L, -2));
  }
  disable_delay(stream);
  return 1;
}

static int wait_connected(lua_State *L, neap_stream *stream, int err) {
  if (err != 0) {
    stream->status = err;
    return k_connected(L, LUA_OK, 0);
  }
  stream->writing = true;
  return neap_stream_park_connecting(L, stream, k_connected);
}

/* connect_tcp(address, port) -> Stream */
static int l_connect_tcp(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  struct sockaddr_storage storage;
  const struct sockaddr *address = neap_check_address(L, 1, &storage);
  neap_check_wait(L, rt);
  lua_pushfstring(L, "%s:%d", lua_tostring(L, 1), (int)lua_tointeger(L, 2));
  neap_stream *stream = push_stream(L, rt, NEAP_TCP);
  int err = neap_uv_transport_connect(stream->transport, address);
  return wait_connected(L, stream, err);
}

/* A path that the system can take. */
static const char *check_path(lua_State *L, int arg) {
  size_t length = 0;
  const char *path = luaL_checklstring(L, arg, &length);
  struct sockaddr_un un;
  luaL_argcheck(L, length > 0, arg, "the path is empty");
  luaL_argcheck(L, length < sizeof un.sun_path, arg, "the path is too long");
  luaL_argcheck(L, strlen(path) == length, arg, "the path contains a zero");
  return path;
}

/* connect_unix(path) -> Stream */
static int l_connect_unix(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  const char *path = check_path(L, 1);
  neap_check_wait(L, rt);
  lua_pushvalue(L, 1);
  neap_stream *stream = push_stream(L, rt, NEAP_PIPE);
  int err = neap_uv_transport_connect_pipe(stream->transport, path);
  return wait_connected(L, stream, err);
}

/* set_limit(stream, limit): of its lines, unless a read is told another */
static int l_set_limit(lua_State *L) {
  neap_stream *stream = neap_stream_check(L, 1);
  stream->limit = (size_t)luaL_checkinteger(L, 2);
  return 0;
}

/* is_broken(stream, code) -> whether that error has ended it: its peer has gone */
static int l_is_broken(lua_State *L) {
  neap_stream *stream = neap_stream_check(L, 1);
  const char *code = luaL_checkstring(L, 2);
  char name[32];
  uv_err_name_r(stream->broken, name, sizeof name);
  bool is_ours = stream->broken == 0 || stream->broken == UV_ENOMEM;
  lua_pushboolean(L, !is_ours && strcmp(code, name) == 0);
  return 1;
}

/* ---- listening ---- */

/* Owner: its listener, until that is closed; then libuv. */
typedef struct socket {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;

  neap_io io;
  struct listener *listener; /* NULL once closed */
  neap_uv_type type;
} socket_t;

/* Owner: Lua's collector. */
typedef struct listener {
  neap_runtime *rt;
  socket_t *socket; /* NULL once closed */
  neap_list acceptors;
  unsigned pending; /* connections that wait in libuv, at most 1 */
  int status;       /* of the last that could not be accepted, or 0 */
} listener;

static listener *check_listener(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

static void on_socket_closed(uv_handle_t *handle) {
  neap_realloc(handle->data, sizeof(socket_t), 0);
}

static void on_connection(uv_stream_t *server, int status) {
  socket_t *socket = server->data;
  listener *l = socket->listener;
  if (l == NULL) {
    return;
  }
  l->status = status;
  l->pending += status == 0 ? 1 : 0;
  neap_wake_first(&l->acceptors);
}

/* A server that nobody connects to does not hold a virtual clock. */
static bool holds_clock(neap_io *io) {
  (void)io;
  return false;
}

static void describe_accept(lua_State *L, neap_wait *wait);

/* Woken for a connection that it will not take. */
static void abandon_accept(neap_wait *wait) {
  listener *l = wait->target;
  neap_wake_first(&l->acceptors);
}

static const neap_wait_kind accept_kind = {"accept", NULL, abandon_accept,
                                           describe_accept, NULL};

static int push_listener_name(lua_State *L, listener *l) {
  struct sockaddr_storage address;
  int length = sizeof address;
  char path[sizeof(struct sockaddr_un)];
  size_t path_length = sizeof path;
  int err = UV_EBADF;
  if (l->socket != NULL && l->socket->type == NEAP_TCP) {
    err = uv_tcp_getsockname(&l->socket->uv.tcp, (struct sockaddr *)&address,
                             &length);
    return err != 0 ? err : neap_push_address(L, (struct sockaddr *)&address);
  }
  if (l->socket != NULL) {
    err = uv_pipe_getsockname(&l->socket->uv.pipe, path, &path_length);
  }
  if (err != 0) {
    return err;
  }
  lua_pushlstring(L, path, path_length);
  return 1;
}

static void describe_accept(lua_State *L, neap_wait *wait) {
  int top = lua_gettop(L);
  int count = push_listener_name(L, wait->target);
  if (count == 2) {
    lua_pushfstring(L, "accept on %s:%d", lua_tostring(L, -2),
                    (int)lua_tointeger(L, -1));
  } else if (count == 1) {
    lua_pushfstring(L, "accept on %s", lua_tostring(L, -1));
  } else {
    lua_pushliteral(L, "accept");
  }
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
}

static void close_listener(listener *l) {
  if (l->socket != NULL) {
    l->socket->listener = NULL;
    neap_io_close(&l->socket->io);
    uv_close(&l->socket->uv.handle, on_socket_closed);
    l->socket = NULL;
    neap_wake_all(&l->acceptors);
  }
}

/* [-0, +1, m] A listener with a socket that is bound to nothing yet. With a
 * family other than AF_UNSPEC the system has made it, so it has options. */
static listener *push_listener(lua_State *L, neap_uv_type type,
                               unsigned family) {
  neap_runtime *rt = neap_runtime_up(L);
  listener *l = neap_object_new(L, TYPE_NAME, sizeof *l, 0);
  memset(l, 0, sizeof *l);
  l->rt = rt;
  neap_list_init(&l->acceptors);
  socket_t *socket = neap_realloc(NULL, 0, sizeof *socket);
  int err = UV_ENOMEM;
  if (socket != NULL) {
    memset(socket, 0, sizeof *socket);
    err = type == NEAP_TCP ? uv_tcp_init_ex(&rt->uv, &socket->uv.tcp, family)
                           : uv_pipe_init(&rt->uv, &socket->uv.pipe, 0);
  }
  if (err != 0) {
    neap_realloc(socket, sizeof *socket, 0);
    neap_raise_os_error(L, rt, err, "socket", NULL);
    return NULL;
  }
  socket->uv.handle.data = socket;
  socket->listener = l;
  socket->type = type;
  l->socket = socket;
  neap_io_open(rt, &socket->io, &socket->uv.handle, holds_clock);
  return l;
}

static int start_listening(lua_State *L, listener *l, int err, int backlog,
                           const char *subject) {
  const char *syscall = "bind";
  if (err == 0) {
    syscall = "listen";
    err = uv_listen(&l->socket->uv.stream, backlog, on_connection);
  }
  if (err != 0) {
    close_listener(l);
    return neap_raise_os_error(L, l->rt, err, syscall, subject);
  }
  return 1;
}

static int check_backlog(lua_State *L, int arg) {
  lua_Integer backlog = luaL_optinteger(L, arg, 511);
  luaL_argcheck(L, backlog >= 1 && backlog <= INT_MAX, arg, "not a backlog");
  return (int)backlog;
}

/* listen_tcp(address, port[, backlog[, reuse_port]]) -> Listener */
static int l_listen_tcp(lua_State *L) {
  struct sockaddr_storage storage;
  const struct sockaddr *address = neap_check_address(L, 1, &storage);
  int backlog = check_backlog(L, 3);
  bool reuse_port = lua_toboolean(L, 4);
  const char *subject =
      lua_pushfstring(L, "%s:%d", lua_tostring(L, 1), (int)lua_tointeger(L, 2));
  listener *l =
      push_listener(L, NEAP_TCP, reuse_port ? address->sa_family : AF_UNSPEC);
  int err = reuse_port ? neap_reuse_port(&l->socket->uv.handle) : 0;
  if (err == 0) {
    err = uv_tcp_bind(&l->socket->uv.tcp, address, 0);
  }
  return start_listening(L, l, err, backlog, subject);
}

/* listen_unix(path[, backlog]) -> Listener */
static int l_listen_unix(lua_State *L) {
  const char *path = check_path(L, 1);
  int backlog = check_backlog(L, 2);
  listener *l = push_listener(L, NEAP_PIPE, AF_UNSPEC);
  int err = uv_pipe_bind(&l->socket->uv.pipe, path);
  return start_listening(L, l, err, backlog, path);
}

static int k_accept(lua_State *L, int status, lua_KContext ctx);

static int wait_accept(lua_State *L, listener *l) {
  neap_task *task = neap_check_wait(L, l->rt);
  neap_list_append(&l->acceptors, &task->wait.job.link);
  return neap_park(L, task, &accept_kind, l, k_accept, 0);
}

static int k_accept(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  listener *l = lua_touserdata(L, 1);
  if (l->socket == NULL) {
    return neap_raise_os_error(L, l->rt, UV_EBADF, "accept", NULL);
  }
  int err = l->status;
  if (err == 0 && l->pending == 0) {
    return wait_accept(L, l);
  }
  l->status = 0;
  if (err == 0) {
    neap_stream *stream = push_stream(L, l->rt, l->socket->type);
    l->pending--;
    err = uv_accept(&l->socket->uv.stream,
                    neap_uv_transport_stream(stream->transport));
    if (err == 0) {
      neap_uv_transport_connected(stream->transport);
      disable_delay(stream);
      return 1;
    }
    neap_stream_close(stream);
  }
  return neap_raise_os_error(L, l->rt, err, "accept", NULL);
}

/* listener:accept() -> Stream
 * raises  OSError
 * waits   for a connection. */
static int l_accept(lua_State *L) {
  listener *l = check_listener(L);
  neap_check_wait(L, l->rt);
  lua_settop(L, 1);
  return k_accept(L, LUA_OK, 0);
}

/* listener:sockname() -> address, port; or path */
static int l_sockname(lua_State *L) {
  listener *l = check_listener(L);
  int count = push_listener_name(L, l);
  return count < 0 ? neap_raise_os_error(L, l->rt, count, "getsockname", NULL)
                   : count;
}

/* listener:close() */
static int l_close(lua_State *L) {
  close_listener(check_listener(L));
  return 0;
}

static const luaL_Reg metamethods[] = {
    {"__gc",    l_close},
    {"__close", l_close},
    {NULL,      NULL   },
};

static const luaL_Reg methods[] = {
    {"accept",   l_accept  }, /* waits */
    {"sockname", l_sockname},
    {"close",    l_close   },
    {NULL,       NULL      },
};

static const luaL_Reg functions[] = {
    {"is_address",   l_is_address  },
    {"connect_tcp",  l_connect_tcp }, /* waits */
    {"connect_unix", l_connect_unix}, /* waits */
    {"listen_tcp",   l_listen_tcp  },
    {"listen_unix",  l_listen_unix },
    {"set_limit",    l_set_limit   },
    {"is_broken",    l_is_broken   },
    {NULL,           NULL          },
};

void neap_push_net(lua_State *L, neap_runtime *rt) {
  neap_open_streams(L, rt);
  lua_createtable(L, 0, 8);
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
  neap_bind_udp(L, rt);
}
