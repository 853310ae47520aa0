/* SPDX-License-Identifier: MIT */
/* failing.c - scenarios whose subject is a system call that fails, and what
 * happens to tasks meanwhile: they say which. */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include <lauxlib.h>

#include "spec/sweep/points.h"

#define ERRORS(X)                                                              \
  X(EACCES)                                                                    \
  X(EAGAIN)                                                                    \
  X(EAI_FAIL)                                                                  \
  X(ECONNABORTED)                                                              \
  X(EINTR)                                                                     \
  X(EMFILE)                                                                    \
  X(ENOBUFS)                                                                   \
  X(ENOMEM)                                                                    \
  X(ENOSPC)                                                                    \
  X(ENOSYS)                                                                    \
  X(EPERM)                                                                     \
  X(EPIPE)

#define AS_ROW(name) {#name, name},

static const struct {
  const char *name;
  int value;
} errors[] = {
    ERRORS(AS_ROW){NULL, 0}
};

/* sweep_fail(call, error [, times]): the next call, or so many, fails so. */
static int l_fail(lua_State *L) {
  const char *call = luaL_checkstring(L, 1);
  const char *error = luaL_checkstring(L, 2);
  int i = 0;
  while (errors[i].name != NULL && strcmp(errors[i].name, error) != 0) {
    i++;
  }
  int times = (int)luaL_optinteger(L, 3, 1);
  if (!sweep_calls_fail(call, errors[i].value, times)) {
    return luaL_error(L, "%s does not fail by %s", call, error);
  }
  return 0;
}

/* A global. */
void sweep_open_failing(lua_State *L) {
  lua_register(L, "sweep_fail", l_fail);
}
