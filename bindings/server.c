/* SPDX-License-Identifier: MIT */
/* server.c - servers: their sockets, and the tasks that accept and serve.
 *
 * What must happen when such a task has ended needs no memory of Lua's, since
 * there may be none: a connection is closed, and its place free; without its
 * acceptor a server is closed, so that nobody connects and waits. */
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/alloc.h"
#include "runtime/anchor.h"
#include "runtime/io.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.net.Server";

/* Owner: Lua's collector. Those who wait have it on their stacks. */
typedef struct server {
  neap_runtime *rt;
  neap_list sockets;
  neap_list acceptors;                /* members, one for each socket */
  neap_list connections;              /* members */
  neap_list crowded;                  /* acceptors that wait for a place */
  neap_list until_closed, until_idle; /* who waits for that */
  size_t count, most;                 /* connections */
  size_t limit;                       /* of their lines */
  unsigned last_number;
  bool closed;
} server;

/* Owner: its server, until that is closed; then libuv. */
typedef struct socket {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;

  uv_timer_t pause; /* after a failure */
  unsigned handles; /* that libuv has */
  neap_io io;
  neap_link link;     /* in server->sockets */
  neap_list acceptor; /* its acceptor, while that waits */
  neap_list pausing;  /* likewise, for the end of a pause */
  neap_uv_type type;
  unsigned number;
  unsigned pending; /* connections that wait in libuv, at most 1 */
  int status;       /* of the last that could not be accepted, or 0 */
} socket_t;

/* A task of a server's. Owner: Lua's collector; anchored until the server has
 * been told of its end, which is a pass later: nobody else may have the task
 * then. User values: the server, the stream of a connection, the task. */
typedef struct member {
  neap_job job; /* among the waiters of its task */
  neap_link link;
  server *server;
  neap_task *task;
  neap_stream *stream; /* NULL: it accepts */
  int anchor;
} member;

enum { SERVER_VALUE = 1, STREAM_VALUE = 2, TASK_VALUE = 3 };

