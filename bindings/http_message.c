/* SPDX-License-Identifier: MIT */
/* http_message.c - heads of HTTP/1 messages, read and written: what
 * neap/http_server.lua needs of C.
 *
 * The parser is http_parser. It is lenient where two programs that read the
 * same bytes could disagree about where a request ends; `find_flaw` refuses
 * such heads first (RFC 9112, sections 2.2, 3, 5 and 6). */
#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"

#ifdef NEAP_HTTP_PARSER_FILE

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <http_parser.h>

#include "runtime/library.h"

#define FUNCTIONS(X)                                                           \
  X(http_errno_description)                                                    \
  X(http_method_str)                                                           \
  X(http_parser_execute)                                                       \
  X(http_parser_init)                                                          \
  X(http_should_keep_alive)                                                    \
  X(http_status_str)

static struct { FUNCTIONS(NEAP_LIBRARY_MEMBER) } lib;

static const char *const names[] = {FUNCTIONS(NEAP_LIBRARY_NAME) NULL};

static uv_lib_t library;
static uv_once_t loaded = UV_ONCE_INIT;
static const char *load_error;

static void load(void) {
  load_error = neap_library_load(&library, NEAP_HTTP_PARSER_FILE, names, &lib);
}

/* A request with more headers is refused. */
#define MAX_HEADERS 128

typedef struct slice {
  const char *start;
  size_t length;
} slice;

typedef struct head {
  http_parser parser;
  slice target;
  slice names[MAX_HEADERS];
  slice values[MAX_HEADERS];
  size_t count;
  bool in_value; /* the last thing seen of a header was its value */
  bool complete;
  bool too_many;
} head;

/* ---- what http_parser would let through ---- */

static bool is_token_char(char c) {
  return isalnum((unsigned char)c) ||
         (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* "GET /path HTTP/1.1": two single spaces, and nothing odd between them. */
static bool is_request_line(const char *line, const char *end) {
  int spaces = 0;
  for (const char *p = line; p < end; p++) {
    spaces += *p == ' ';
    if (*p == ' ' ? p == line || p[-1] == ' ' : (unsigned char)*p <= 0x20) {
      return false;
    }
    if (*p == 0x7f) {
      return false;
    }
  }
  return spaces == 2 && end - line >= 10 && memcmp(end - 9, " HTTP/", 6) == 0;
}

/* "Name: value", no space before the colon, no control characters. */
static bool is_header_line(const char *line, const char *end) {
  const char *p = line;
  while (p < end && is_token_char(*p)) {
    p++;
  }
  if (p == line || p == end || *p != ':') {
    return false;
  }
  for (; p < end; p++) {
    if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f) {
      return false;
    }
  }
  return true;
}

/* Why a head is refused, or NULL. It ends in an empty line. */
static const char *find_flaw(const char *text, size_t length) {
  const char *end = text + length;
  const char *line = text;
  bool first = true;
  while (line < end) {
    const char *lf = memchr(line, '\n', (size_t)(end - line));
    if (lf == NULL || lf == line || lf[-1] != '\r') {
      return "a line does not end in CR LF";
    }
    const char *line_end = lf - 1;
    if (line_end == line) {
      return first || lf + 1 != end ? "an empty line in the head" : NULL;
    }
    if (first ? !is_request_line(line, line_end)
              : !is_header_line(line, line_end)) {
      return first ? "malformed request line" : "malformed header line";
    }
    first = false;
    line = lf + 1;
  }
  return "the head does not end in an empty line";
}

/* ---- http_parser's callbacks: they keep slices of the text ---- */

static int on_target(http_parser *parser, const char *at, size_t length) {
  head *h = parser->data;
  h->target = (slice){at, length};
  return 0;
}

static int on_name(http_parser *parser, const char *at, size_t length) {
  head *h = parser->data;
  if (h->count == MAX_HEADERS) {
    h->too_many = true;
    return 1;
  }
  h->names[h->count] = (slice){at, length};
  h->values[h->count++] = (slice){at + length, 0};
  return 0;
}

static int on_value(http_parser *parser, const char *at, size_t length) {
  head *h = parser->data;
  while (length > 0 && (at[length - 1] == ' ' || at[length - 1] == '\t')) {
    length--;
  }
  h->values[h->count - 1] = (slice){at, length};
  return 0;
}

/* Its result says that no body follows: bodies are read elsewhere. */
static int on_complete(http_parser *parser) {
  head *h = parser->data;
  h->complete = true;
  return 1;
}

/* ---- a request's head as a table ---- */

static bool is_named(slice name, const char *lower) {
  size_t length = strlen(lower);
  if (name.length != length) {
    return false;
  }
  for (size_t i = 0; i < length; i++) {
    if (tolower((unsigned char)name.start[i]) != lower[i]) {
      return false;
    }
  }
  return true;
}

static size_t count_named(const head *h, const char *lower, slice *last) {
  size_t count = 0;
  for (size_t i = 0; i < h->count; i++) {
    if (is_named(h->names[i], lower)) {
      *last = h->values[i];
      count++;
    }
  }
  return count;
}

/* 0, or the status that refuses the request. */
static int check_semantics(const head *h, bool *chunked) {
  slice value = {"", 0};
  size_t hosts = count_named(h, "host", &value);
  if (hosts > 1 || (hosts == 0 && h->parser.http_minor > 0)) {
    return 400;
  }
  size_t encodings = count_named(h, "transfer-encoding", &value);
  *chunked = encodings > 0;
  if (encodings == 0) {
    return 0;
  }
  if (encodings > 1 || h->parser.http_minor == 0) {
    return 400;
  }
  return is_named(value, "chunked") ? 0 : 501;
}

static void push_lower(lua_State *L, slice name) {
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, name.length);
  for (size_t i = 0; i < name.length; i++) {
    out[i] = (char)tolower((unsigned char)name.start[i]);
  }
  luaL_pushresultsize(&b, name.length);
}

