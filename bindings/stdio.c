/* SPDX-License-Identifier: MIT */
/* stdio.c - neap.stdio: the standard descriptors as streams. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/os_error.h"
#include "runtime/stream.h"
#include "runtime/transport.h"

static const char *const names[] = {"stdin", "stdout", "stderr"};

/* libuv makes its descriptors non-blocking, which is a property of what they
 * lead to: a shell that has the same pipe would see it. Where the system can, it
 * is opened once more. Returns a descriptor or an error. */
static int open_again(int fd) {
  char path[32];
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) {
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again =
        open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (again >= 0) {
      return again;
    }
    again = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* a socket, or nobody reads it */
    if (again >= 0) {
      return again;
    }
  }
  return uv_translate_sys_error(errno);
}

static neap_transport *open_pipe(neap_runtime *rt, neap_uv_type type, int fd,
                                 int *err) {
  neap_transport *transport = neap_uv_transport_new(rt, type, -1, err);
  if (transport == NULL) {
    return NULL;
  }
  int own = open_again(fd);
  *err = own;
  if (own >= 0) {
    uv_stream_t *stream = neap_uv_transport_stream(transport);
    *err = type == NEAP_TCP ? uv_tcp_open((uv_tcp_t *)stream, own)
                            : uv_pipe_open((uv_pipe_t *)stream, own);
    if (*err != 0) {
      close(own);
    }
  }
  if (*err != 0) {
    transport->kind->close(transport);
    return NULL;
  }
  return transport;
}

static neap_transport *open_transport(neap_runtime *rt, int fd, int *err) {
  *err = UV_EBADF;
  switch (uv_guess_handle(fd)) {
  case UV_TTY:
    return neap_uv_transport_new(rt, NEAP_TTY, fd, err);
  case UV_NAMED_PIPE:
    return open_pipe(rt, NEAP_PIPE, fd, err);
  case UV_TCP:
    return open_pipe(rt, NEAP_TCP, fd, err);
  case UV_FILE:
    *err = UV_ENOMEM;
    return neap_file_transport_new(rt, fd);
  default:
    return NULL;
  }
}

/* __index(stdio, name) -> Stream
 * Each is opened when it is first asked for. */
static int l_index(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (lua_type(L, 2) == LUA_TSTRING &&
        strcmp(lua_tostring(L, 2), names[fd]) == 0) {
      int err = 0;
      neap_check_running(L, rt);
      neap_stream *stream = neap_stream_new(L, rt);
      if (fd != STDIN_FILENO) {
        fflush(stdout); /* what print wrote comes before */
      }
      neap_transport *transport = open_transport(rt, fd, &err);
      if (transport == NULL) {
        return neap_raise_os_error(L, rt, err, "open", names[fd]);
      }
      stream->role = names[fd];
      neap_stream_attach(stream, transport);
      lua_pushvalue(L, 2);
      lua_pushvalue(L, -2);
      lua_rawset(L, 1);
      return 1;
    }
  }
  return 0;
}

void neap_push_stdio(lua_State *L, neap_runtime *rt) {
  static const luaL_Reg metamethods[] = {
      {"__index", l_index},
      {NULL,      NULL   },
  };
  neap_open_streams(L, rt);
  lua_createtable(L, 0, 3);
  lua_createtable(L, 0, 1);
  neap_set_functions(L, rt, metamethods);
  lua_setmetatable(L, -2);
}
