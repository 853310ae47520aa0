/* SPDX-License-Identifier: MIT */
/* host.c - one scenario after the other, with something going wrong at each of
 * its points in turn. `./dev sweep` builds and runs it.
 *
 *   sweep MODE FILE [FIRST STEP]   every scenario of FILE; of each, the points
 *                                  FIRST, FIRST + STEP, ...; with a STEP, of
 *                                  every sixth scenario
 *
 * A point is an allocation (lua-once, lua-on, c-once, c-on), a suspension
 * (cancel, cancel-parked, interrupt, stop) or a seed (shuffle); plain and
 * collect are one run each. A child process runs the points; when it dies, the
 * point it was at is known. After each run: the runtime works, and every byte,
 * task, timer and descriptor is given back. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "runtime/alloc.h"
#include "runtime/loop.h"
#include "runtime/neap.h"
#include "runtime/task.h"
#include "runtime/wait.h"

enum { SECONDS_PER_RUN = 60, SEEDS = 40, SCENARIO_STEP = 6 };

typedef enum mode_kind { ONCE, LUA_FAILS, C_FAILS, COLLECT, WAITS } mode_kind;

typedef struct mode {
  const char *name;
  mode_kind kind;
  bool from_there_on;
  int action; /* of WAITS */
} mode;

enum { CANCEL, CANCEL_PARKED, INTERRUPT, STOP, SHUFFLE };

static const mode modes[] = {
    {"plain",         ONCE,      false, 0            },
    {"lua-once",      LUA_FAILS, false, 0            },
    {"lua-on",        LUA_FAILS, true,  0            },
    {"c-once",        C_FAILS,   false, 0            },
    {"c-on",          C_FAILS,   true,  0            },
    {"collect",       COLLECT,   false, 0            },
    {"cancel",        WAITS,     false, CANCEL       },
    {"cancel-parked", WAITS,     false, CANCEL_PARKED},
    {"interrupt",     WAITS,     false, INTERRUPT    },
    {"stop",          WAITS,     false, STOP         },
    {"shuffle",       ONCE,      false, SHUFFLE      },
    {NULL,            ONCE,      false, 0            },
};

/* What a child tells its parent. */
typedef struct progress {
  long point;
  long total; /* points that the scenario has */
  char failure[400];
} progress;

static const mode *how;
static progress *shared;
static bool armed;
static long point; /* where it goes wrong, from 1; 0: nowhere */
static long seen;  /* points so far */
static bool refused;
static size_t lua_bytes;

static void fail(const char *what, const char *detail) {
  if (shared->failure[0] == '\0') {
    snprintf(shared->failure, sizeof shared->failure, "%s %s", what, detail);
  }
}

/* ---- points ---- */

static bool is_here(void) {
  seen++;
  return point != 0 && (seen == point || (how->from_there_on && seen > point));
}

static bool refuse(mode_kind kind, size_t osize, size_t nsize) {
  if (!armed || nsize <= osize) {
    return false;
  }
  if (kind == LUA_FAILS && how->kind == COLLECT) {
    refused = !refused; /* Lua collects, and asks again */
    return refused;
  }
  return how->kind == kind && is_here();
}

static void *lua_allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  osize = ptr == NULL ? 0 : osize;
  if (refuse(LUA_FAILS, osize, nsize)) {
    return NULL;
  }
  lua_bytes += nsize - osize;
  if (nsize == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, nsize);
}

static void *c_allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  if (refuse(C_FAILS, osize, nsize)) {
    return NULL;
  }
  if (nsize == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, nsize);
}

static neap_task *parked;
static neap_job cancel_job;

static void cancel_parked(neap_runtime *rt, neap_job *job) {
  (void)job;
  if (parked->future.state == NEAP_PENDING) {
    neap_task_cancel(rt->L, parked, NEAP_BY_PEER);
  }
}

/* A task is about to wait. */
static void at_wait(neap_task *task) {
  neap_runtime *rt = task->future.rt;
  if (!armed || how->kind != WAITS || !is_here()) {
    return;
  }
  switch (how->action) {
  case CANCEL:
    neap_task_cancel(rt->L, task, NEAP_BY_PEER);
    break;
  case CANCEL_PARKED:
    parked = task;
    cancel_job.run = cancel_parked;
    neap_loop_append(rt, &cancel_job);
    break;
  case INTERRUPT:
    neap_interrupt(rt, NEAP_CANCEL_MAIN);
    break;
  default:
    neap_interrupt(rt, NEAP_STOP);
  }
}

int __real_neap_park(lua_State *L, neap_task *task, const neap_wait_kind *kind,
                     void *target, lua_KFunction k, lua_KContext ctx);
