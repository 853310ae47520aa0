/* SPDX-License-Identifier: MIT */
#include "runtime/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "runtime/class.h"
#include "runtime/future.h"
#include "runtime/task.h"
#include "runtime/text.h"

static const char *const class_names[NEAP_CLASS_COUNT] = {
    /* ORDER neap_class */
    "Error",
    "CancelledError",
    "TimeoutError",
    "InvalidStateError",
    "ExceptionGroup",
    "QueueEmpty",
    "QueueFull",
    "QueueShutDown",
    "BrokenBarrierError",
    "IncompleteReadError",
    "LimitOverrunError",
    "DeadlockError",
    "OSError",
    "ProcessError",
};

/* Stack slots that luaL_traceback may need; levels of a brief traceback. */
enum { TRACEBACK_STACK = 20, BRIEF_LEVELS = 8 };

const char *neap_class_name(neap_class class_id) {
  return class_names[class_id];
}

/* ---- instances ---- */

/* [-1, +0, m] Makes the class on the top the metatable of the table below. No
 * restricted script gets a finalizer that way: no limit would end it. */
static void set_class(lua_State *L, neap_runtime *rt) {
  if (rt->restricted) {
    lua_pushliteral(L, "__gc");
    lua_pushnil(L);
    lua_rawset(L, -3);
  }
  lua_setmetatable(L, -2);
}

void neap_error_new(lua_State *L, neap_runtime *rt, neap_class class_id) {
  lua_createtable(L, 0, 3);
  lua_insert(L, -2);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushliteral(L, "");
  }
  lua_setfield(L, -2, "message");
  neap_push_class(L, rt, class_id);
  set_class(L, rt);
}

int neap_raise(lua_State *L, neap_runtime *rt, neap_class class_id,
               const char *format, ...) {
  va_list args;
  va_start(args, format);
  lua_pushvfstring(L, format, args);
  va_end(args);
  neap_error_new(L, rt, class_id);
  return lua_error(L);
}

/* error_tostring(err): "Name: message", or the name alone. */
static int l_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "name");
  const char *name = lua_tostring(L, -1);
  lua_getfield(L, 1, "message");
  size_t length = 0;
  const char *message = lua_tolstring(L, -1, &length);
  if (message == NULL || length == 0) {
    lua_pushstring(L, name == NULL ? "Error" : name);
  } else {
    lua_pushstring(L, name == NULL ? "Error" : name);
    lua_pushliteral(L, ": ");
    lua_pushvalue(L, -3);
    lua_concat(L, 3);
  }
  return 1;
}

/* Class(message) or Class{message =, cause =, ...}: makes an instance. */
static int l_construct(lua_State *L) {
  if (!neap_is_class(L, neap_runtime_up(L), 1)) {
    return luaL_error(L, "attempt to call an error object");
  }
  lua_settop(L, 2);
  if (lua_istable(L, 2)) {
    lua_createtable(L, 0, 4);
    lua_pushnil(L);
    while (lua_next(L, 2) != 0) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      lua_rawset(L, -4);
    }
    if (lua_getfield(L, -1, "message") == LUA_TNIL) {
      lua_pushliteral(L, "");
      lua_setfield(L, -3, "message");
    }
    lua_pop(L, 1);
  } else {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, luaL_optstring(L, 2, ""));
    lua_setfield(L, -2, "message");
  }
  lua_pushvalue(L, 1);
  set_class(L, neap_runtime_up(L));
  return 1;
}

/* ---- classes ---- */

/* [-0, +0, m] Sets the functions that make the table on the top a metatable of
 * instances and of derived classes. `tostring` is on the top. */
static void set_metamethods(lua_State *L, neap_runtime *rt) {
  lua_setfield(L, -2, "__tostring");
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, l_construct, 1);
  lua_setfield(L, -2, "__call");
}

/* [-0, +1, m] Pushes a new class, derived from the one at `parent` (0: from
 * nothing). A class is the metatable of its instances, and its own metatable is
 * the class it derives from. */
static void push_new_class(lua_State *L, neap_runtime *rt, const char *name,
                           int parent) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "name");
  lua_setfield(L, -2, "__name");
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  if (parent != 0) {
    lua_getfield(L, parent, "__tostring");
    set_metamethods(L, rt);
    lua_pushvalue(L, parent);
    set_class(L, rt);
  } else {
    lua_pushcfunction(L, l_tostring);
    set_metamethods(L, rt);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, l_tostring);
    set_metamethods(L, rt);
    lua_setmetatable(L, -2);
  }
  neap_class_add(L, rt, parent);
}

/* Error:extend(name) -> class
 * Derives a class.
 * name     string
 * raises   bad argument; self is no error class. */
static int l_extend(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  luaL_argexpected(L, neap_is_class(L, rt, 1), 1, "error class");
  push_new_class(L, rt, luaL_checkstring(L, 2), 1);
  return 1;
}