static server *check_server(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

static member *member_of(neap_link *link) {
  return NEAP_CONTAINER_OF(link, member, link);
}

/* ---- sockets ---- */

static void on_socket_closed(uv_handle_t *handle) {
  socket_t *socket = handle->data;
  socket->handles--;
  if (socket->handles == 0) {
    neap_realloc(socket, sizeof *socket, 0);
  }
}

static void close_socket(socket_t *socket) {
  neap_io_close(&socket->io);
  uv_close(&socket->uv.handle, on_socket_closed);
  uv_close((uv_handle_t *)&socket->pause, on_socket_closed);
}

static void on_pause_over(uv_timer_t *timer) {
  socket_t *socket = timer->data;
  neap_wake_all(&socket->pausing);
}

static void on_connection(uv_stream_t *stream, int status) {
  socket_t *socket = stream->data;
  socket->status = status;
  socket->pending += status == 0 ? 1 : 0;
  neap_wake_first(&socket->acceptor);
}

/* A server that nobody connects to does not hold a virtual clock. */
static bool holds_clock(neap_io *io) {
  (void)io;
  return false;
}

/* What waits for them sees that there are none. */
static void close_sockets(server *s) {
  neap_link *link;
  while ((link = neap_list_shift(&s->sockets)) != NULL) {
    socket_t *socket = NEAP_CONTAINER_OF(link, socket_t, link);
    neap_wake_all(&socket->acceptor);
    neap_wake_all(&socket->pausing);
    close_socket(socket);
  }
}

/* [-0, +0, v] A socket that is bound to nothing yet. With a family other than
 * AF_UNSPEC the system has made it, so it has options. */
static socket_t *new_socket(lua_State *L, server *s, neap_uv_type type,
                            unsigned family) {
  socket_t *socket = neap_realloc(NULL, 0, sizeof *socket);
  int err = UV_ENOMEM;
  if (socket != NULL) {
    memset(socket, 0, sizeof *socket);
    err = type == NEAP_TCP ? uv_tcp_init_ex(&s->rt->uv, &socket->uv.tcp, family)
                           : uv_pipe_init(&s->rt->uv, &socket->uv.pipe, 0);
  }
  if (err != 0) {
    neap_realloc(socket, sizeof *socket, 0);
    neap_raise_os_error(L, s->rt, err, "socket", NULL);
    return NULL;
  }
  uv_timer_init(&s->rt->uv, &socket->pause); /* cannot fail */
  socket->handles = 2;
  socket->uv.handle.data = socket->pause.data = socket;
  socket->type = type;
  neap_list_init(&socket->acceptor);
  neap_list_init(&socket->pausing);
  neap_io_open(s->rt, &socket->io, &socket->uv.handle, holds_clock);
  return socket;
}

/* The new socket listens, or is closed. Returns the number by which its
 * acceptor knows it. */
static int start_listening(lua_State *L, server *s, socket_t *socket, int err,
                           int backlog, const char *subject) {
  const char *syscall = "bind";
  if (err == 0) {
    syscall = "listen";
    err = uv_listen(&socket->uv.stream, backlog, on_connection);
  }
  if (err != 0) {
    close_socket(socket);
    return neap_raise_os_error(L, s->rt, err, syscall, subject);
  }
  socket->number = ++s->last_number;
  neap_list_append(&s->sockets, &socket->link);
  lua_pushinteger(L, socket->number);
  return 1;
}

static int check_backlog(lua_State *L, int arg) {
  lua_Integer backlog = luaL_optinteger(L, arg, 511);
  luaL_argcheck(L, backlog >= 1 && backlog <= INT_MAX, arg, "not a backlog");
  return (int)backlog;
}

/* listen_tcp(server, address, port[, backlog[, reuse_port]]) -> number */
static int l_listen_tcp(lua_State *L) {
  server *s = check_server(L);
  struct sockaddr_storage storage;
  const struct sockaddr *address = neap_check_address(L, 2, &storage);
  int backlog = check_backlog(L, 4);
  bool reuse_port = lua_toboolean(L, 5);
  const char *subject =
      lua_pushfstring(L, "%s:%d", lua_tostring(L, 2), (int)lua_tointeger(L, 3));
  socket_t *socket =
      new_socket(L, s, NEAP_TCP, reuse_port ? address->sa_family : AF_UNSPEC);
  int err = reuse_port ? neap_reuse_port(&socket->uv.handle) : 0;
  if (err == 0) {
    err = uv_tcp_bind(&socket->uv.tcp, address, 0);
  }
  return start_listening(L, s, socket, err, backlog, subject);
}

/* listen_unix(server, path[, backlog]) -> number */
static int l_listen_unix(lua_State *L) {
  server *s = check_server(L);
  const char *path = neap_check_socket_path(L, 2);
  int backlog = check_backlog(L, 3);
  socket_t *socket = new_socket(L, s, NEAP_PIPE, AF_UNSPEC);
  int err = uv_pipe_bind(&socket->uv.pipe, path);
  return start_listening(L, s, socket, err, backlog, path);
}

/* By its number; 0: the first. NULL once it is closed. */
static socket_t *find_socket(server *s, lua_KContext number) {
  for (neap_link *l = s->sockets.next; l != &s->sockets; l = l->next) {
    socket_t *socket = NEAP_CONTAINER_OF(l, socket_t, link);
    if (number == 0 || socket->number == number) {
      return socket;
    }
  }
  return NULL;
}

static int push_socket_name(lua_State *L, socket_t *socket) {
  struct sockaddr_storage address;
  int length = sizeof address;
  char path[sizeof(struct sockaddr_un)];
  size_t path_length = sizeof path;
  int err = UV_EBADF;
  if (socket != NULL && socket->type == NEAP_TCP) {
    err = uv_tcp_getsockname(&socket->uv.tcp, (struct sockaddr *)&address,
                             &length);
    return err != 0 ? err : neap_push_address(L, (struct sockaddr *)&address);
  }
  if (socket != NULL) {
    err = uv_pipe_getsockname(&socket->uv.pipe, path, &path_length);
  }
  if (err != 0) {
    return err;
  }
  lua_pushlstring(L, path, path_length);
  return 1;
}

/* ---- its tasks ---- */

static void cancel_members(server *s, neap_list *members) {
  for (neap_link *l = members->next; l != members; l = l->next) {
    neap_task_cancel(s->rt->L, member_of(l)->task, NEAP_BY_SERVER);
  }
}

static void close_server(server *s) {
  if (!s->closed) {
    s->closed = true;
    close_sockets(s);
    cancel_members(s, &s->acceptors);
    neap_wake_all(&s->until_closed);
  }
}

/* However it has ended, also before it began. */
static void member_ended(neap_runtime *rt, neap_job *job) {
  member *m = NEAP_CONTAINER_OF(job, member, job);
  server *s = m->server;
  neap_list_remove(&m->link);
  if (m->stream == NULL) {
    close_server(s);
  } else {
    neap_stream_close(m->stream);
    s->count--;
    /* All of them: who takes the place may not be who has a connection. */
    neap_wake_all(&s->crowded);
    if (s->count == 0) {
      neap_wake_all(&s->until_idle);
    }
  }
  neap_unanchor(rt->L, rt, m->anchor);
}

/* [-0, +2, v] A task of the server at 1 that will call the function below the
 * nargs arguments on the top, whose last one is the stream, if there is one. */
static member *begin_task(lua_State *L, int nargs, neap_stream *stream) {
  server *s = lua_touserdata(L, 1);
  member *m = lua_newuserdatauv(L, sizeof *m, 3);
  memset(m, 0, sizeof *m);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, SERVER_VALUE);
  if (stream != NULL) {
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, STREAM_VALUE);
  }
  int index = lua_gettop(L) - nargs - 1;
  lua_insert(L, index);
  neap_task *task = neap_task_new(L, s->rt, nargs);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, index, TASK_VALUE);
  m->anchor = neap_anchor(L, s->rt, index);
  m->job.run = member_ended;
  m->server = s;
  m->task = task;
  m->stream = stream;
  neap_list_append(&task->future.waiters, &m->job.link);
  return m;
}

