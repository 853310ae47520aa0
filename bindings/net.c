/* SPDX-License-Identifier: MIT */
/* net.c - sockets and pipes: what neap/net.lua is made of. */
#include <string.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/os_error.h"
#include "runtime/stream.h"
#include "runtime/wait.h"

/* is_address(host) -> boolean */
static int l_is_address(lua_State *L) {
  struct sockaddr_storage address;
  size_t length;
  const char *host = luaL_checklstring(L, 1, &length);
  lua_pushboolean(L, neap_parse_address(host, length, 0, &address));
  return 1;
}

/* ---- connecting ---- */

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
  neap_stream *stream = neap_stream_open(L, rt, NEAP_TCP);
  int err = neap_uv_transport_connect(stream->transport, address);
  return wait_connected(L, stream, err);
}

/* connect_unix(path) -> Stream */
static int l_connect_unix(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  const char *path = neap_check_socket_path(L, 1);
  neap_check_wait(L, rt);
  lua_pushvalue(L, 1);
  neap_stream *stream = neap_stream_open(L, rt, NEAP_PIPE);
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

static const luaL_Reg functions[] = {
    {"is_address",   l_is_address  },
    {"connect_tcp",  l_connect_tcp }, /* waits */
    {"connect_unix", l_connect_unix}, /* waits */
    {"set_limit",    l_set_limit   },
    {"is_broken",    l_is_broken   },
    {NULL,           NULL          },
};

void neap_push_net(lua_State *L, neap_runtime *rt) {
  neap_open_streams(L, rt);
  lua_createtable(L, 0, 16);
  neap_set_functions(L, rt, functions);
  lua_pushinteger(L, NEAP_LONGEST_SOCKET_PATH);
  lua_setfield(L, -2, "longest_path");
  neap_bind_server(L, rt);
  neap_bind_udp(L, rt);
}
