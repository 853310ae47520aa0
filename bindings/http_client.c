/* SPDX-License-Identifier: MIT */
/* http_client.c - transfers: what neap/http_client.lua is made of. */
#include <string.h>
#include <strings.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"

#ifdef NEAP_CURL_FILE

#include "runtime/object.h"
#include "runtime/transfer.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.http.Transfer";
static const char *const CLIENT_NAME = "neap.http.Client";

/* The arguments of start. */
enum { URL = 1, METHOD, HEADERS, BODY, SETTINGS };

/* User value of a transfer: what is sent. */
enum { INPUT_VALUE = 1 };

/* Its address is a registry key. */
static const char client_key = 0;

static int l_client_gc(lua_State *L) {
  neap_http **client = lua_touserdata(L, 1);
  if (*client != NULL) {
    neap_http_close(*client);
    *client = NULL;
  }
  return 0;
}

/* [-0, +0, m] The runtime's client, made when first asked for. */
static neap_http *get_client(lua_State *L, neap_runtime *rt) {
  const char *failure = neap_curl_load();
  if (failure != NULL) {
    luaL_error(L, "the client of neap.http needs libcurl: %s", failure);
  }
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &client_key) == LUA_TNIL) {
    neap_http **client = lua_newuserdatauv(L, sizeof(neap_http *), 0);
    *client = NULL;
    luaL_newmetatable(L, CLIENT_NAME);
    lua_pushcfunction(L, l_client_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &client_key);
    lua_replace(L, -2);
  }
  neap_http **client = lua_touserdata(L, -1);
  if (*client == NULL && (*client = neap_http_new(rt)) == NULL) {
    luaL_error(L, "not enough memory");
  }
  lua_pop(L, 1);
  return *client;
}

static neap_transfer *check_transfer(lua_State *L) {
  neap_transfer *t = neap_object_check(L, TYPE_NAME);
  if (t->http == NULL) {
    luaL_error(L, "the response has been closed");
  }
  return t;
}

/* [-0, +1, m] */
static void describe(lua_State *L, neap_wait *wait) {
  neap_transfer *t = wait->target; /* open, or nobody would wait */
  char *url = NULL;
  neap_curl.curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
  lua_pushfstring(L, "%s %s", wait->kind->name, url);
}

static const neap_wait_kind response_kind = {"HTTP response", NULL, NULL,
                                             describe, NULL};
static const neap_wait_kind send_kind = {"HTTP upload", NULL, NULL, describe,
                                         NULL};

/* [-?, +?, v] Waits for something to happen to the transfer. */
static int wait_for(lua_State *L, neap_transfer *t, const neap_wait_kind *kind,
                    lua_KFunction k) {
  neap_task *task = neap_check_wait(L, neap_runtime_up(L));
  neap_list_append(&t->waiters, &task->wait.job.link);
  return neap_park(L, task, kind, t, k, 0);
}

/* ---- settings ---- */

/* Notes the first option that libcurl does not take. */
static void note(neap_transfer *t, CURLcode result) {
  if (t->result == CURLE_OK) {
    t->result = result;
  }
}

#define SET(t, option, value)                                                  \
  note(t, neap_curl.curl_easy_setopt((t)->easy, option, value))

