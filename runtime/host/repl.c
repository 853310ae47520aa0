/* SPDX-License-Identifier: MIT */
/* repl.c - lua.c's interactive mode, where each chunk may wait. Between chunks
 * the loop stands still: what a chunk leaves behind is cancelled. */
#include "runtime/host/repl.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "runtime/host/run.h"

/* What push_chunk found. */
typedef enum chunk_kind {
  CHUNK_LOADED, /* a function is on the stack */
  CHUNK_BAD,    /* a message is */
  CHUNK_NONE,   /* the input has ended */
} chunk_kind;

/* ---- lines ---- */

static void show_prompt(lua_State *L, const char *global, const char *prompt) {
  int top = lua_gettop(L);
  if (lua_getglobal(L, global) != LUA_TNIL) {
    prompt = luaL_tolstring(L, -1, NULL);
  }
  fputs(prompt, stdout);
  fflush(stdout);
  lua_settop(L, top);
}

/* [-0, +1 | +0, m] Pushes a line without its end; false at the end of input. */
static bool push_line(lua_State *L) {
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (;;) {
    char *space = luaL_prepbuffer(&line);
    if (fgets(space, (int)LUAL_BUFFERSIZE, stdin) == NULL) {
      break;
    }
    size_t length = strlen(space);
    bool complete = length > 0 && space[length - 1] == '\n';
    luaL_addsize(&line, complete ? length - 1 : length);
    if (complete) {
      luaL_pushresult(&line);
      return true;
    }
  }
  bool any = luaL_bufflen(&line) > 0;
  luaL_pushresult(&line);
  if (!any) {
    lua_pop(L, 1);
  }
  return any;
}

/* ---- chunks: their text is at 1 ---- */

static bool load_text(lua_State *L, int index) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  return luaL_loadbuffer(L, text, length, "=stdin") == LUA_OK;
}

static bool load_expression(lua_State *L) {
  lua_pushfstring(L, "return %s", lua_tostring(L, 1));
  if (load_text(L, 2)) {
    return true;
  }
  lua_settop(L, 1);
  return false;
}

/* Whether the message on the top says that the chunk could go on. */
static bool is_incomplete(lua_State *L) {
  static const char mark[] = "<eof>";
  size_t length;
  const char *message = lua_tolstring(L, -1, &length);
  return length >= sizeof mark - 1 &&
         strcmp(message + length - (sizeof mark - 1), mark) == 0;
}

/* Reads more lines as long as there could be more of the chunk. */
static bool load_statements(lua_State *L) {
  while (!load_text(L, 1)) {
    if (!is_incomplete(L)) {
      return false;
    }
    show_prompt(L, "_PROMPT2", ">> ");
    if (!push_line(L)) {
      return false;
    }
    lua_pushliteral(L, "\n");
    lua_replace(L, 2); /* where the message was */
    lua_concat(L, 3);
  }
  return true;
}

static chunk_kind push_chunk(lua_State *L) {
  lua_settop(L, 0);
  show_prompt(L, "_PROMPT", "> ");
  if (!push_line(L)) {
    return CHUNK_NONE;
  }
  bool loaded = load_expression(L) || load_statements(L);
  return loaded ? CHUNK_LOADED : CHUNK_BAD;
}

/* [-n, +0, m] Prints the values above 1 by the global `print`. */
static void print_results(lua_State *L) {
  int count = lua_gettop(L) - 1;
  if (count > 0) {
    luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
    lua_getglobal(L, "print");
    lua_insert(L, 2);
    if (lua_pcall(L, count, 0, 0) != LUA_OK) {
      neap_push_error_text(L, -1);
      host_print_error(L, "");
    }
  }
}

int host_repl(lua_State *L) {
  chunk_kind kind;
  while ((kind = push_chunk(L)) != CHUNK_NONE) {
    neap_run_status status = NEAP_RUN_ERROR;
    if (kind == CHUNK_LOADED) {
      lua_replace(L, 1);
      lua_settop(L, 1);
      lua_pushvalue(L, 1);
      status = host_run(L, 0);
    }
    switch (status) {
    case NEAP_RUN_OK:
      print_results(L);
      break;
    case NEAP_RUN_ERROR:
      host_print_error(L, "");
      break;
    case NEAP_RUN_INTERRUPTED:
      lua_pushliteral(L, "interrupted");
      host_print_error(L, "");
      break;
    case NEAP_RUN_EXIT:
      return (int)lua_tointeger(L, -1);
    }
  }
  putchar('\n');
  return EXIT_SUCCESS;
}
