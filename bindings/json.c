/* SPDX-License-Identifier: MIT */
/* json.c - neap.json: values to JSON and back.
 *
 * Jansson parses: it is strict, has 64-bit integers, bounds the nesting, and is
 * loaded when first used. Writing, which needs no parser, is done here. */
#include <assert.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/alloc.h"
#include "runtime/error.h"
#include "runtime/library.h"

static const char *const ARRAY_NAME = "neap.json.Array";

/* As deep as Jansson goes: what can be read can be written. */
enum { MAX_DEPTH = 2048, STACK_A_LEVEL = 6, NUMBER_SIZE = 40 };

/* ---- decoding ---- */

#ifdef NEAP_JANSSON_FILE

#include <jansson.h>

#define JANSSON(X)                                                             \
  X(json_loadb)                                                                \
  X(json_set_alloc_funcs)                                                      \
  X(json_array_size)                                                           \
  X(json_array_get)                                                            \
  X(json_object_iter)                                                          \
  X(json_object_iter_next)                                                     \
  X(json_object_iter_key)                                                      \
  X(json_object_iter_value)                                                    \
  X(json_string_value)                                                         \
  X(json_string_length)                                                        \
  X(json_integer_value)                                                        \
  X(json_real_value)

static const char *const ARENA_NAME = "neap.json.Arena";
static const char *const jansson_names[] = {JANSSON(NEAP_LIBRARY_NAME) NULL};

static struct { JANSSON(NEAP_LIBRARY_MEMBER) } jansson;

static uv_once_t jansson_once = UV_ONCE_INIT;
static uv_lib_t jansson_library;
static const char *jansson_failure;

typedef union chunk {
  struct {
    union chunk *next;
    size_t size;
  } head;

  max_align_t align;
} chunk;

/* What Jansson makes of one text: many small blocks, all let go at once.
 * Owner: Lua's collector, or the end of decode. */
typedef struct arena {
  chunk *chunks;
  char *next, *end;
} arena;

enum { MIN_CHUNK = 4096, MAX_CHUNK = 1 << 20 };

/* Where the parser of this thread allocates; NULL while none runs. */
static _Thread_local arena *parsing;

static void *arena_take(arena *a, size_t size) {
  size_t align = sizeof(max_align_t);
  assert(size < SIZE_MAX / 2); /* of the order of the text */
  size = (size + align - 1) / align * align;
  if ((size_t)(a->end - a->next) < size) {
    size_t grown = a->chunks == NULL ? MIN_CHUNK : a->chunks->head.size * 2;
    size_t room = grown < MAX_CHUNK ? grown : MAX_CHUNK;
    room = sizeof(chunk) + (room < size ? size : room);
    chunk *c = neap_realloc(NULL, 0, room);
    if (c == NULL) {
      return NULL;
    }
    c->head.next = a->chunks;
    c->head.size = room;
    a->chunks = c;
    a->next = (char *)(c + 1);
    a->end = (char *)c + room;
  }
  void *block = a->next;
  a->next += size;
  return block;
}

static void arena_clear(arena *a) {
  while (a->chunks != NULL) {
    chunk *c = a->chunks;
    a->chunks = c->head.next;
    neap_realloc(c, c->head.size, 0);
  }
  a->next = a->end = NULL;
}

/* Jansson has these two for the whole process, which may use it elsewhere. */
static void *take_block(size_t size) {
  return parsing != NULL ? arena_take(parsing, size) : malloc(size);
}

static void free_block(void *block) {
  if (parsing == NULL) {
    free(block);
  }
}

static void load_jansson(void) {
  jansson_failure = neap_library_load(&jansson_library, NEAP_JANSSON_FILE,
                                      jansson_names, &jansson);
  if (jansson_failure == NULL) {
    jansson.json_set_alloc_funcs(take_block, free_block);
  }
}

static json_t *parse(arena *a, const char *text, size_t length,
                     json_error_t *error) {
  parsing = a;
  json_t *root =
      jansson.json_loadb(text, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, error);
  parsing = NULL;
  return root;
}

/* __gc(arena) */
static int l_arena_gc(lua_State *L) {
  arena_clear(lua_touserdata(L, 1));
  return 0;
}