void neap_errors_open(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 2);
  rt->outside_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushboolean(L, 0);
  rt->brief_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  neap_classes_open(L, rt);
  push_new_class(L, rt, class_names[NEAP_ERROR], 0);
  int root = lua_gettop(L);
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, l_extend, 1);
  lua_setfield(L, root, "extend");
  for (int i = NEAP_ERROR + 1; i < NEAP_CLASS_COUNT; i++) {
    push_new_class(L, rt, class_names[i], root);
    neap_class_set(L, rt, (neap_class)i);
  }
  neap_class_set(L, rt, NEAP_ERROR);
}

/* ---- tracebacks ---- */

static void add_level(neap_text *text, const lua_Debug *ar) {
  if (ar->currentline <= 0) {
    neap_text_add(text, "\n\t[C]: in ?");
    return;
  }
  neap_text_add(text, "\n\t");
  neap_text_add(text, ar->short_src);
  neap_text_add(text, ":");
  neap_text_add_number(text, (uint64_t)ar->currentline);
  if (*ar->what == 'm') {
    neap_text_add(text, ": in main chunk");
    return;
  }
  neap_text_add(text, ": in function <");
  neap_text_add(text, ar->short_src);
  neap_text_add(text, ":");
  neap_text_add_number(text, (uint64_t)ar->linedefined);
  neap_text_add(text, ">");
}

/* [-0, +1, m] Pushes a traceback without names of functions: those are looked
 * up in all loaded modules, which is most of the cost of a cancellation. Many
 * are cancelled at one place, so the last text is kept. */
static void push_brief_traceback(lua_State *L, neap_runtime *rt) {
  char space[(2 * LUA_IDSIZE + 64) * BRIEF_LEVELS];
  neap_text text = {space, space + sizeof space};
  neap_text_add(&text, "stack traceback:");
  lua_Debug ar;
  for (int level = 1; level <= BRIEF_LEVELS && lua_getstack(L, level, &ar);
       level++) {
    lua_getinfo(L, "Sl", &ar);
    add_level(&text, &ar);
  }
  size_t length = (size_t)(text.at - space);
  if (length == rt->brief_length && memcmp(space, rt->brief, length) == 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->brief_ref);
    return;
  }
  const char *brief = lua_pushlstring(L, space, length);
  lua_pushvalue(L, -1);
  lua_rawseti(L, LUA_REGISTRYINDEX, rt->brief_ref);
  rt->brief = brief;
  rt->brief_length = length;
}

/* [-0, +0, m] Notes the stack beside the running task, or for all that runs
 * outside of tasks, for a value that cannot carry it: a string, say. */
static void note_beside_task(lua_State *L, neap_runtime *rt) {
  if (rt->current != NULL) {
    neap_push_future(L, &rt->current->future);
    neap_future_push_extras(L, &rt->current->future, -1);
  } else {
    lua_pushnil(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->outside_ref);
  }
  lua_getfield(L, -1, "raised");
  bool noted = lua_rawequal(L, -1, 1);
  lua_pop(L, 1);
  if (!noted) {
    luaL_traceback(L, L, NULL, 1);
    lua_setfield(L, -2, "traceback");
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "raised");
  }
  lua_pop(L, 2);
}

int neap_traceback_handler(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (!lua_checkstack(L, TRACEBACK_STACK)) {
    return 1; /* the error comes first */
  }
  lua_settop(L, 1);
  bool is_brief = neap_error_is(L, rt, 1, NEAP_CANCELLED_ERROR);
  if (!is_brief && !neap_error_is(L, rt, 1, NEAP_ERROR)) {
    note_beside_task(L, rt);
    return 1;
  }
  lua_pushliteral(L, "traceback");
  lua_pushvalue(L, 2);
  if (lua_rawget(L, 1) == LUA_TNIL) {
    lua_pop(L, 1);
    if (is_brief) {
      push_brief_traceback(L, rt);
    } else {
      luaL_traceback(L, L, NULL, 1);
    }
    lua_rawset(L, 1);
  }
  lua_settop(L, 1);
  return 1;
}

void neap_push_error_traceback(lua_State *L, neap_runtime *rt, int index,
                               int future_index) {
  index = lua_absindex(L, index);
  if (neap_error_is(L, rt, index, NEAP_ERROR)) {
    lua_pushliteral(L, "traceback");
    if (lua_rawget(L, index) == LUA_TSTRING) {
      return;
    }
    lua_pop(L, 1);
  }
  if (future_index != 0) {
    neap_future *future = neap_to_future(L, rt, future_index);
    neap_future_push_extra(L, future, future_index, "raised");
    bool noted = !lua_isnil(L, -1) && lua_rawequal(L, -1, index);
    lua_pop(L, 1);
    if (noted) {
      neap_future_push_extra(L, future, future_index, "traceback");
      return;
    }
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, rt->outside_ref);
    lua_getfield(L, -1, "raised");
    if (!lua_isnil(L, -1) && lua_rawequal(L, -1, index)) {
      lua_pop(L, 1);
      lua_getfield(L, -1, "traceback");
      lua_replace(L, -2);
      return;
    }
    lua_pop(L, 2);
  }
  lua_pushnil(L);
}

