/* SPDX-License-Identifier: MIT */
/* udp.c - datagrams: the sockets of neap.net.udp. */
#include <string.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/alloc.h"
#include "runtime/io.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/transport.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.net.Udp";

/* So many datagrams are taken in that nobody asked for yet; then the system
 * keeps, and after a while drops, what follows. */
enum { MOST_QUEUED = 64, DATAGRAM_SIZE = 65536 };

typedef struct datagram {
  neap_link link;
  struct sockaddr_storage from;
  size_t nbytes;
  char bytes[];
} datagram;

/* Owner: its box, until it is closed; then libuv. */
typedef struct udp_handle {
  uv_udp_t uv;
  neap_io io;
  struct udp *udp; /* as long as it is open */
  char scratch[DATAGRAM_SIZE];
} udp_handle;

/* Owner: Lua's collector. */
typedef struct udp {
  neap_runtime *rt;
  udp_handle *handle; /* NULL once closed */
  neap_list receivers;
  neap_list senders; /* of send_op */
  neap_list queue;   /* of datagram */
  unsigned queued;
  int status; /* an error that the next receiver gets */
  bool receiving;
} udp;

/* A send that did not end at once, on the stack of the task that waits.
 * Owner: Lua's collector. */
typedef struct send_op {
  neap_link link;
  neap_list waiter;
  struct send_request *request; /* NULL once libuv is done with it */
  int status;
} send_op;

/* Owner: libuv, until on_sent. */
typedef struct send_request {
  uv_udp_send_t uv;
  send_op *op; /* NULL if nobody waits any more */
  size_t size; /* of all of it */
  char bytes[];
} send_request;