/* [-0, +1, m] */
static arena *push_arena(lua_State *L) {
  arena *a = lua_newuserdatauv(L, sizeof *a, 0);
  *a = (arena){NULL, NULL, NULL};
  if (luaL_newmetatable(L, ARENA_NAME)) {
    lua_pushcfunction(L, l_arena_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return a;
}

static void push_value(lua_State *L, const json_t *json, int array_class);

/* [-0, +1, m] */
static void push_array(lua_State *L, const json_t *json, int array_class) {
  size_t size = jansson.json_array_size(json);
  lua_createtable(L, (int)(size & INT_MAX), 0); /* a hint */
  for (size_t i = 0; i < size; i++) {
    push_value(L, jansson.json_array_get(json, i), array_class);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_pushvalue(L, array_class);
  lua_setmetatable(L, -2);
}

/* [-0, +1, m] */
static void push_object(lua_State *L, const json_t *json, int array_class) {
  /* The iterator only reads, but its type is not const. */
  union {
    const json_t *given;
    json_t *taken;
  } object = {json};

  lua_newtable(L);
  void *iter = jansson.json_object_iter(object.taken);
  while (iter != NULL) {
    lua_pushstring(L, jansson.json_object_iter_key(iter));
    push_value(L, jansson.json_object_iter_value(iter), array_class);
    lua_rawset(L, -3);
    iter = jansson.json_object_iter_next(object.taken, iter);
  }
}

/* [-0, +1, m] The nesting is bounded by the parser. */
static void push_value(lua_State *L, const json_t *json, int array_class) {
  luaL_checkstack(L, STACK_A_LEVEL, NULL);
  switch (json_typeof(json)) {
  case JSON_OBJECT:
    push_object(L, json, array_class);
    break;
  case JSON_ARRAY:
    push_array(L, json, array_class);
    break;
  case JSON_STRING:
    lua_pushlstring(L, jansson.json_string_value(json),
                    jansson.json_string_length(json));
    break;
  case JSON_INTEGER:
    lua_pushinteger(L, (lua_Integer)jansson.json_integer_value(json));
    break;
  case JSON_REAL:
    lua_pushnumber(L, jansson.json_real_value(json));
    break;
  case JSON_TRUE:
  case JSON_FALSE:
    lua_pushboolean(L, json_typeof(json) == JSON_TRUE);
    break;
  case JSON_NULL:
  default:
    lua_pushlightuserdata(L, NULL);
    break;
  }
}

/* Upvalue 2 is the class. */
static int raise_decode_error(lua_State *L, const json_error_t *error) {
  lua_createtable(L, 0, 4);
  lua_pushfstring(L, "%s (line %d, column %d)", error->text, error->line,
                  error->column);
  lua_setfield(L, -2, "message");
  lua_pushinteger(L, error->line);
  lua_setfield(L, -2, "line");
  lua_pushinteger(L, error->column);
  lua_setfield(L, -2, "column");
  lua_pushinteger(L, error->position);
  lua_setfield(L, -2, "position");
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, -2);
  return lua_error(L);
}

/* decode(text) -> value
 * The value of a JSON text: integers are integers, null is neap.json.null.
 * text    string, UTF-8
 * raises  bad argument; neap.json.DecodeError. */
static int l_decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  uv_once(&jansson_once, load_jansson);
  if (jansson_failure != NULL) {
    return luaL_error(L, "neap.json needs Jansson: %s", jansson_failure);
  }
  json_error_t error = {.line = 1, .text = "a NUL is no part of JSON"};
  arena *a = push_arena(L);
  luaL_getmetatable(L, ARRAY_NAME);
  int array_class = lua_gettop(L);
  bool plain = memchr(text, '\0', length) == NULL;
  json_t *root = plain ? parse(a, text, length, &error) : NULL;
  if (root == NULL) {
    arena_clear(a);
    return raise_decode_error(L, &error);
  }
  push_value(L, root, array_class);
  arena_clear(a);
  return 1;
}

#else

static int l_decode(lua_State *L) {
  return luaL_error(L, "neap was built without Jansson, which neap.json needs");
}

#endif

/* ---- encoding ---- */

/* Text that grows. Its memory is a userdata at a place of the stack. */
typedef struct writer {
  lua_State *L;
  int place;
  char *data;
  size_t length, capacity;
} writer;

static _Noreturn void refuse(lua_State *L, const char *what) {
  luaL_argerror(L, 1, lua_pushfstring(L, "cannot encode %s", what));
  abort(); /* not reached */
}

/* [-0, +0, m] Makes room for so many bytes more. */
static char *prepare(writer *w, size_t size) {
  if (w->capacity - w->length < size) {
    size_t capacity = w->capacity * 2;
    if (capacity < w->length + size) {
      capacity = w->length + size;
    }
    char *data = lua_newuserdatauv(w->L, capacity, 0);
    if (w->length > 0) {
      memcpy(data, w->data, w->length);
    }
    lua_replace(w->L, w->place);
    w->data = data;
    w->capacity = capacity;
  }
  return w->data + w->length;
}

static void add(writer *w, const char *text, size_t length) {
  memcpy(prepare(w, length), text, length);
  w->length += length;
}

static void add_char(writer *w, char c) {
  add(w, &c, 1);
}

static void add_integer(writer *w, lua_Integer value) {
  char text[NUMBER_SIZE];
  int length = snprintf(text, sizeof text, LUA_INTEGER_FMT, value);
  add(w, text, (size_t)length);
}

/* The shortest of the texts that read as the same number; with a fraction or an
 * exponent, so that it reads as a float. */
static void add_float(writer *w, double value) {
  char text[NUMBER_SIZE];
  if (!isfinite(value)) {
    refuse(w->L, "NaN or infinity");
  }
  int digits = 15;
  snprintf(text, sizeof text - 2, "%.*g", digits, value);
  while (digits < 17 && strtod(text, NULL) != value) {
    snprintf(text, sizeof text - 2, "%.*g", ++digits, value);
  }
  if (strpbrk(text, "e") == NULL &&
      strspn(text, "-0123456789") == strlen(text)) {
    strcat(text, ".0"); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy) */
  }
  char *point = strchr(text, localeconv()->decimal_point[0]);
  if (point != NULL) {
    *point = '.';
  }
  add(w, text, strlen(text));
}

