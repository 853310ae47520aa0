/* SPDX-License-Identifier: MIT */
/* tls.c - contexts of TLS, and streams put behind it: what neap/tls.lua is made
 * of. */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"

#ifdef NEAP_OPENSSL_FILE

#include <string.h>

#include "runtime/error.h"
#include "runtime/object.h"
#include "runtime/openssl.h"
#include "runtime/os_error.h"
#include "runtime/stream.h"

static const char *const TYPE_NAME = "neap.tls.Context";

/* Owner: Lua's collector. */
typedef struct context {
  neap_tls_context *tls;
} context;

/* The string field `name` of the options at 1, which stay where they are. */
static const char *field(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  return lua_tostring(L, -1); /* on the stack, so it stays */
}

static bool flag(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* context(options) -> Context
 * options  checked: is_server, verify, tls13; ca_file, cert_file, key_file, key_password;
 *          alpn as OpenSSL wants it */
static int l_context(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  context *c = neap_object_new(L, TYPE_NAME, sizeof *c, 0);
  c->tls = NULL;
  neap_tls_options options = {
      .ca_file = field(L, "ca_file"),
      .cert_file = field(L, "cert_file"),
      .key_file = field(L, "key_file"),
      .key_password = field(L, "key_password"),
      .is_server = flag(L, "is_server"),
      .verify = flag(L, "verify"),
      .tls13 = flag(L, "tls13"),
  };
  if (lua_getfield(L, 1, "alpn") == LUA_TSTRING) {
    options.alpn =
        (const unsigned char *)lua_tolstring(L, -1, &options.alpn_length);
  }
  char text[NEAP_TLS_TEXT];
  c->tls = neap_tls_context_new(&options, text);
  if (c->tls == NULL) {
    return luaL_error(L, "%s", text);
  }
  lua_settop(L, 2);
  return 1;
}

static int l_context_gc(lua_State *L) {
  context *c = neap_object_check(L, TYPE_NAME);
  if (c->tls != NULL) {
    neap_tls_context_free(c->tls);
    c->tls = NULL;
  }
  return 0;
}

/* true, or false and why not: neap/tls.lua makes the error. */
static int k_shaken(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *stream = lua_touserdata(L, 2);
  if (stream->status == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  neap_tls_engine *engine = neap_tls_transport_engine(stream->transport);
  const char *text = engine != NULL ? neap_tls_error(engine) : "";
  if (*text != '\0') {
    lua_pushstring(L, text);
  } else {
    neap_push_os_error(L, stream->rt, stream->status, "TLS handshake", NULL);
  }
  neap_stream_close(stream);
  return 2;
}

/* start(context, stream, server name or nil) -> true, or false and a text or an
 * OSError
 * waits  until hands are shaken. */
static int l_start(lua_State *L) {
  context *c = neap_object_check(L, TYPE_NAME);
  neap_stream *stream = neap_stream_check(L, 2);
  const char *name = luaL_optstring(L, 3, NULL);
  neap_check_wait(L, stream->rt);
  if (stream->transport == NULL) {
    return neap_raise_os_error(L, stream->rt, UV_EBADF, "TLS handshake", NULL);
  }
  if (stream->writing || !neap_list_empty(&stream->writers) ||
      !neap_list_empty(&stream->readers)) {
    return luaL_error(L, "another task uses the stream");
  }
  neap_tls_engine *engine = neap_tls_engine_new(c->tls, name);
  int err = engine == NULL ? UV_ENOMEM : neap_stream_start_tls(stream, engine);
  if (err != 0) {
    return neap_raise_os_error(L, stream->rt, err, "TLS handshake", NULL);
  }
  lua_settop(L, 2);
  return stream->writing ? neap_stream_park_writer(L, stream, k_shaken)
                         : k_shaken(L, LUA_OK, 0);
}

/* info(stream) -> version, cipher, protocol or nil; nothing without TLS */
static int l_info(lua_State *L) {
  neap_stream *stream = neap_stream_check(L, 1);
  neap_tls_engine *engine = neap_tls_transport_engine(stream->transport);
  if (engine == NULL) {
    return 0;
  }
  size_t length = 0;
  const char *protocol = neap_tls_protocol(engine, &length);
  lua_pushstring(L, neap_tls_version(engine));
  lua_pushstring(L, neap_tls_cipher(engine));
  if (length > 0) {
    lua_pushlstring(L, protocol, length);
  } else {
    lua_pushnil(L);
  }
  return 3;
}

static const luaL_Reg metamethods[] = {
    {"__gc", l_context_gc},
    {NULL,   NULL        },
};

static const luaL_Reg methods[] = {
    {"start", l_start}, /* waits */
    {NULL,    NULL   },
};

static const luaL_Reg functions[] = {
    {"context", l_context},
    {"info",    l_info   },
    {NULL,      NULL     },
};

void neap_push_tls(lua_State *L, neap_runtime *rt) {
  const char *problem = neap_openssl_load();
  if (problem != NULL) {
    luaL_error(L, "TLS needs OpenSSL 3: %s", problem);
  }
  neap_open_streams(L, rt);
  lua_createtable(L, 0, 2);
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}

#else

void neap_push_tls(lua_State *L, neap_runtime *rt) {
  (void)rt;
  luaL_error(L, "neap was built without OpenSSL, which TLS needs");
}

#endif