static bool setting(lua_State *L, const char *name) {
  lua_getfield(L, SETTINGS, name);
  bool on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

/* The text stays, as it is in the table. */
static const char *text_setting(lua_State *L, const char *name) {
  lua_getfield(L, SETTINGS, name);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

static lua_Number number_setting(lua_State *L, const char *name) {
  lua_getfield(L, SETTINGS, name);
  lua_Number value = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

static void set_text(lua_State *L, neap_transfer *t, CURLoption option,
                     const char *name) {
  const char *text = text_setting(L, name);
  if (text != NULL) {
    SET(t, option, text);
  }
}

static void set_tls(lua_State *L, neap_transfer *t) {
  bool verify = setting(L, "verify");
  SET(t, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  SET(t, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  SET(t, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  set_text(L, t, CURLOPT_CAINFO, "ca_file");
  set_text(L, t, CURLOPT_SSLCERT, "cert_file");
  set_text(L, t, CURLOPT_SSLKEY, "key_file");
}

static bool is_tls(const char *url) {
  return strncasecmp(url, "https:", 6) == 0;
}

static void set_connection(lua_State *L, neap_transfer *t) {
  static const long versions[] = {0, CURL_HTTP_VERSION_1_1,
                                  CURL_HTTP_VERSION_2TLS,
                                  CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE};
  int version = (int)number_setting(L, "http_version");
  if (version == 2 && !is_tls(lua_tostring(L, URL))) {
    version = 1; /* or others would wait for the first to tell its version */
  }
  lua_Number connect_timeout = number_setting(L, "connect_timeout");
  SET(t, CURLOPT_HTTP_VERSION, versions[version]);
  if (version == 2) { /* who knows it already need not wait */
    SET(t, CURLOPT_PIPEWAIT, 1L);
    t->connect_ns =
        (uint64_t)((connect_timeout < 1e9 ? connect_timeout : 1e9) * 1e9);
  }
  SET(t, CURLOPT_NOSIGNAL, 1L);
  SET(t, CURLOPT_PROTOCOLS_STR, "http,https");
  SET(t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  SET(t, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_timeout * 1000));
  SET(t, CURLOPT_LOW_SPEED_LIMIT, 1L);
  SET(t, CURLOPT_LOW_SPEED_TIME, (long)number_setting(L, "idle_timeout"));
  set_text(L, t, CURLOPT_PROXY, "proxy");
  set_text(L, t, CURLOPT_UNIX_SOCKET_PATH, "unix_socket");
  set_text(L, t, CURLOPT_USERNAME, "user");
  set_text(L, t, CURLOPT_PASSWORD, "password");
}

/* [-0, +0, m] */
static void set_headers(lua_State *L, neap_transfer *t) {
  lua_Integer count = luaL_len(L, HEADERS);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, HEADERS, i);
    struct curl_slist *longer =
        neap_curl.curl_slist_append(t->headers, luaL_checkstring(L, -1));
    if (longer == NULL) {
      luaL_error(L, "not enough memory");
    }
    t->headers = longer;
    lua_pop(L, 1);
  }
  SET(t, CURLOPT_HTTPHEADER, t->headers);
}

/* The method is always ours: redirects are followed by who starts transfers, so
 * libcurl never has to change it. */
static void set_body(lua_State *L, neap_transfer *t) {
  size_t length;
  const char *method = luaL_checkstring(L, METHOD);
  if (strcmp(method, "HEAD") == 0) {
    SET(t, CURLOPT_NOBODY, 1L);
    t->no_body = true;
  } else if (strcmp(method, "GET") != 0 || !lua_isnil(L, BODY)) {
    SET(t, CURLOPT_CUSTOMREQUEST, method);
  }
  if (lua_type(L, BODY) == LUA_TSTRING) {
    const char *body = lua_tolstring(L, BODY, &length);
    SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    SET(t, CURLOPT_POSTFIELDS, body);
  } else if (lua_toboolean(L, BODY)) {
    SET(t, CURLOPT_UPLOAD, 1L);
    SET(t, CURLOPT_INFILESIZE_LARGE,
        (curl_off_t)number_setting(L, "upload_size"));
  }
}

static void set_response(lua_State *L, neap_transfer *t) {
  lua_Number max_body = number_setting(L, "max_body");
  t->streamed = setting(L, "stream");
  t->max_head = (uint64_t)number_setting(L, "max_headers");
  t->max_body = max_body < (lua_Number)INT64_MAX ? (uint64_t)max_body
                                                 : (uint64_t)INT64_MAX;
  if (setting(L, "decompress")) {
    SET(t, CURLOPT_ACCEPT_ENCODING, "");
  }
}

/* ---- failures ---- */

#define CODES(X)                                                               \
  X(UNSUPPORTED_PROTOCOL)                                                      \
  X(URL_MALFORMAT)                                                             \
  X(COULDNT_RESOLVE_PROXY)                                                     \
  X(COULDNT_RESOLVE_HOST)                                                      \
  X(COULDNT_CONNECT)                                                           \
  X(WEIRD_SERVER_REPLY)                                                        \
  X(PARTIAL_FILE)                                                              \
  X(WRITE_ERROR)                                                               \
  X(OUT_OF_MEMORY)                                                             \
  X(OPERATION_TIMEDOUT)                                                        \
  X(SSL_CONNECT_ERROR)                                                         \
  X(ABORTED_BY_CALLBACK)                                                       \
  X(GOT_NOTHING)                                                               \
  X(SEND_ERROR)                                                                \
  X(RECV_ERROR)                                                                \
  X(SSL_CERTPROBLEM)                                                           \
  X(SSL_CIPHER)                                                                \
  X(PEER_FAILED_VERIFICATION)                                                  \
  X(BAD_CONTENT_ENCODING)                                                      \
  X(SEND_FAIL_REWIND)                                                          \
  X(SSL_CACERT_BADFILE)                                                        \
  X(SSL_ISSUER_ERROR)                                                          \
  X(HTTP2)                                                                     \
  X(HTTP2_STREAM)                                                              \
  X(SSL_CLIENTCERT)                                                            \
  X(PROXY)

#define AS_ROW(name) {CURLE_##name, #name},

static const struct code_row {
  CURLcode code;
  const char *name;
} codes[] = {
    CODES(AS_ROW){CURLE_OK, "TRANSFER_FAILED"}
};

static const char *code_name(CURLcode code) {
  const struct code_row *row = codes;
  while (row->code != CURLE_OK && row->code != code) {
    row++;
  }
  return row->name;
}

/* ORDER neap_transfer_limit: codes and messages */
static const char *const limits[][2] = {
    {"",                  ""                                       },
    {"HEADERS_TOO_LARGE", "the headers are larger than max_headers"},
    {"BODY_TOO_LARGE",    "the body is larger than max_body"       },
    {"OUT_OF_MEMORY",     "not enough memory"                      },
};

/* Whether a system call failed, and its errno is what to say. */
static bool is_of_system(const neap_transfer *t) {
  return t->os_error != 0 &&
         (t->result == CURLE_COULDNT_CONNECT || t->result == CURLE_SEND_ERROR ||
          t->result == CURLE_RECV_ERROR);
}

/* [-0, +4, m] false, code, message, and errno or nil. */
static int push_failure(lua_State *L, const neap_transfer *t) {
  char system_code[32];
  const char *message =
      t->error[0] != '\0' ? t->error : neap_curl.curl_easy_strerror(t->result);
  lua_pushboolean(L, 0);
  if (t->limit != NEAP_WITHIN_LIMITS) {
    lua_pushstring(L, limits[t->limit][0]);
    lua_pushstring(L, limits[t->limit][1]);
    lua_pushnil(L);
  } else if (is_of_system(t)) {
    uv_err_name_r(-t->os_error, system_code, sizeof system_code);
    lua_pushstring(L, system_code);
    lua_pushstring(L, message);
    lua_pushinteger(L, t->os_error);
  } else {
    lua_pushstring(L, code_name(t->result));
    lua_pushstring(L, message);
    lua_pushnil(L);
  }
  return 4;
}

static bool has_failed(const neap_transfer *t) {
  return !t->running && t->result != CURLE_OK;
}

/* ---- functions ---- */

/* start(url, method, headers, body, settings) -> transfer
 * headers   sequence of lines
 * body      string; true: it will be sent; nil
 * settings  table, checked and complete */
static int l_start(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  const char *url = luaL_checkstring(L, URL);
  neap_check_current(L, rt);
  neap_http *http = get_client(L, rt);
  neap_transfer *t = neap_object_new(L, TYPE_NAME, sizeof *t, 1);
  memset(t, 0, sizeof *t);
  if (!neap_transfer_open(t, http)) {
    return luaL_error(L, "not enough memory");
  }
  lua_pushvalue(L, BODY);
  lua_setiuservalue(L, -2, INPUT_VALUE);
  SET(t, CURLOPT_URL, url);
  set_connection(L, t);
  set_tls(L, t);
  set_headers(L, t);
  set_body(L, t);
  set_response(L, t);
  if (t->result != CURLE_OK) {
    return luaL_error(L, "libcurl does not take an option: %s",
                      neap_curl.curl_easy_strerror(t->result));
  }
  if (!neap_transfer_start(t)) {
    return luaL_error(L, "not enough memory");
  }
  return 1;
}

/* [-0, +n, m] */
static int push_head(lua_State *L, neap_transfer *t) {
  char *url = NULL;
  char *location = NULL;
  long version = 0;
  neap_curl.curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
  neap_curl.curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &location);
  neap_curl.curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
  lua_pushinteger(L, t->status);
  lua_pushlstring(L, neap_buffer_bytes(&t->head), neap_buffer_length(&t->head));
  lua_pushstring(L, url);
  lua_pushstring(L, location);
  lua_pushstring(L, version == CURL_HTTP_VERSION_2     ? "2"
                    : version == CURL_HTTP_VERSION_1_0 ? "1.0"
                                                       : "1.1");
  return 5;
}

static int k_head(lua_State *L, int status, lua_KContext ctx) {
  neap_transfer *t = check_transfer(L);
  (void)status;
  (void)ctx;
  if (t->running && (!t->streamed || !t->has_head)) {
    return wait_for(L, t, &response_kind, k_head);
  }
  return has_failed(t) && !(t->streamed && t->has_head) ? push_failure(L, t)
                                                        : push_head(L, t);
}

/* transfer:head() -> status, text of the headers, url, where it redirects to or
 * nil, version; or false, code, message, errno
 * waits   until they have come; unless it is streamed, for the body too. */
static int l_head(lua_State *L) {
  return k_head(L, LUA_OK, 0);
}

static int k_read(lua_State *L, int status, lua_KContext ctx) {
  neap_transfer *t = check_transfer(L);
  (void)status;
  (void)ctx;
  size_t length = neap_buffer_length(&t->body);
  if (length > 0) {
    lua_pushlstring(L, neap_buffer_bytes(&t->body), length);
    neap_buffer_drop(&t->body, length);
    neap_transfer_continue(t);
    return 1;
  }
  if (t->running) {
    return wait_for(L, t, &response_kind, k_read);
  }
  if (has_failed(t)) {
    return push_failure(L, t);
  }
  lua_pushnil(L);
  return 1;
}

/* transfer:read() -> string, nil at the end; or false, code, message, errno
 * waits   for bytes. */
static int l_read(lua_State *L) {
  return k_read(L, LUA_OK, 0);
}

static int k_send(lua_State *L, int status, lua_KContext ctx) {
  neap_transfer *t = check_transfer(L);
  (void)status;
  (void)ctx;
  if (t->running && t->input_length > 0) {
    return wait_for(L, t, &send_kind, k_send);
  }
  lua_pushboolean(L, t->running);
  return 1;
}

/* transfer:send(chunk) -> boolean
 * Sends a piece of the body; nil ends it. False: no more is wanted.
 * waits   until it was handed to the system. */
static int l_send(lua_State *L) {
  neap_transfer *t = check_transfer(L);
  size_t length = 0;
  const char *input = luaL_optlstring(L, 2, NULL, &length);
  neap_check_wait(L, neap_runtime_up(L));
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, INPUT_VALUE);
  if (t->running) {
    neap_transfer_feed(t, input, length);
  }
  return k_send(L, LUA_OK, 0);
}

/* transfer:close(): ends it, and whoever waits for it. */
static int l_close(lua_State *L) {
  neap_transfer *t = neap_object_check(L, TYPE_NAME);
  neap_transfer_close(t);
  neap_wake_all(&t->waiters);
  return 0;
}

/* __gc(transfer): nobody waits for it, or the state closes. */
static int l_gc(lua_State *L) {
  neap_transfer_close(lua_touserdata(L, 1));
  return 0;
}

static const luaL_Reg metamethods[] = {
    {"__close", l_close},
    {"__gc",    l_gc   },
    {NULL,      NULL   },
};

static const luaL_Reg methods[] = {
    {"head",  l_head }, /* waits */
    {"read",  l_read }, /* waits */
    {"send",  l_send }, /* waits */
    {"close", l_close},
    {NULL,    NULL   },
};

static const luaL_Reg functions[] = {
    {"start", l_start},
    {NULL,    NULL   },
};

void neap_push_http_client(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 1);
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}

#else

static int l_start(lua_State *L) {
  return luaL_error(L, "neap was built without libcurl, which the client of "
                       "neap.http needs");
}

static const luaL_Reg functions[] = {
    {"start", l_start},
    {NULL,    NULL   },
};

void neap_push_http_client(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 1);
  neap_set_functions(L, rt, functions);
}

#endif
