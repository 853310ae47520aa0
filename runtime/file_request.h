/* SPDX-License-Identifier: MIT */
/* file_request.h - an operation of neap.fs as a request: what runs on the pool
 * (files.h), and how its result becomes Lua values. */
#ifndef NEAP_FILE_REQUEST_H
#define NEAP_FILE_REQUEST_H

#include <lua.h>

#include "runtime/files.h"
#include "runtime/request.h"

/* Owner: Lua's collector. One operation at a time: while one is under way its
 * request holds the file, which is not closed before that has ended. */
typedef struct neap_open_file {
  int fd; /* -1: closed */
  bool busy;
  bool closing;    /* when the operation under way has ended */
  neap_list turns; /* who waits for their operation to begin */
} neap_open_file;

typedef struct neap_file_request neap_file_request;

typedef struct neap_file_operation {
  const char *name;
  void (*work)(neap_file_work *w);
  /* [-0, +n, e] Pushes the results of what went well; returns n. */
  int (*push)(lua_State *L, neap_file_request *request);
} neap_file_operation;

/* User values: the strings of the arguments, and the file. */
enum { NEAP_FIRST_VALUE = 1, NEAP_SECOND_VALUE = 2, NEAP_FILE_VALUE = 3 };

struct neap_file_request {
  neap_uv_request base;
  neap_file_work work;
  const neap_file_operation *op;
  neap_open_file *file; /* NULL: it is about a path */
};

/* [-0, +1, v] Pushes a new request; raises where nothing can wait. */
neap_file_request *neap_file_request_new(lua_State *L,
                                         const neap_file_operation *op);

/* [-?, +?, v] Hands the request, on the top, to the pool and waits: `return
 * neap_file_request_start(...)`. Returns what op->push does. */
int neap_file_request_start(lua_State *L, neap_file_request *request);

/* [-0, +0, v] The string at `arg`, which the request on the top keeps as its
 * user value `value`; the same for a path, which is any bytes but zero. */
const char *neap_file_keep(lua_State *L, int arg, int value, size_t *length);
const char *neap_file_check_path(lua_State *L, int arg, int value);

/* [-0, +1, m] For an operation's push: the table of stat. */
int neap_file_push_stat(lua_State *L, neap_file_request *request);

/* Closes it, unless that was done; may block. */
void neap_file_close_now(neap_open_file *file);

#endif