int __wrap_neap_park(lua_State *L, neap_task *task, const neap_wait_kind *kind,
                     void *target, lua_KFunction k, lua_KContext ctx);
int __real_neap_yield(lua_State *L, neap_task *task, const neap_wait_kind *kind,
                      lua_KFunction k, lua_KContext ctx);
int __wrap_neap_yield(lua_State *L, neap_task *task, const neap_wait_kind *kind,
                      lua_KFunction k, lua_KContext ctx);

int __wrap_neap_park(lua_State *L, neap_task *task, const neap_wait_kind *kind,
                     void *target, lua_KFunction k, lua_KContext ctx) {
  at_wait(task);
  return __real_neap_park(L, task, kind, target, k, ctx);
}

int __wrap_neap_yield(lua_State *L, neap_task *task, const neap_wait_kind *kind,
                      lua_KFunction k, lua_KContext ctx) {
  at_wait(task);
  return __real_neap_yield(L, task, kind, k, ctx);
}

/* ---- one run ---- */

static int count_descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  if (dir != NULL) {
    while (readdir(dir) != NULL) {
      count++;
    }
    closedir(dir);
  }
  return count;
}

/* The function on the top as a main task; its error is the value on the top. */
static int l_run(lua_State *L) {
  lua_pushinteger(L, neap_run_main(L, 0));
  return 1;
}

static const char prelude[] =
    "local file, name = ...\n"
    "local neap = require 'neap'\n"
    "neap.testing.virtual_clock()\n"
    "neap.set_exception_handler(function() end)\n"
    "local scenario = assert(dofile(file)[name], name)\n"
    "local function follow_up()\n"
    "  local task = neap.create_task(neap.sleep, 1, 'slept')\n"
    "  local queue, got = neap.queue(1), {}\n"
    "  neap.task_group(function(group)\n"
    "    group:create_task(function()\n"
    "      for i = 1, 3 do queue:put(i) end\n"
    "      queue:shutdown()\n"
    "    end)\n"
    "    for item in queue:items() do got[#got + 1] = item end\n"
    "  end)\n"
    "  assert(task:await() == 'slept' and #got == 3, 'wrong results')\n"
    "end\n"
    "local function left()\n"
    "  local stats = neap.stats()\n"
    "  return stats.tasks.pending + stats.timers\n"
    "end\n"
    "return scenario, follow_up, left, neap.testing.shuffle\n";

/* Runs the function at `index` and tells how that ended, or -1: it raised. */
static int run_function(lua_State *L, int index) {
  lua_settop(L, 4);
  lua_pushcfunction(L, l_run);
  lua_pushvalue(L, index);
  /* A C function of its own, so that raising reaches nobody else. */
  int status = lua_pcall(L, 1, 1, 0);
  return status == LUA_OK ? (int)lua_tointeger(L, -1) : -1;
}

static void check_runtime(lua_State *L, int status) {
  char text[200];
  if (how->kind == ONCE && status != NEAP_RUN_OK) {
    fail("the scenario failed", "");
  }
  if (status != NEAP_RUN_INTERRUPTED) { /* then they are left */
    lua_settop(L, 4);
    lua_pushvalue(L, 3);
    if (lua_pcall(L, 0, 1, 0) != LUA_OK || lua_tointeger(L, -1) != 0) {
      snprintf(text, sizeof text, "%s", luaL_tolstring(L, -1, NULL));
      fail("tasks and timers left:", text);
    }
  }
  status = run_function(L, 2);
  if (status != NEAP_RUN_OK) {
    snprintf(text, sizeof text, "%d", status);
    fail("the runtime does not work afterwards:", text);
  }
}

static int l_open(lua_State *L) {
  luaL_requiref(L, "neap", luaopen_neap, 0);
  return 0;
}

static void prepare(lua_State *L, const char *file, const char *name) {
  luaL_openlibs(L);
  lua_pushcfunction(L, l_open);
  lua_call(L, 0, 0);
  if (luaL_loadstring(L, prelude) != LUA_OK) {
    lua_error(L);
  }
  lua_pushstring(L, file);
  lua_pushstring(L, name);
  lua_call(L, 2, 4);
}

static int l_prepare(lua_State *L) {
  prepare(L, lua_tostring(L, 1), lua_tostring(L, 2));
  return 4;
}

static void close_state(lua_State *L, int descriptors) {
  lua_close(L);
  if (lua_bytes != 0 || neap_alloc_bytes() != 0) {
    char text[100];
    snprintf(text, sizeof text, "%zu of Lua, %zu of C", lua_bytes,
             neap_alloc_bytes());
    fail("bytes left:", text);
  }
  if (count_descriptors() != descriptors) {
    fail("descriptors left", "");
  }
}