/* The Unicode standard, table 3-7: sequences of more than one byte, by the
 * ranges of their first two. */
static const struct utf8_row {
  unsigned char first, first_end, second, second_end, count;
} utf8_rows[] = {
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
};

/* The length of the UTF-8 sequence at the start of `length` bytes, at least
 * one; 0 if it is none. */
static size_t utf8_sequence(const unsigned char *s, size_t length) {
  if (s[0] < 0x80) {
    return 1;
  }
  const struct utf8_row *row = utf8_rows;
  const struct utf8_row *end = row + sizeof utf8_rows / sizeof *utf8_rows;
  while (row < end && (s[0] < row->first || s[0] > row->first_end)) {
    row++;
  }
  if (row == end || row->count > length || s[1] < row->second ||
      s[1] > row->second_end) {
    return 0;
  }
  for (size_t i = 2; i < row->count; i++) {
    if (s[i] < 0x80 || s[i] > 0xBF) {
      return 0;
    }
  }
  return row->count;
}

static void add_escape(writer *w, unsigned char c) {
  static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
  for (size_t i = 0; named[i] != '\0'; i += 2) {
    if ((unsigned char)named[i] == c) {
      add_char(w, '\\');
      add_char(w, named[i + 1]);
      return;
    }
  }
  char text[8];
  int length = snprintf(text, sizeof text, "\\u%04x", c);
  add(w, text, (size_t)length);
}

static void add_string(writer *w, const char *text, size_t length) {
  const unsigned char *s = (const unsigned char *)text;
  size_t begin = 0;
  size_t i = 0;
  add_char(w, '"');
  while (i < length) {
    if (s[i] < 0x20 || s[i] == '"' || s[i] == '\\' || s[i] == 0x7F) {
      add(w, text + begin, i - begin);
      add_escape(w, s[i]);
      begin = ++i;
      continue;
    }
    size_t count = utf8_sequence(s + i, length - i);
    if (count == 0) {
      refuse(w->L, "a string that is not UTF-8");
    }
    i += count;
  }
  add(w, text + begin, length - begin);
  add_char(w, '"');
}

static void add_value(writer *w, int index, int depth);

/* Whether the table at `index` is an array, and of how many. Keys that are
 * neither 1 to n nor all strings are refused: what was meant is not clear. */