/* [-0, +1, m] { ["content-type"] = value }; those that are repeated are joined
 * by ", ", cookies by "; " (RFC 9110, 5.3; RFC 6265, 5.4). */
static void push_headers(lua_State *L, const head *h) {
  lua_createtable(L, 0, (int)h->count);
  for (size_t i = 0; i < h->count; i++) {
    push_lower(L, h->names[i]);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushlstring(L, h->values[i].start, h->values[i].length);
    } else {
      lua_pushstring(L, is_named(h->names[i], "cookie") ? "; " : ", ");
      lua_pushlstring(L, h->values[i].start, h->values[i].length);
      lua_concat(L, 3);
    }
    lua_rawset(L, -3);
  }
}

static void set_boolean(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void push_request(lua_State *L, const head *h, bool chunked) {
  slice expect = {"", 0};
  lua_createtable(L, 0, 16);
  lua_pushstring(L, lib.http_method_str(h->parser.method));
  lua_setfield(L, -2, "method");
  lua_pushlstring(L, h->target.start, h->target.length);
  lua_setfield(L, -2, "target");
  lua_pushstring(L, h->parser.http_minor == 0 ? "1.0" : "1.1");
  lua_setfield(L, -2, "version");
  push_headers(L, h);
  lua_setfield(L, -2, "headers");
  set_boolean(L, "keep_alive", lib.http_should_keep_alive(&h->parser) != 0);
  set_boolean(L, "chunked", chunked);
  set_boolean(L, "expects_continue",
              h->parser.http_minor > 0 &&
                  count_named(h, "expect", &expect) > 0 &&
                  is_named(expect, "100-continue"));
  if (!chunked && h->parser.content_length != UINT64_MAX) {
    lua_pushinteger(L, (lua_Integer)h->parser.content_length);
    lua_setfield(L, -2, "length");
  }
}

static int push_refusal(lua_State *L, int status, const char *why) {
  lua_pushnil(L);
  lua_pushinteger(L, status);
  lua_pushstring(L, why);
  return 3;
}

/* read_request(head) -> request, or nil, status, reason
 * head  the text up to and with its empty line */
static int l_read_request(lua_State *L) {
  size_t length = 0;
  const char *text = luaL_checklstring(L, 1, &length);
  const char *flaw = find_flaw(text, length);
  if (flaw != NULL) {
    return push_refusal(L, 400, flaw);
  }
  static const http_parser_settings settings = {
      .on_url = on_target,
      .on_header_field = on_name,
      .on_header_value = on_value,
      .on_headers_complete = on_complete,
  };
  head h;
  h.count = 0;
  h.complete = h.too_many = false;
  h.target = (slice){"", 0};
  lib.http_parser_init(&h.parser, HTTP_REQUEST);
  h.parser.data = &h;
  lib.http_parser_execute(&h.parser, &settings, text, length);
  if (h.too_many) {
    return push_refusal(L, 431, "too many headers");
  }
  if (!h.complete) {
    enum http_errno error = HTTP_PARSER_ERRNO(&h.parser);
    return push_refusal(L, error == HPE_INVALID_METHOD ? 501 : 400,
                        lib.http_errno_description(error));
  }
  if (h.parser.http_major != 1) {
    return push_refusal(L, 505, "the version is not HTTP/1");
  }
  bool chunked = false;
  int status = check_semantics(&h, &chunked);
  if (status != 0) {
    return push_refusal(L, status,
                        status == 400 ? "the headers contradict each other"
                                      : "a transfer encoding but chunked");
  }
  push_request(L, &h, chunked);
  return 1;
}

/* ---- a response's head as text ---- */

/* Upvalue 2 of write_response: the Date header of this second. */
typedef struct date {
  time_t at;
  char text[48];
} date;

static const char *date_header(date *d) {
  time_t now = time(NULL);
  if (now != d->at) {
    /* Not strftime: its names are the locale's. */
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;
    gmtime_r(&now, &t);
    snprintf(d->text, sizeof d->text,
             "date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
             days + 3L * t.tm_wday, t.tm_mday, months + 3L * t.tm_mon,
             t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    d->at = now;
  }
  return d->text;
}

static bool is_token(slice name) {
  for (size_t i = 0; i < name.length; i++) {
    if (!is_token_char(name.start[i])) {
      return false;
    }
  }
  return name.length > 0;
}

static bool is_field_value(slice value) {
  for (size_t i = 0; i < value.length; i++) {
    unsigned char c = (unsigned char)value.start[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) {
      return false;
    }
  }
  return true;
}

/* Headers that only the server can say. */
static bool is_servers(slice name) {
  return is_named(name, "connection") || is_named(name, "keep-alive") ||
         is_named(name, "transfer-encoding") ||
         is_named(name, "content-length");
}

/* [-0, +1, v] Pushes "name: value\r\n" for the string `name` and the value at
 * `index`. */
static void push_header(lua_State *L, slice name, int index) {
  slice value = {NULL, 0};
  if (lua_type(L, index) == LUA_TNUMBER || lua_type(L, index) == LUA_TSTRING) {
    value.start = lua_tolstring(L, index, &value.length);
  } else {
    luaL_error(L, "header '%s': string or number expected, got %s", name.start,
               luaL_typename(L, index));
  }
  if (!is_token(name)) {
    luaL_error(L, "'%s' is not the name of a header", name.start);
  }
  if (!is_field_value(value)) {
    luaL_error(L, "header '%s': its value has a control character", name.start);
  }
  lua_pushfstring(L, "%s: %s\r\n", name.start, value.start);
}

/* [-0, +1, v] Pushes the lines for the header at -2 with the value, or the
 * sequence of values, at -1. */
static void push_header_lines(lua_State *L) {
  slice name = {NULL, 0};
  if (lua_type(L, -2) != LUA_TSTRING) {
    luaL_error(L, "a header's name is a %s", luaL_typename(L, -2));
  }
  name.start = lua_tolstring(L, -2, &name.length);
  if (is_servers(name)) {
    lua_pushliteral(L, "");
  } else if (lua_istable(L, -1)) {
    int values = lua_gettop(L);
    int count = (int)luaL_len(L, values);
    luaL_checkstack(L, count + 2, "too many values of a header");
    for (int i = 1; i <= count; i++) {
      lua_geti(L, values, i);
      push_header(L, name, lua_gettop(L));
      lua_remove(L, -2);
    }
    lua_concat(L, count);
  } else {
    push_header(L, name, lua_gettop(L));
  }
}

/* [-0, +0, m] Whether the table at `index` has a header of that name. */
static bool has_header(lua_State *L, int index, const char *lower) {
  if (lua_isnil(L, index)) {
    return false;
  }
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      slice name = {NULL, 0};
      name.start = lua_tolstring(L, -1, &name.length);
      if (is_named(name, lower)) {
        lua_pop(L, 1);
        return true;
      }
    }
  }
  return false;
}