static void run_point(const char *file, const char *name, long at) {
  int descriptors = count_descriptors();
  lua_bytes = 0;
  lua_State *L = lua_newstate(lua_allocate, NULL);
  lua_pushcfunction(L, l_prepare);
  lua_pushstring(L, file);
  lua_pushstring(L, name);
  if (lua_pcall(L, 2, 4, 0) != LUA_OK) {
    fail("cannot prepare:", lua_tostring(L, -1));
    lua_close(L);
    return;
  }
  if (how->kind == ONCE && how->action == SHUFFLE) {
    lua_pushvalue(L, 4);
    lua_pushinteger(L, at);
    lua_call(L, 1, 0);
  }
  seen = 0;
  point = at;
  refused = false;
  armed = true;
  int status = run_function(L, 1);
  armed = false;
  shared->total = seen;
  check_runtime(L, status);
  close_state(L, descriptors);
}

/* ---- all points ---- */

void __attribute__((weak)) __lsan_do_leak_check(void);
void __attribute__((weak)) __gcov_dump(void); /* ./dev coverage */

static void run_points(const char *file, const char *name, long from, long step,
                       long to) {
  for (long at = from; at <= to && shared->failure[0] == '\0'; at += step) {
    shared->point = at;
    alarm(SECONDS_PER_RUN);
    run_point(file, name, at);
  }
}

/* Returns whether all went well; prints what did not. */
static bool run_child(const char *file, const char *name, long from, long step,
                      long to) {
  fflush(stdout);
  shared->failure[0] = '\0';
  pid_t child = fork();
  if (child == 0) {
    run_points(file, name, from, step, to);
    if (__lsan_do_leak_check != NULL) {
      __lsan_do_leak_check();
    }
    if (__gcov_dump != NULL) {
      __gcov_dump();
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status == 0 && shared->failure[0] == '\0') {
    return true;
  }
  printf("FAILED %s %s %s at %ld: %s (status %d, signal %d)\n", how->name, file,
         name, shared->point, shared->failure, WEXITSTATUS(status),
         WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  return false;
}

static long run_scenario(const char *file, const char *name, long first,
                         long step, long *failures) {
  if (!run_child(file, name, 0, 1, 0)) {
    ++*failures;
    return 0;
  }
  long total = shared->total;
  if (how->kind == ONCE) {
    total = how->action == SHUFFLE ? SEEDS : 0;
  } else if (how->kind == COLLECT) {
    return 1;
  }
  long runs = total == 0 ? 1 : (total - first) / step + 1;
  for (long at = first; at <= total; at = shared->point + step) {
    if (run_child(file, name, at, step, total)) {
      break;
    }
    ++*failures;
  }
  return runs;
}

/* The names of a file's scenarios, sorted, on the stack. */
static int push_names(lua_State *L, const char *file) {
  if (luaL_dofile(L, file) != LUA_OK) {
    fprintf(stderr, "sweep: %s\n", lua_tostring(L, -1));
    exit(2);
  }
  lua_getglobal(L, "table");
  lua_getfield(L, -1, "sort");
  lua_createtable(L, 0, 0);
  int n = 0;
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 4, ++n);
  }
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 4);
  lua_call(L, 1, 0);
  return n;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: sweep MODE FILE [FIRST STEP]\n");
    return 2;
  }
  for (how = modes; how->name != NULL && strcmp(how->name, argv[1]) != 0;) {
    how++;
  }
  long first = argc > 3 ? atol(argv[3]) : 1;
  long step = argc > 4 ? atol(argv[4]) : 1;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (how->name == NULL || shared == MAP_FAILED ||
      neap_set_allocator(c_allocate, NULL) != 0) {
    return 2;
  }
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lua_pushcfunction(L, l_open);
  lua_call(L, 0, 0);
  int n = push_names(L, argv[2]);
  lua_newtable(L);
  static char names[200][80];
  for (int i = 1; i <= n && i <= 200; i++) {
    lua_rawgeti(L, 4, i);
    snprintf(names[i - 1], sizeof names[0], "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  lua_close(L);
  long runs = 0;
  long failures = 0;
  /* Of a part of the points, a part of the scenarios. */
  long every = step > 1 ? SCENARIO_STEP : 1;
  for (long i = (first - 1) % every; i < n; i += every) {
    runs += run_scenario(argv[2], names[i], first, step, &failures);
  }
  printf("%s %ld scenarios, %ld points, %ld failures\n", how->name,
         (n - (first - 1) % every + every - 1) / every, runs, failures);
  return failures == 0 ? 0 : 1;
}