static udp *check_udp(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

/* [-0, +0, v] One that is open. */
static udp *check_open(lua_State *L, const char *syscall) {
  udp *u = check_udp(L);
  if (u->handle == NULL) {
    neap_raise_os_error(L, u->rt, UV_EBADF, syscall, NULL);
  }
  return u;
}

/* ---- waits ---- */

static bool holds_clock(neap_io *io) {
  udp *u = NEAP_CONTAINER_OF(io, udp_handle, io)->udp;
  return !neap_list_empty(&u->receivers) || !neap_list_empty(&u->senders);
}

/* [-0, +n, m] or an error. */
static int push_sockname(lua_State *L, udp *u) {
  struct sockaddr_storage address;
  int length = sizeof address;
  int err = UV_EBADF;
  if (u->handle != NULL) {
    err = uv_udp_getsockname(&u->handle->uv, (struct sockaddr *)&address,
                             &length);
  }
  return err != 0 ? err : neap_push_address(L, (struct sockaddr *)&address);
}

static void describe_receive(lua_State *L, neap_wait *wait) {
  int top = lua_gettop(L);
  if (push_sockname(L, wait->target) == 2) {
    lua_pushfstring(L, "receive on %s:%d", lua_tostring(L, -2),
                    (int)lua_tointeger(L, -1));
  } else {
    lua_pushliteral(L, "receive");
  }
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
}

/* Woken for a datagram that it will not take. */
static void abandon_receive(neap_wait *wait) {
  udp *u = wait->target;
  neap_wake_first(&u->receivers);
}

static void leave_send(neap_wait *wait) {
  send_op *op = wait->target;
  neap_list_remove(&op->link);
  op->request->op = NULL;
}

static const neap_wait_kind receive_kind = {"receive", NULL, abandon_receive,
                                            describe_receive, NULL};
static const neap_wait_kind send_kind = {"send", NULL, NULL, NULL, leave_send};

/* ---- closing ---- */

static void on_closed(uv_handle_t *uv) {
  udp_handle *handle = NEAP_CONTAINER_OF((uv_udp_t *)uv, udp_handle, uv);
  neap_realloc(handle, sizeof *handle, 0);
}

static void drop_queue(udp *u) {
  neap_link *link;
  while ((link = neap_list_shift(&u->queue)) != NULL) {
    datagram *d = NEAP_CONTAINER_OF(link, datagram, link);
    neap_realloc(d, sizeof *d + d->nbytes, 0);
  }
  u->queued = 0;
}

static void close_udp(udp *u) {
  udp_handle *handle = u->handle;
  if (handle == NULL) {
    return;
  }
  u->handle = NULL;
  neap_io_close(&handle->io);
  uv_close((uv_handle_t *)&handle->uv, on_closed);
  drop_queue(u);
  neap_wake_all(&u->receivers);
  neap_link *link;
  while ((link = neap_list_shift(&u->senders)) != NULL) {
    send_op *op = NEAP_CONTAINER_OF(link, send_op, link);
    op->request->op = NULL;
    op->status = UV_ECANCELED;
    neap_wake_all(&op->waiter);
  }
}

/* udp:close()
 * Closes it at once; tasks that wait for it get an OSError. Again: nothing. */
static int l_close(lua_State *L) {
  close_udp(check_udp(L));
  return 0;
}

/* ---- opening ---- */

/* [-0, +1, m] With a family other than AF_UNSPEC the system has made its socket,
 * so it has options. */
static udp *push_udp(lua_State *L, unsigned family) {
  neap_runtime *rt = neap_runtime_up(L);
  udp *u = neap_object_new(L, TYPE_NAME, sizeof *u, 0);
  memset(u, 0, sizeof *u);
  u->rt = rt;
  neap_list_init(&u->receivers);
  neap_list_init(&u->senders);
  neap_list_init(&u->queue);
  udp_handle *handle = neap_realloc(NULL, 0, sizeof *handle);
  int err =
      handle == NULL ? UV_ENOMEM : uv_udp_init_ex(&rt->uv, &handle->uv, family);
  if (err != 0) {
    neap_realloc(handle, sizeof *handle, 0);
    neap_raise_os_error(L, rt, err, "socket", NULL);
    return NULL;
  }
  u->handle = handle;
  handle->udp = u;
  memset(&handle->io, 0, sizeof handle->io);
  neap_io_open(rt, &handle->io, (uv_handle_t *)&handle->uv, holds_clock);
  return u;
}

/* udp([address, port[, broadcast[, reuse_address[, reuse_port]]]]) -> Udp */
static int l_udp(lua_State *L) {
  struct sockaddr_storage storage;
  bool bound = !lua_isnoneornil(L, 1);
  const struct sockaddr *address = NULL;
  const char *subject = NULL;
  if (bound) {
    address = neap_check_address(L, 1, &storage);
    subject = lua_pushfstring(L, "%s:%d", lua_tostring(L, 1),
                              (int)lua_tointeger(L, 2));
  }
  bool broadcast = lua_toboolean(L, 3);
  unsigned flags = lua_toboolean(L, 4) ? UV_UDP_REUSEADDR : 0;
  bool reuse_port = bound && lua_toboolean(L, 5);
  udp *u = push_udp(L, reuse_port ? address->sa_family : AF_UNSPEC);
  const char *syscall = "bind";
  int err = reuse_port ? neap_reuse_port((uv_handle_t *)&u->handle->uv) : 0;
  if (err == 0 && (bound || broadcast)) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    err = uv_udp_bind(&u->handle->uv,
                      bound ? address : (const struct sockaddr *)&any, flags);
  }
  if (err == 0 && broadcast) {
    syscall = "setsockopt";
    err = uv_udp_set_broadcast(&u->handle->uv, 1);
  }
  if (err != 0) {
    close_udp(u);
    return neap_raise_os_error(L, u->rt, err, syscall, subject);
  }
  return 1;
}

/* udp:connect(address, port)
 * From now on it sends there, and receives from there alone.
 * raises  OSError; EISCONN if it is connected. */
