/* SPDX-License-Identifier: MIT */
/* dns.c - neap.dns: names and addresses, as the system resolves them. */
#include <string.h>

#include <netdb.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/os_error.h"
#include "runtime/request.h"

/* Host names have at most 253 bytes; libuv copies up to 255. */
enum { HOST_VALUE = 1, MOST_HOST = 255, MOST_PORT = 65535 };

/* ---- getaddrinfo ---- */

typedef struct lookup {
  neap_uv_request base;
  struct addrinfo *found; /* NULL: nothing, or freed */
} lookup;

static void dispose_lookup(neap_uv_request *base) {
  lookup *l = (lookup *)base;
  uv_freeaddrinfo(l->found);
  l->found = NULL;
}

static const neap_uv_request_kind lookup_kind = {dispose_lookup, NULL};

static void on_resolved(uv_getaddrinfo_t *req, int status,
                        struct addrinfo *found) {
  lookup *l = NEAP_CONTAINER_OF(req, lookup, base.uv.addrinfo);
  l->base.status = status;
  l->found = found;
  neap_uv_request_done(&l->base);
}

/* [-0, +1, m] Pushes one address as a table. What was asked for are families of
 * the internet, streams and datagrams: there is nothing else in the answer. */
static void push_address(lua_State *L, const struct addrinfo *ai) {
  char text[INET6_ADDRSTRLEN + 1 + UV_IF_NAMESIZE];
  int port;
  if (ai->ai_family == AF_INET) {
    const struct sockaddr_in *in = (const void *)ai->ai_addr;
    uv_ip4_name(in, text, sizeof text);
    port = ntohs(in->sin_port);
  } else {
    const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;
    uv_ip6_name(in6, text, sizeof text);
    port = ntohs(in6->sin6_port);
  }
  lua_createtable(L, 0, 5);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "addr");
  lua_pushinteger(L, port);
  lua_setfield(L, -2, "port");
  lua_pushstring(L, ai->ai_family == AF_INET ? "inet" : "inet6");
  lua_setfield(L, -2, "family");
  lua_pushstring(L, ai->ai_socktype == SOCK_DGRAM ? "dgram" : "stream");
  lua_setfield(L, -2, "socktype");
  if (ai->ai_canonname != NULL) {
    lua_pushstring(L, ai->ai_canonname);
    lua_setfield(L, -2, "canonname");
  }
}

static int k_lookup(lua_State *L, int status, lua_KContext ctx) {
  lookup *l = lua_touserdata(L, (int)ctx);
  (void)status;
  if (l->base.status < 0) {
    return neap_raise_os_error(L, l->base.rt, l->base.status, "getaddrinfo",
                               l->base.subject);
  }
  lua_Integer n = 0;
  lua_newtable(L);
  for (const struct addrinfo *ai = l->found; ai != NULL; ai = ai->ai_next) {
    push_address(L, ai);
    lua_rawseti(L, -2, ++n);
  }
  dispose_lookup(&l->base);
  return 1;
}

/* [-0, +0, v] A text of at most `most` bytes, without NUL; NULL if absent. */
static const char *opt_text(lua_State *L, int arg, size_t most) {
  if (lua_isnoneornil(L, arg)) {
    return NULL;
  }
  size_t length;
  const char *text = luaL_checklstring(L, arg, &length);
  luaL_argcheck(L, strlen(text) == length, arg, "a text without NUL expected");
  luaL_argcheck(L, length <= most, arg, "too long");
  return text;
}

/* [-0, +0, v] The index of option `name` of the table at `arg` among `names`,
 * or -1 if it is absent. */
static int get_choice(lua_State *L, int arg, const char *name,
                      const char *const *names) {
  int found = -1;
  if (lua_getfield(L, arg, name) != LUA_TNIL) {
    const char *text = lua_tostring(L, -1);
    for (int i = 0; text != NULL && names[i] != NULL; i++) {
      found = strcmp(text, names[i]) == 0 ? i : found;
    }
    if (found < 0) {
      luaL_argerror(L, arg, lua_pushfstring(L, "%s: no such choice", name));
    }
  }
  lua_pop(L, 1);
  return found;
}

static bool get_flag(lua_State *L, int arg, const char *name) {
  lua_getfield(L, arg, name);
  bool set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set;
}