static bool is_array(lua_State *L, int index, lua_Integer *size) {
  lua_Integer count = 0;
  lua_Integer last = 0;
  bool strings = false;
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      strings = true;
    } else if (lua_isinteger(L, -1) && lua_tointeger(L, -1) > 0) {
      lua_Integer key = lua_tointeger(L, -1);
      last = key > last ? key : last;
      count++;
    } else {
      refuse(L, lua_pushfstring(L,
                                "a table with a key of type %s that is "
                                "neither a string nor a positive integer",
                                luaL_typename(L, -1)));
    }
  }
  if (last != count) {
    refuse(L, "a sequence with holes (put neap.json.null there)");
  }
  if (strings && count > 0) {
    refuse(L, "a table with both strings and integers as keys");
  }
  *size = count;
  if (strings || count > 0) {
    return !strings;
  }
  bool marked = false;
  if (lua_getmetatable(L, index)) {
    luaL_getmetatable(L, ARRAY_NAME);
    marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  return marked;
}

static void add_table(writer *w, int index, int depth) {
  lua_State *L = w->L;
  lua_Integer size;
  if (depth > MAX_DEPTH) {
    refuse(L, "a table that is nested too deeply, or in itself");
  }
  luaL_checkstack(L, STACK_A_LEVEL, NULL);
  if (is_array(L, index, &size)) {
    add_char(w, '[');
    for (lua_Integer i = 1; i <= size; i++) {
      if (i > 1) {
        add_char(w, ',');
      }
      lua_rawgeti(L, index, i);
      add_value(w, lua_gettop(L), depth);
      lua_pop(L, 1);
    }
    add_char(w, ']');
    return;
  }
  const char *separator = "{";
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    size_t length;
    const char *key = lua_tolstring(L, -2, &length);
    add_char(w, separator[0]);
    add_string(w, key, length);
    add_char(w, ':');
    add_value(w, lua_gettop(L), depth);
    lua_pop(L, 1);
    separator = ",";
  }
  if (separator[0] == '{') {
    add_char(w, '{');
  }
  add_char(w, '}');
}

static void add_value(writer *w, int index, int depth) {
  lua_State *L = w->L;
  size_t length;
  const char *text;
  switch (lua_type(L, index)) {
  case LUA_TTABLE:
    add_table(w, index, depth + 1);
    return;
  case LUA_TSTRING:
    text = lua_tolstring(L, index, &length);
    add_string(w, text, length);
    return;
  case LUA_TNUMBER:
    if (lua_isinteger(L, index)) {
      add_integer(w, lua_tointeger(L, index));
    } else {
      add_float(w, lua_tonumber(L, index));
    }
    return;
  case LUA_TBOOLEAN:
    text = lua_toboolean(L, index) ? "true" : "false";
    break;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, index) != NULL) {
      refuse(L, "a light userdata");
    }
    text = "null";
    break;
  case LUA_TNIL:
    text = "null";
    break;
  default:
    refuse(L, lua_pushfstring(L, "a %s", luaL_typename(L, index)));
  }
  add(w, text, strlen(text));
}

/* encode(value) -> string
 * The JSON text of a value.
 * value   table, string of UTF-8, finite number, boolean, nil or
 *         neap.json.null
 * raises  bad argument: what JSON has no place for. */
static int l_encode(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  lua_pushnil(L);
  writer w = {L, 2, NULL, 0, 0};
  add_value(&w, 1, 0);
  lua_pushlstring(L, w.data, w.length);
  return 1;
}

/* array([table]) -> table
 * Marks a table, so that it is encoded as an array even when it is empty. */
static int l_array(lua_State *L) {
  if (lua_isnoneornil(L, 1)) {
    lua_settop(L, 0);
    lua_newtable(L);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, ARRAY_NAME);
  return 1;
}

static const luaL_Reg functions[] = {
    {"encode", l_encode},
    {"array",  l_array },
    {"decode", NULL    }, /* its upvalue is the class of its errors */
    {NULL,     NULL    },
};

void neap_push_json(lua_State *L, neap_runtime *rt) {
  luaL_newmetatable(L, ARRAY_NAME);
  lua_pop(L, 1);
  lua_createtable(L, 0, 5);
  neap_set_functions(L, rt, functions);
  neap_push_class(L, rt, NEAP_ERROR);
  lua_getfield(L, -1, "extend");
  lua_insert(L, -2);
  lua_pushliteral(L, "JSONDecodeError");
  lua_call(L, 2, 1);
  lua_pushlightuserdata(L, rt);
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, l_decode, 2);
  lua_setfield(L, -3, "decode");
  lua_setfield(L, -2, "DecodeError");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
}