static int l_connect(lua_State *L) {
  udp *u = check_open(L, "connect");
  struct sockaddr_storage storage;
  const struct sockaddr *address = neap_check_address(L, 2, &storage);
  int err = uv_udp_connect(&u->handle->uv, address);
  return err == 0 ? 0 : neap_raise_os_error(L, u->rt, err, "connect", NULL);
}

/* ---- receiving ---- */

static void on_alloc(uv_handle_t *uv, size_t suggested, uv_buf_t *buf) {
  udp_handle *handle = NEAP_CONTAINER_OF((uv_udp_t *)uv, udp_handle, uv);
  (void)suggested;
  *buf = uv_buf_init(handle->scratch, sizeof handle->scratch);
}

static void stop_receiving(udp *u) {
  u->receiving = false;
  uv_udp_recv_stop(&u->handle->uv);
}

/* Adds it to the queue; false: no memory. */
static bool keep(udp *u, const char *bytes, size_t nbytes,
                 const struct sockaddr *from) {
  datagram *d = neap_realloc(NULL, 0, sizeof *d + nbytes);
  if (d == NULL) {
    return false;
  }
  memset(d, 0, sizeof *d);
  memcpy(&d->from, from,
         from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                     : sizeof(struct sockaddr_in));
  d->nbytes = nbytes;
  memcpy(d->bytes, bytes, nbytes);
  neap_list_append(&u->queue, &d->link);
  u->queued++;
  return true;
}

/* A datagram without memory for it is lost, as datagrams may be; but whoever
 * waits for it is told. */
static void on_received(uv_udp_t *uv, ssize_t nread, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags) {
  udp *u = NEAP_CONTAINER_OF(uv, udp_handle, uv)->udp;
  (void)flags;
  if (nread == 0 && from == NULL) {
    return; /* nothing more for now */
  }
  if (nread >= 0 && !keep(u, buf->base, (size_t)nread, from)) {
    nread = UV_ENOMEM;
  }
  if (nread < 0) {
    u->status = (int)nread;
  }
  if (!neap_wake_first(&u->receivers) &&
      (nread < 0 || u->queued >= MOST_QUEUED)) {
    stop_receiving(u);
  }
}

static int k_receive(lua_State *L, int status, lua_KContext ctx) {
  udp *u = lua_touserdata(L, 1);
  (void)status;
  (void)ctx;
  if (u->handle == NULL) {
    return neap_raise_os_error(L, u->rt, UV_EBADF, "recvmsg", NULL);
  }
  if (!neap_list_empty(&u->queue)) {
    luaL_checkstack(L, 4, NULL);
    datagram *d = NEAP_CONTAINER_OF(u->queue.next, datagram, link);
    lua_pushlstring(L, d->bytes, d->nbytes); /* may raise: it stays queued */
    int count = neap_push_address(L, (const struct sockaddr *)&d->from);
    neap_list_remove(&d->link);
    neap_realloc(d, sizeof *d + d->nbytes, 0);
    u->queued--;
    return count < 0 ? 1 : 1 + count;
  }
  int err = u->status;
  u->status = 0;
  if (err == 0 && !u->receiving) {
    err = uv_udp_recv_start(&u->handle->uv, on_alloc, on_received);
    u->receiving = err == 0;
  }
  if (err != 0) {
    return neap_raise_os_error(L, u->rt, err, "recvmsg", NULL);
  }
  neap_task *task = neap_check_wait(L, u->rt);
  neap_list_append(&u->receivers, &task->wait.job.link);
  return neap_park(L, task, &receive_kind, u, k_receive, 0);
}

/* udp:receive() -> string, address, port
 * The next datagram, and who sent it.
 * raises  OSError
 * waits   until there is one. */
static int l_receive(lua_State *L) {
  udp *u = check_udp(L);
  neap_check_wait(L, u->rt);
  lua_settop(L, 1);
  return k_receive(L, LUA_OK, 0);
}

/* ---- sending ---- */