/* ---- texts ---- */

static int l_tolstring(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* [-0, +1, m] Pushes a string field without asking a metamethod; or nil. */
static void push_raw_string(lua_State *L, int index, const char *key) {
  lua_pushstring(L, key);
  if (lua_rawget(L, index) != LUA_TSTRING) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
}

/* [-0, +1, m] With limits: a text that needs no function of the script, which
 * might not return. */
static void push_raw_message(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TNUMBER) {
    luaL_tolstring(L, index, NULL);
    return;
  }
  if (lua_istable(L, index) && lua_getmetatable(L, index)) {
    push_raw_string(L, lua_gettop(L), "name");
    push_raw_string(L, index, "message");
    if (lua_isstring(L, -1) && lua_isstring(L, -2)) {
      bool empty = lua_rawlen(L, -1) == 0;
      lua_pushfstring(L, "%s%s%s", lua_tostring(L, -2), empty ? "" : ": ",
                      lua_tostring(L, -1));
      lua_replace(L, -4);
      lua_pop(L, 2);
      return;
    }
    lua_pop(L, 3);
  }
  lua_pushfstring(L, "(error object is a %s value)",
                  lua_typename(L, lua_type(L, index)));
}

void neap_push_error_message(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (lua_type(L, index) == LUA_TSTRING) {
    lua_pushvalue(L, index);
    return;
  }
  if (neap_runtime_of(L)->limits.on) {
    push_raw_message(L, index);
    return;
  }
  bool has_text = lua_type(L, index) == LUA_TNUMBER;
  if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
    lua_pop(L, 1);
    has_text = true;
  }
  if (has_text) {
    lua_pushcfunction(L, l_tolstring);
    lua_pushvalue(L, index);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
      return;
    }
    lua_pop(L, 1);
  }
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
}

enum { MAX_NESTED = 10 };

static void push_text(lua_State *L, neap_runtime *rt, int index,
                      int future_index, int depth);

/* [-2, +1, m] Replaces the text so far and the error above it by the text with
 * the error's own, indented, under a title. */
static void append_error(lua_State *L, neap_runtime *rt, const char *title,
                         int future_index, int depth) {
  push_text(L, rt, lua_gettop(L), future_index, depth + 1);
  luaL_gsub(L, lua_tostring(L, -1), "\n", "\n  ");
  lua_pushfstring(L, "%s\n%s:\n  %s", lua_tostring(L, -4), title,
                  lua_tostring(L, -1));
  lua_replace(L, -5);
  lua_pop(L, 3);
}

/* [-1, +1, m] Adds, to the text on the top, what an error object carries: its
 * cause, and the errors of a group. */
static void append_carried(lua_State *L, neap_runtime *rt, int index,
                           int depth) {
  lua_pushliteral(L, "cause");
  if (lua_rawget(L, index) != LUA_TNIL) {
    append_error(L, rt, "caused by", 0, depth);
  } else {
    lua_pop(L, 1);
  }
  lua_pushliteral(L, "errors");
  lua_Integer count = 0;
  if (lua_rawget(L, index) == LUA_TTABLE) {
    count = (lua_Integer)lua_rawlen(L, -1);
  }
  lua_insert(L, -2);
  lua_pushliteral(L, "tasks"); /* the task that each error has ended */
  lua_rawget(L, index);
  lua_insert(L, -2); /* errors, tasks, text */
  int errors = lua_gettop(L) - 2;
  for (lua_Integer i = 1; i <= count; i++) {
    char title[64];
    snprintf(title, sizeof title, "error %lld of %lld", (long long)i,
             (long long)count);
    if (lua_istable(L, errors + 1)) {
      lua_rawgeti(L, errors + 1, i);
    } else {
      lua_pushnil(L);
    }
    lua_insert(L, errors + 2); /* below the text */
    bool is_future = neap_to_future(L, rt, errors + 2) != NULL;
    lua_rawgeti(L, errors, i);
    append_error(L, rt, title, is_future ? errors + 2 : 0, depth);
    lua_remove(L, errors + 2);
  }
  lua_replace(L, errors);
  lua_settop(L, errors);
}

static void push_text(lua_State *L, neap_runtime *rt, int index,
                      int future_index, int depth) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_push_error_message(L, index);
  neap_push_error_traceback(L, rt, index, future_index);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
  } else {
    lua_pushfstring(L, "%s\n%s", lua_tostring(L, -2), lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
  if (depth < MAX_NESTED && neap_error_is(L, rt, index, NEAP_ERROR)) {
    append_carried(L, rt, index, depth);
  }
}

void neap_push_full_error(lua_State *L, neap_runtime *rt, int index,
                          int future_index) {
  push_text(L, rt, lua_absindex(L, index), future_index, 0);
}
