/* SPDX-License-Identifier: MIT */
/* http_message.c - heads of requests and responses.
 *
 * A head that is accepted must have one reading only: it is made of plain lines,
 * and http_parser, given the same bytes in pieces, finds the same request and
 * the same end. A response's head is what it was asked for, and no header is
 * two. */
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "bindings/neap.h"
#include "fuzz/fuzz.h"
#include "runtime/library.h"

#include <http_parser.h>

enum { READ = 1, WRITE = 2 }; /* functions on the stack */

#define FUNCTIONS(X)                                                           \
  X(http_method_str)                                                           \
  X(http_parser_execute)                                                       \
  X(http_parser_init)

static struct { FUNCTIONS(NEAP_LIBRARY_MEMBER) } lib;

static const char *const names[] = {FUNCTIONS(NEAP_LIBRARY_NAME) NULL};

static lua_State *L;

static int l_open(lua_State *state) {
  luaL_requiref(state, "neap", luaopen_neap, 0);
  neap_push_http_message(state, neap_runtime_of(state));
  lua_getfield(state, -1, "read_request");
  lua_getfield(state, -2, "write_response");
  return 2;
}

static void open_state(void) {
  static uv_lib_t library;
  FUZZ_CHECK(neap_library_load(&library, NEAP_HTTP_PARSER_FILE, names, &lib) ==
                 NULL,
             "no http_parser");
  L = luaL_newstate();
  lua_pushcfunction(L, l_open);
  FUZZ_CHECK(lua_pcall(L, 0, 2, 0) == LUA_OK, lua_tostring(L, -1));
}

void fuzz_end(void) {
  if (L != NULL) {
    lua_close(L);
  }
}

/* ---- what http_parser says, piece by piece ---- */

typedef struct reading {
  http_parser parser;
  char target[8192];
  size_t target_length;
  unsigned headers;
  bool in_name;
  bool complete;
} reading;

static int on_target(http_parser *parser, const char *at, size_t length) {
  reading *r = parser->data;
  FUZZ_CHECK(r->target_length + length <= sizeof r->target, "a long target");
  memcpy(r->target + r->target_length, at, length);
  r->target_length += length;
  return 0;
}

static int on_name(http_parser *parser, const char *at, size_t length) {
  reading *r = parser->data;
  (void)at;
  (void)length;
  r->headers += !r->in_name;
  r->in_name = true;
  return 0;
}

static int on_value(http_parser *parser, const char *at, size_t length) {
  reading *r = parser->data;
  (void)at;
  (void)length;
  r->in_name = false;
  return 0;
}

static int on_complete(http_parser *parser) {
  reading *r = parser->data;
  r->complete = true;
  return 1;
}

/* Returns where it found the end. */
static size_t read_in_pieces(reading *r, enum http_parser_type type,
                             const char *text, size_t length, size_t piece) {
  static const http_parser_settings settings = {
      .on_url = on_target,
      .on_header_field = on_name,
      .on_header_value = on_value,
      .on_headers_complete = on_complete,
  };
  memset(r, 0, sizeof *r);
  lib.http_parser_init(&r->parser, type);
  r->parser.data = r;
  size_t at = 0;
  while (at < length && !r->complete &&
         HTTP_PARSER_ERRNO(&r->parser) == HPE_OK) {
    size_t n = length - at < piece ? length - at : piece;
    at += lib.http_parser_execute(&r->parser, &settings, text + at, n);
  }
  return at;
}

/* ---- requests ---- */

/* Every CR is before an LF, every LF behind a CR; no other control character
 * than TAB; the only empty line is the last. */
static void check_plain(const char *text, size_t length) {
  bool empty = true;
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '\n') {
      FUZZ_CHECK(i > 0 && text[i - 1] == '\r', "a bare LF");
      FUZZ_CHECK(!empty || i + 1 == length, "an empty line");
      empty = true;
    } else if (c == '\r') {
      FUZZ_CHECK(i + 1 < length && text[i + 1] == '\n', "a bare CR");
    } else {
      FUZZ_CHECK((c >= 0x20 || c == '\t') && c != 0x7f, "a control character");
      FUZZ_CHECK(!empty || (c != ' ' && c != '\t'), "a folded line");
      empty = false;
    }
  }
}

static const char *field(const char *name, size_t *length) {
  lua_getfield(L, -1, name);
  const char *text = lua_tolstring(L, -1, length);
  lua_pop(L, 1); /* the table keeps it */
  return text;
}

