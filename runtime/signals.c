/* SPDX-License-Identifier: MIT */
#include "runtime/signals.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include <lauxlib.h>

enum { MOST_SIGNALS = 65 };

#define ENTRY(name)                                                            \
  { #name, name }

static const struct {
  const char *name;
  int number;
} signals[] = {
    ENTRY(SIGHUP),    ENTRY(SIGINT),    ENTRY(SIGQUIT), ENTRY(SIGILL),
    ENTRY(SIGTRAP),   ENTRY(SIGABRT),   ENTRY(SIGBUS),  ENTRY(SIGFPE),
    ENTRY(SIGKILL),   ENTRY(SIGUSR1),   ENTRY(SIGSEGV), ENTRY(SIGUSR2),
    ENTRY(SIGPIPE),   ENTRY(SIGALRM),   ENTRY(SIGTERM), ENTRY(SIGCHLD),
    ENTRY(SIGCONT),   ENTRY(SIGSTOP),   ENTRY(SIGTSTP), ENTRY(SIGTTIN),
    ENTRY(SIGTTOU),   ENTRY(SIGURG),    ENTRY(SIGXCPU), ENTRY(SIGXFSZ),
    ENTRY(SIGPROF),   ENTRY(SIGVTALRM), ENTRY(SIGIO),   ENTRY(SIGSYS),
#ifdef SIGWINCH
    ENTRY(SIGWINCH),
#endif
#ifdef SIGPWR
    ENTRY(SIGPWR),
#endif
#ifdef SIGSTKFLT
    ENTRY(SIGSTKFLT),
#endif
};

const char *neap_signal_name(int signum) {
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    if (signals[i].number == signum) {
      return signals[i].name;
    }
  }
  return NULL;
}

int neap_check_signal(lua_State *L, int arg) {
  if (lua_type(L, arg) == LUA_TNUMBER) {
    lua_Integer number = luaL_checkinteger(L, arg);
    luaL_argcheck(L, number > 0 && number < MOST_SIGNALS, arg,
                  "no such signal");
    return (int)number;
  }
  size_t length;
  const char *name = luaL_checklstring(L, arg, &length);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    if (strcmp(signals[i].name, name) == 0 && strlen(name) == length) {
      return signals[i].number;
    }
  }
  return luaL_argerror(L, arg, lua_pushfstring(L, "no such signal: %s", name));
}

bool neap_signal_is_catchable(int signum) {
  switch (signum) {
  case SIGKILL: /* the system does not let them */
  case SIGSTOP:
  case SIGSEGV: /* the instruction would only fail again */
  case SIGBUS:
  case SIGFPE:
  case SIGILL:
    return false;
  default:
    return true;
  }
}

/* ---- what was there before ---- */

static struct {
  uv_once_t once;
  uv_mutex_t mutex;
  int failed; /* of uv_mutex_init */

  struct {
    unsigned count; /* handles that are started */
    struct sigaction before;
  } of[MOST_SIGNALS];
} caught = {.once = UV_ONCE_INIT};

static void init(void) {
  caught.failed = uv_mutex_init(&caught.mutex);
}

int neap_signal_start(uv_signal_t *handle, uv_signal_cb cb, int signum) {
  uv_once(&caught.once, init);
  if (caught.failed != 0) {
    return caught.failed;
  }
  struct sigaction before;
  uv_mutex_lock(&caught.mutex);
  sigaction(signum, NULL, &before);
  int err = uv_signal_start(handle, cb, signum);
  if (err == 0 && caught.of[signum].count++ == 0) {
    caught.of[signum].before = before;
  }
  uv_mutex_unlock(&caught.mutex);
  return err;
}

void neap_signal_stop(uv_signal_t *handle) {
  int signum = handle->signum;
  if (signum == 0) {
    return;
  }
  uv_mutex_lock(&caught.mutex);
  uv_signal_stop(handle);
  if (--caught.of[signum].count == 0) {
    struct sigaction now;
    /* Somebody else who uses libuv may still want it. */
    if (sigaction(signum, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
      sigaction(signum, &caught.of[signum].before, NULL);
    }
  }
  uv_mutex_unlock(&caught.mutex);
}