/* [-0, +0, v] The options of a look-up at `arg`. */
static void get_hints(lua_State *L, int arg, struct addrinfo *hints) {
  static const char *const families[] = {"inet", "inet6", NULL};
  static const int family_values[] = {AF_INET, AF_INET6};
  static const char *const types[] = {"stream", "dgram", NULL};
  static const int type_values[] = {SOCK_STREAM, SOCK_DGRAM};
  memset(hints, 0, sizeof *hints);
  hints->ai_family = AF_UNSPEC;
  hints->ai_socktype = SOCK_STREAM;
  if (lua_isnoneornil(L, arg)) {
    return;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  int family = get_choice(L, arg, "family", families);
  int type = get_choice(L, arg, "socktype", types);
  hints->ai_family = family < 0 ? AF_UNSPEC : family_values[family];
  hints->ai_socktype = type < 0 ? SOCK_STREAM : type_values[type];
  hints->ai_flags = (get_flag(L, arg, "passive") ? AI_PASSIVE : 0) |
                    (get_flag(L, arg, "canonname") ? AI_CANONNAME : 0) |
                    (get_flag(L, arg, "numeric_host") ? AI_NUMERICHOST : 0);
}

/* getaddrinfo(host[, service[, options]]) -> sequence of addresses
 * host     a name, or an address; nil: this machine
 * service  a name or a port
 * options  family: "inet" or "inet6"; socktype: "stream" (default) or "dgram";
 *          passive, canonname, numeric_host: flags of getaddrinfo(3)
 * raises   OSError, whose code is "EAI_NONAME" and the like
 * waits    always. */
static int l_getaddrinfo(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  struct addrinfo hints;
  lua_settop(L, 3);
  const char *host = opt_text(L, 1, MOST_HOST);
  const char *service = opt_text(L, 2, MOST_HOST);
  luaL_argcheck(L, host != NULL || service != NULL, 1,
                "host or service expected");
  get_hints(L, 3, &hints);
  neap_task *task = neap_check_wait(L, rt);
  lookup *l = (lookup *)neap_uv_request_new(L, rt, &lookup_kind, sizeof *l, 1);
  l->base.name = "dns.getaddrinfo";
  l->base.subject = host;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, HOST_VALUE);
  neap_uv_request_prepare(L, &l->base);
  int err = uv_getaddrinfo(&rt->uv, &l->base.uv.addrinfo, on_resolved, host,
                           service, &hints);
  if (err != 0) {
    return neap_raise_os_error(L, rt, err, "getaddrinfo", host);
  }
  return neap_uv_request_park(L, task, &l->base, lua_gettop(L), k_lookup);
}

/* ---- getnameinfo ---- */

static void dispose_nothing(neap_uv_request *base) {
  (void)base;
}

static const neap_uv_request_kind names_kind = {dispose_nothing, NULL};

static void on_named(uv_getnameinfo_t *req, int status, const char *host,
                     const char *service) {
  neap_uv_request *r = NEAP_CONTAINER_OF(req, neap_uv_request, uv.nameinfo);
  (void)host; /* both are in the request */
  (void)service;
  r->status = status;
  neap_uv_request_done(r);
}

static int k_names(lua_State *L, int status, lua_KContext ctx) {
  neap_uv_request *r = lua_touserdata(L, (int)ctx);
  (void)status;
  if (r->status < 0) {
    return neap_raise_os_error(L, r->rt, r->status, "getnameinfo", r->subject);
  }
  lua_pushstring(L, r->uv.nameinfo.host);
  lua_pushstring(L, r->uv.nameinfo.service);
  return 2;
}

/* getnameinfo(address, port[, options]) -> host, service
 * address  "127.0.0.1", "::1"
 * options  numeric_host, numeric_service, name_required, dgram: flags of
 *          getnameinfo(3)
 * raises   OSError, whose code is "EAI_NONAME" and the like
 * waits    always. */
static int l_getnameinfo(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  struct sockaddr_storage address;
  int flags = 0;
  lua_settop(L, 3);
  luaL_checkstring(L, 1);
  const char *text = opt_text(L, 1, MOST_HOST);
  lua_Integer port = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, port >= 0 && port <= MOST_PORT, 2, "not a port");
  luaL_argcheck(
      L,
      uv_ip4_addr(text, (int)port, (struct sockaddr_in *)&address) == 0 ||
          uv_ip6_addr(text, (int)port, (struct sockaddr_in6 *)&address) == 0,
      1, "not an address");
  if (!lua_isnil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    flags = (get_flag(L, 3, "numeric_host") ? NI_NUMERICHOST : 0) |
            (get_flag(L, 3, "numeric_service") ? NI_NUMERICSERV : 0) |
            (get_flag(L, 3, "name_required") ? NI_NAMEREQD : 0) |
            (get_flag(L, 3, "dgram") ? NI_DGRAM : 0);
  }
  neap_task *task = neap_check_wait(L, rt);
  neap_uv_request *r = neap_uv_request_new(L, rt, &names_kind, sizeof *r, 1);
  r->name = "dns.getnameinfo";
  r->subject = text;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, HOST_VALUE);
  neap_uv_request_prepare(L, r);
  int err = uv_getnameinfo(&rt->uv, &r->uv.nameinfo, on_named,
                           (const struct sockaddr *)&address, flags);
  if (err != 0) {
    return neap_raise_os_error(L, rt, err, "getnameinfo", text);
  }
  return neap_uv_request_park(L, task, r, lua_gettop(L), k_names);
}

static const luaL_Reg functions[] = {
    {"getaddrinfo", l_getaddrinfo}, /* waits */
    {"getnameinfo", l_getnameinfo}, /* waits */
    {NULL,          NULL         },
};

void neap_push_dns(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 2);
  neap_set_functions(L, rt, functions);
}