static void check_framing(void) {
  lua_getfield(L, -1, "headers");
  bool has_length = lua_getfield(L, -1, "content-length") != LUA_TNIL;
  bool has_encoding = lua_getfield(L, -2, "transfer-encoding") != LUA_TNIL;
  lua_pop(L, 3);
  bool chunked =
      lua_getfield(L, -1, "chunked") != LUA_TNIL && lua_toboolean(L, -1);
  bool counted = lua_getfield(L, -2, "length") != LUA_TNIL;
  lua_Integer count = lua_tointeger(L, -1);
  lua_pop(L, 2);
  FUZZ_CHECK(!(has_length && has_encoding), "both lengths");
  FUZZ_CHECK(chunked == has_encoding, "an encoding that is not understood");
  FUZZ_CHECK(counted == has_length && count >= 0, "a length that is not one");
}

static void check_request(const char *text, size_t length, size_t piece) {
  static reading r;
  size_t target_length;
  size_t end = read_in_pieces(&r, HTTP_REQUEST, text, length, piece);
  const char *target = field("target", &target_length);
  check_plain(text, length);
  FUZZ_CHECK(r.complete, "http_parser sees no request");
  FUZZ_CHECK(end + 1 >= length, "http_parser ends before");
  FUZZ_CHECK(target_length == r.target_length &&
                 memcmp(target, r.target, target_length) == 0,
             "another target");
  FUZZ_CHECK(
      strcmp(field("method", NULL), lib.http_method_str(r.parser.method)) == 0,
      "another method");
  check_framing();
}

static void read_request(fuzz_bytes bytes, size_t piece) {
  const char *text = (const char *)bytes.data;
  lua_settop(L, WRITE);
  lua_pushvalue(L, READ);
  lua_pushlstring(L, text, bytes.size);
  FUZZ_CHECK(lua_pcall(L, 1, 3, 0) == LUA_OK, lua_tostring(L, -1));
  if (lua_isnil(L, -3)) {
    lua_Integer status = lua_tointeger(L, -2);
    FUZZ_CHECK(status == 400 || status == 431 || status == 501 || status == 505,
               "a refusal without its status");
    FUZZ_CHECK(lua_type(L, -1) == LUA_TSTRING, "a refusal without a reason");
    return;
  }
  lua_pop(L, 2);
  check_request(text, bytes.size, piece);
}

/* ---- responses ---- */

static void push_bytes(fuzz_bytes bytes) {
  lua_pushlstring(L, (const char *)bytes.data, bytes.size);
}

/* A table of headers; some have several values. Returns how many lines it has,
 * at most: some names are equal but for case, others are not for handlers. */
static unsigned push_headers(fuzz_bytes *bytes) {
  unsigned lines = 0;
  lua_newtable(L);
  while (bytes->size > 0) {
    unsigned values = fuzz_byte(bytes) % 3;
    push_bytes(fuzz_take(bytes, fuzz_byte(bytes) % 24));
    if (values == 0) {
      push_bytes(fuzz_take(bytes, fuzz_byte(bytes) % 24));
      values = 1;
    } else {
      lua_createtable(L, (int)values, 0);
      for (unsigned i = 1; i <= values; i++) {
        push_bytes(fuzz_take(bytes, fuzz_byte(bytes) % 24));
        lua_rawseti(L, -2, i);
      }
    }
    lua_rawset(L, -3);
    lines += values;
  }
  return lines;
}

static void write_response(fuzz_bytes bytes, size_t piece) {
  static reading r;
  size_t length;
  lua_Integer status = 100 + fuzz_byte(&bytes) * 4;
  lua_settop(L, WRITE);
  lua_pushvalue(L, WRITE);
  lua_pushinteger(L, status);
  unsigned lines = push_headers(&bytes);
  /* Not with a length, since http_parser takes "transfer-encoding%" for
   * Transfer-Encoding and then refuses one. */
  lua_pushliteral(L, "connection: close\r\n");
  if (lua_pcall(L, 3, 1, 0) != LUA_OK) {
    return; /* a name or a value that cannot be */
  }
  const char *text = lua_tolstring(L, -1, &length);
  check_plain(text, length);
  size_t end = read_in_pieces(&r, HTTP_RESPONSE, text, length, piece);
  FUZZ_CHECK(r.complete && end + 1 >= length, "http_parser sees no response");
  FUZZ_CHECK(r.parser.status_code == (unsigned)status, "another status");
  FUZZ_CHECK(r.headers <= lines + 2, "a header that nobody asked for");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (L == NULL) {
    open_state();
  }
  fuzz_bytes bytes = {data, size};
  uint8_t what = fuzz_byte(&bytes);
  size_t piece = (size_t)what / 2 + 1;
  if (what % 2 == 0) {
    read_request(bytes, piece);
  } else {
    write_response(bytes, piece);
  }
  return 0;
}
