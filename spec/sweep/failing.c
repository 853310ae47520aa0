/* SPDX-License-Identifier: MIT */
/* failing.c - scenarios whose subject is a system call that fails, and what
 * happens to tasks meanwhile: they say which. */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
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

enum { MOST_WANTED = 4, NAME_SIZE = 32 };

/* libuv calls from its threads, too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
  char call[NAME_SIZE];
  int error;
  int times; /* still */
} wanted[MOST_WANTED];

/* Nothing is, while AddressSanitizer starts: it makes the folder of its reports
 * before there are locks. */
static volatile bool any_wanted;

int sweep_wanted_error(const char *call) {
  int error = 0;
  if (!any_wanted) {
    return 0;
  }
  pthread_mutex_lock(&lock);
  for (int i = 0; i < MOST_WANTED && error == 0; i++) {
    if (wanted[i].times > 0 && strcmp(wanted[i].call, call) == 0) {
      wanted[i].times--;
      error = wanted[i].error;
    }
  }
  pthread_mutex_unlock(&lock);
  return error;
}

void sweep_fail_none(void) {
  pthread_mutex_lock(&lock);
  memset(wanted, 0, sizeof wanted);
  any_wanted = false;
  pthread_mutex_unlock(&lock);
}

/* False: there are too many. */
static bool want(const char *call, int error, int times) {
  int i = 0;
  pthread_mutex_lock(&lock);
  while (i < MOST_WANTED && wanted[i].times > 0) {
    i++;
  }
  if (i < MOST_WANTED) {
    strncpy(wanted[i].call, call, NAME_SIZE - 1);
    wanted[i].error = error;
    wanted[i].times = times;
    any_wanted = true;
  }
  pthread_mutex_unlock(&lock);
  return i < MOST_WANTED;
}

/* sweep_fail(call, error [, times]): the next call, or so many, fails so.
 * sweep_fail(): none does any more. */
static int l_fail(lua_State *L) {
  if (lua_isnone(L, 1)) {
    sweep_fail_none();
    return 0;
  }
  const char *call = luaL_checkstring(L, 1);
  const char *error = luaL_checkstring(L, 2);
  int times = (int)luaL_optinteger(L, 3, 1);
  int i = 0;
  while (errors[i].name != NULL && strcmp(errors[i].name, error) != 0) {
    i++;
  }
  if (errors[i].name == NULL || !want(call, errors[i].value, times)) {
    return luaL_error(L, "cannot have %s fail by %s", call, error);
  }
  return 0;
}

/* A global. */
void sweep_open_failing(lua_State *L) {
  lua_register(L, "sweep_fail", l_fail);
}