/* write_response(status, headers, framing) -> head
 * headers  table: value or sequence of values by name; nil
 * framing  the lines about the body and the connection */
static int l_write_response(lua_State *L) {
  int status = (int)luaL_checkinteger(L, 1);
  luaL_argcheck(L, status >= 100 && status <= 999, 1, "not a status");
  luaL_checkstring(L, 3);
  lua_settop(L, 3);
  const char *reason = lib.http_status_str((enum http_status)status);
  /* A proxy's handler passes on the date of the response that it got. */
  bool dated = has_header(L, 2, "date");
  lua_pushfstring(
      L, "HTTP/1.1 %d %s\r\n%s", status, reason[0] == '<' ? "" : reason,
      dated ? "" : date_header(lua_touserdata(L, lua_upvalueindex(2))));
  int pieces = 1;
  if (!lua_isnil(L, 2)) {
    lua_pushnil(L);
    while (lua_next(L, 2)) {
      luaL_checkstack(L, 8, "too many headers");
      push_header_lines(L);
      lua_insert(L, -3); /* below the key, which lua_next wants on the top */
      lua_pop(L, 1);
      pieces++;
    }
  }
  lua_pushvalue(L, 3);
  lua_pushliteral(L, "\r\n");
  lua_concat(L, pieces + 2);
  return 1;
}

void neap_push_http_message(lua_State *L, neap_runtime *rt) {
  uv_once(&loaded, load);
  if (load_error != NULL) {
    luaL_error(L, "the HTTP server needs http_parser: %s", load_error);
  }
  lua_createtable(L, 0, 2);
  neap_push_function(L, rt, l_read_request);
  lua_setfield(L, -2, "read_request");
  lua_pushlightuserdata(L, rt);
  date *d = lua_newuserdatauv(L, sizeof *d, 0);
  d->at = (time_t)-1;
  lua_pushcclosure(L, l_write_response, 2);
  lua_setfield(L, -2, "write_response");
}

#else

void neap_push_http_message(lua_State *L, neap_runtime *rt) {
  (void)rt;
  luaL_error(L, "neap was built without http_parser, which its HTTP server "
                "needs");
}

#endif