/* ---- accepting ---- */

static void describe_accept(lua_State *L, neap_wait *wait);

static const neap_wait_kind accept_kind = {"accept", NULL, NULL,
                                           describe_accept, NULL};
static const neap_wait_kind pause_kind = {"a descriptor or memory", NULL, NULL,
                                          NULL, NULL};
static const neap_wait_kind crowded_kind = {"the end of a connection", NULL,
                                            NULL, NULL, NULL};

static void describe_accept(lua_State *L, neap_wait *wait) {
  int top = lua_gettop(L);
  int count = push_socket_name(L, find_socket(wait->target, wait->ctx));
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

/* [-0, +?, v] Takes the connection that waits in libuv, and begins its task:
 * what can raise comes before it is taken. The stack: as of accept. */
static void take_connection(lua_State *L, server *s, socket_t *socket) {
  lua_settop(L, 4);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 4);
  neap_stream *stream = neap_stream_open(L, s->rt, socket->type);
  stream->limit = s->limit;
  member *m = begin_task(L, 2, stream);
  s->count++;
  neap_list_append(&s->connections, &m->link);
  socket->pending--;
  int err = uv_accept(&socket->uv.stream,
                      neap_uv_transport_stream(stream->transport));
  if (err != 0) {
    neap_task_cancel(L, m->task, NEAP_BY_SERVER);
    neap_stream_close(stream);
    neap_raise_os_error(L, s->rt, err, "accept", NULL);
    return;
  }
  neap_uv_transport_connected(stream->transport);
  stream->transport->kind->set_nodelay(stream->transport, true);
}

static int k_accept(lua_State *L, int status, lua_KContext number) {
  (void)status;
  server *s = lua_touserdata(L, 1);
  socket_t *socket = find_socket(s, number);
  if (socket == NULL) {
    lua_pushboolean(L, 0);
    return 1;
  }
  bool is_crowded = s->count >= s->most;
  if (is_crowded || (socket->status == 0 && socket->pending == 0)) {
    neap_task *task = neap_check_wait(L, s->rt);
    neap_list_append(is_crowded ? &s->crowded : &socket->acceptor,
                     &task->wait.job.link);
    return neap_park(L, task, is_crowded ? &crowded_kind : &accept_kind, s,
                     k_accept, number);
  }
  int err = socket->status;
  socket->status = 0;
  if (err != 0) {
    return neap_raise_os_error(L, s->rt, err, "accept", NULL);
  }
  take_connection(L, s, socket);
  lua_pushboolean(L, 1);
  return 1;
}

/* accept(server, number, serve, handler) -> true; or false, once it is closed
 * Takes a connection, and begins a task that calls serve(handler, stream).
 * raises  OSError
 * waits   for a connection, and for a place. */
static int l_accept(lua_State *L) {
  server *s = check_server(L);
  neap_check_wait(L, s->rt);
  lua_settop(L, 4);
  return k_accept(L, LUA_OK, (lua_KContext)lua_tointeger(L, 2));
}

/* Milliseconds before accept is tried again when the system had no descriptor
 * or memory to spare; it is real time in which others give them back. */
enum { ACCEPT_PAUSE_MS = 50 };

static int k_pause(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* pause(server, number): waits for a while, or until it is closed. */
static int l_pause(lua_State *L) {
  server *s = check_server(L);
  neap_task *task = neap_check_wait(L, s->rt);
  socket_t *socket = find_socket(s, (lua_KContext)lua_tointeger(L, 2));
  if (socket == NULL) {
    return 0;
  }
  uv_update_time(&s->rt->uv);
  uv_timer_start(&socket->pause, on_pause_over, ACCEPT_PAUSE_MS, 0);
  neap_list_append(&socket->pausing, &task->wait.job.link);
  return neap_park(L, task, &pause_kind, s, k_pause, 0);
}

/* start(server, accept_all, number, handler)
 * Begins the task that accepts, accept_all(server, number, handler). */
static int l_start(lua_State *L) {
  server *s = check_server(L);
  lua_settop(L, 4);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 4);
  member *m = begin_task(L, 3, NULL);
  neap_list_append(&s->acceptors, &m->link);
  return 0;
}