static void on_sent(uv_udp_send_t *uv, int status) {
  send_request *request = NEAP_CONTAINER_OF(uv, send_request, uv);
  send_op *op = request->op;
  neap_realloc(request, request->size, 0);
  if (op != NULL) {
    op->status = status;
    op->request = NULL;
    neap_list_remove(&op->link);
    neap_wake_all(&op->waiter);
  }
}

static int k_sent(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  udp *u = lua_touserdata(L, 1);
  send_op *op = lua_touserdata(L, -1);
  return op->status == 0
             ? 0
             : neap_raise_os_error(L, u->rt, op->status, "sendmsg", NULL);
}

/* The system has no room: waits until it has. */
static int send_later(lua_State *L, udp *u, uv_buf_t buf,
                      const struct sockaddr *to) {
  neap_task *task = neap_check_wait(L, u->rt);
  send_op *op = lua_newuserdatauv(L, sizeof *op, 0);
  memset(op, 0, sizeof *op);
  neap_list_init(&op->waiter);
  size_t size = sizeof(send_request) + buf.len;
  send_request *request = neap_realloc(NULL, 0, size);
  int err = UV_ENOMEM;
  if (request != NULL) {
    request->size = size;
    request->op = op;
    memcpy(request->bytes, buf.base, buf.len);
    buf.base = request->bytes;
    err = uv_udp_send(&request->uv, &u->handle->uv, &buf, 1, to, on_sent);
  }
  if (err != 0) {
    neap_realloc(request, size, 0);
    return neap_raise_os_error(L, u->rt, err, "sendmsg", NULL);
  }
  op->request = request;
  neap_list_append(&u->senders, &op->link);
  neap_list_append(&op->waiter, &task->wait.job.link);
  return neap_park(L, task, &send_kind, op, k_sent, 0);
}

/* udp:send(data[, address, port])
 * Sends one datagram; without an address to where the socket is connected.
 * raises  OSError, such as EMSGSIZE
 * waits   while the system has no room for it. */
static int l_send(lua_State *L) {
  udp *u = check_open(L, "sendmsg");
  size_t length;
  const char *data = luaL_checklstring(L, 2, &length);
  struct sockaddr_storage storage;
  const struct sockaddr *to = NULL;
  if (!lua_isnoneornil(L, 3)) {
    to = neap_check_address(L, 3, &storage);
  }
  neap_check_wait(L, u->rt);
  if (length > DATAGRAM_SIZE) {
    return neap_raise_os_error(L, u->rt, UV_EMSGSIZE, "sendmsg", NULL);
  }
  uv_buf_t buf = uv_buf_init((char *)data, (unsigned)length);
  int err = uv_udp_try_send(&u->handle->uv, &buf, 1, to);
  if (err == UV_EAGAIN) {
    return send_later(L, u, buf, to);
  }
  return err < 0 ? neap_raise_os_error(L, u->rt, err, "sendmsg", NULL) : 0;
}

/* udp:sockname() -> address, port
 * raises  OSError */
static int l_sockname(lua_State *L) {
  udp *u = check_udp(L);
  int count = push_sockname(L, u);
  return count < 0 ? neap_raise_os_error(L, u->rt, count, "getsockname", NULL)
                   : count;
}

static int l_tostring(lua_State *L) {
  udp *u = check_udp(L);
  lua_pushfstring(L, "<Udp %s%p>", u->handle == NULL ? "closed " : "",
                  (void *)u);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__close",    l_close   },
    {"__gc",       l_close   },
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"send",     l_send    }, /* waits */
    {"receive",  l_receive }, /* waits */
    {"connect",  l_connect },
    {"sockname", l_sockname},
    {"close",    l_close   },
    {NULL,       NULL      },
};

static const luaL_Reg functions[] = {
    {"udp", l_udp},
    {NULL,  NULL },
};

void neap_bind_udp(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
  luaL_getmetatable(L, TYPE_NAME);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "udp_methods");
  lua_pop(L, 1);
}