/* ---- the end ---- */

static const neap_wait_kind close_kind = {"the end of a server", NULL, NULL,
                                          NULL, NULL};

static int k_idle(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  server *s = lua_touserdata(L, 1);
  if (s->count == 0) {
    return 0;
  }
  neap_task *task = neap_check_wait(L, s->rt);
  neap_list_append(&s->until_idle, &task->wait.job.link);
  return neap_park(L, task, &close_kind, s, k_idle, 0);
}

static int wait_until_closed(lua_State *L, lua_KFunction k) {
  server *s = check_server(L);
  neap_check_current(L, s->rt);
  lua_settop(L, 1);
  if (s->closed) {
    return k(L, LUA_OK, 0);
  }
  neap_task *task = neap_check_wait(L, s->rt);
  neap_list_append(&s->until_closed, &task->wait.job.link);
  return neap_park(L, task, &close_kind, s, k, 0);
}

/* server:wait_closed(): until it is closed and its last connection has ended */
static int l_wait_closed(lua_State *L) {
  return wait_until_closed(L, k_idle);
}

static int k_closed(lua_State *L, int status, lua_KContext ctx) {
  (void)L;
  (void)status;
  (void)ctx;
  return 0;
}

/* wait_until_closed(server) */
static int l_wait_until_closed(lua_State *L) {
  return wait_until_closed(L, k_closed);
}

/* server:close(): no more connections are taken; those that are there go on */
static int l_close(lua_State *L) {
  close_server(check_server(L));
  return 0;
}

/* At a block's end: closed, its connections cancelled and waited for. */
static int l_close_all(lua_State *L) {
  server *s = check_server(L);
  close_server(s);
  cancel_members(s, &s->connections);
  lua_settop(L, 1);
  return k_idle(L, LUA_OK, 0);
}

/* It has no tasks left, or the state is closed. */
static int l_gc(lua_State *L) {
  close_sockets(check_server(L));
  return 0;
}

/* ---- the rest ---- */

/* server:sockname() -> host, port; or path */
static int l_sockname(lua_State *L) {
  server *s = check_server(L);
  int count = push_socket_name(L, find_socket(s, 0));
  return count < 0 ? neap_raise_os_error(L, s->rt, count, "getsockname", NULL)
                   : count;
}

static int l_tostring(lua_State *L) {
  server *s = check_server(L);
  lua_pushfstring(L, "<Server%s, connections: %I>", s->closed ? " closed" : "",
                  (lua_Integer)s->count);
  return 1;
}

/* server([max_connections[, limit]]) -> Server, without a socket */
static int l_server(lua_State *L) {
  lua_Integer most = luaL_optinteger(L, 1, LUA_MAXINTEGER);
  lua_Integer limit = luaL_optinteger(L, 2, NEAP_STREAM_LIMIT);
  server *s = neap_object_new(L, TYPE_NAME, sizeof *s, 0);
  memset(s, 0, sizeof *s);
  s->rt = neap_runtime_up(L);
  s->most = (size_t)most;
  s->limit = (size_t)limit;
  neap_list_init(&s->sockets);
  neap_list_init(&s->acceptors);
  neap_list_init(&s->connections);
  neap_list_init(&s->crowded);
  neap_list_init(&s->until_closed);
  neap_list_init(&s->until_idle);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__gc",       l_gc       },
    {"__close",    l_close_all}, /* waits */
    {"__tostring", l_tostring },
    {NULL,         NULL       },
};

static const luaL_Reg methods[] = {
    {"close",       l_close      },
    {"wait_closed", l_wait_closed}, /* waits */
    {"sockname",    l_sockname   },
    {NULL,          NULL         },
};

static const luaL_Reg functions[] = {
    {"server",            l_server           },
    {"listen_tcp",        l_listen_tcp       },
    {"listen_unix",       l_listen_unix      },
    {"start",             l_start            },
    {"accept",            l_accept           }, /* waits */
    {"pause",             l_pause            }, /* waits */
    {"wait_until_closed", l_wait_until_closed}, /* waits */
    {NULL,                NULL               },
};

void neap_bind_server(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
  luaL_getmetatable(L, TYPE_NAME);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "server_methods");
  lua_pop(L, 1);
}
