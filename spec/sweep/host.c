/* SPDX-License-Identifier: MIT */
/* host.c - one scenario after the other, with something going wrong at each of
 * its points in turn. `./dev sweep` builds and runs it.
 *
 *   sweep MODE FILE [FIRST STEP [EVERY]]
 *                                  every scenario of FILE; of each, every point;
 *                                  with a STEP, every STEPth of every EVERYth
 *                                  (24th) scenario; which ones, FIRST says
 *   sweep MODE FILE POINT NAME     one point of the scenario NAME; 0: all
 *
 * A point is an allocation (lua-once, lua-on, c-once, c-on), a system call and
 * a way in which it can fail (calls-once, calls-on), a suspension (cancel,
 * cancel-parked, interrupt, stop) or a seed (shuffle); plain and collect are
 * one run each. A child process runs the points; when it dies, the point it was
 * at is known. After each run: the runtime works, and every byte, task, timer,
 * descriptor and child is given back. */
#include <signal.h>
#include <stdatomic.h>
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
#include "spec/sweep/points.h"

enum { SECONDS_PER_RUN = 20, SEEDS = 40, SCENARIO_STEP = 24 };

typedef enum mode_kind {
  ONCE,
  LUA_FAILS,
  C_FAILS,
  CALL_FAILS,
  COLLECT,
  WAITS
} mode_kind;

typedef struct mode {
  const char *name;
  mode_kind kind;
  bool from_there_on;
  int action; /* of WAITS */
} mode;

enum { CANCEL, CANCEL_PARKED, INTERRUPT, STOP, SHUFFLE };

static const mode modes[] = {
    {"plain",         ONCE,       false, 0            },
    {"lua-once",      LUA_FAILS,  false, 0            },
    {"lua-on",        LUA_FAILS,  true,  0            },
    {"c-once",        C_FAILS,    false, 0            },
    {"c-on",          C_FAILS,    true,  0            },
    {"calls-once",    CALL_FAILS, false, 0            },
    {"calls-on",      CALL_FAILS, true,  0            },
    {"collect",       COLLECT,    false, 0            },
    {"cancel",        WAITS,      false, CANCEL       },
    {"cancel-parked", WAITS,      false, CANCEL_PARKED},
    {"interrupt",     WAITS,      false, INTERRUPT    },
    {"stop",          WAITS,      false, STOP         },
    {"shuffle",       ONCE,       false, SHUFFLE      },
    {NULL,            ONCE,       false, 0            },
};

static const mode *how;
progress *sweep_shared;
static bool armed;
static long point;       /* where it goes wrong, from 1; 0: nowhere */
static atomic_long seen; /* points so far */
static bool refused;
static bool opening_loop; /* libuv aborts without memory for its second part */
static int loop_allocations;
static size_t lua_bytes;
static neap_runtime *volatile under_way;

static void fail(const char *what, const char *detail) {
  if (sweep_shared->failure[0] == '\0') {
    snprintf(sweep_shared->failure, sizeof sweep_shared->failure, "%s %s", what,
             detail);
  }
}

/* ---- points ---- */

static bool is_here(void) {
  long n = atomic_fetch_add(&seen, 1) + 1;
  if (how->kind == LUA_FAILS && n == point + 1) {
    return point != 0; /* Lua has collected, and asks again */
  }
  return point != 0 && (n == point || (how->from_there_on && n > point));
}

static bool refuse(mode_kind kind, size_t osize, size_t nsize) {
  if (!armed || nsize <= osize) {
    return false;
  }
  if (kind == C_FAILS && opening_loop && loop_allocations++ > 0) {
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

static void *library_allocate(void *ptr, size_t size) {
  return refuse(C_FAILS, 0, size) ? NULL : realloc(ptr, size);
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

int __real_neap_loop_open(neap_runtime *rt);
int __wrap_neap_loop_open(neap_runtime *rt);

int __wrap_neap_loop_open(neap_runtime *rt) {
  opening_loop = true;
  loop_allocations = 0;
  int err = __real_neap_loop_open(rt);
  opening_loop = false;
  return err;
}

/* ---- one run ---- */

/* The function on the top as a main task; its error is the value on the top. */
static int l_run(lua_State *L) {
  int status = (int)neap_run_main(L, 0);
  lua_settop(L, 1);
  lua_pushinteger(L, status);
  return 2;
}

static const char prelude[] =
    "local file, name = ...\n"
    "local neap = require 'neap'\n"
    "-- A pause before accepting is tried again would hold a virtual one.\n"
    "if not file:find 'streams' then neap.testing.virtual_clock() end\n"
    "neap.set_exception_handler(function() end)\n"
    "local scenario = assert(dofile(file)[name], name)\n"
    "local function follow_up()\n"
    "  local task = neap.create_task(neap.sleep, 0.001, 'slept')\n"
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
  int status = lua_pcall(L, 1, 2, 0);
  return status == LUA_OK ? (int)lua_tointeger(L, -1) : -1;
}

static void check_runtime(lua_State *L, int status) {
  char text[200];
  if (how->kind == ONCE && status != NEAP_RUN_OK) {
    snprintf(text, sizeof text, "%s", luaL_tolstring(L, 5, NULL));
    fail("the scenario failed:", text);
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
  sweep_open_threads(L);
  sweep_open_failing(L);
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

/* Light userdata need no memory: what fails does so in here. */
static int l_prepare(lua_State *L) {
  prepare(L, lua_touserdata(L, 1), lua_touserdata(L, 2));
  return 4;
}

/* Children that run must not be left, nor such as have ended and nobody has
 * asked; unless the run was stopped, which asks nobody, or they could not be
 * ended. */
static void check_children(void) {
  bool may_be = (how->kind == WAITS && how->action == STOP) ||
                strncmp(sweep_shared->what, "kill:", 5) == 0;
  pid_t child;
  while ((child = waitpid(-1, NULL, may_be ? 0 : WNOHANG)) > 0) {
    if (!may_be) {
      fail("a child that was not reaped", "");
    }
  }
  if (child == 0) {
    fail("a child that runs", "");
  }
}

/* What the first run has made for good is no loss. */
static int descriptors_before;
static size_t bytes_before;

static void close_state(lua_State *L) {
  under_way = NULL;
  lua_close(L);
  size_t bytes = neap_alloc_bytes() - bytes_before;
  if (lua_bytes != 0 || bytes != 0) {
    char text[100];
    snprintf(text, sizeof text, "%zu of Lua, %zu of C", lua_bytes, bytes);
    fail("bytes left:", text);
  }
  if (sweep_count_descriptors() != descriptors_before) {
    fail("descriptors left", "");
  }
  check_children();
}

static void arm(long at, bool opening) {
  atomic_store(&seen, 0);
  point = at;
  refused = false;
  armed = true;
  if (how->kind == CALL_FAILS) {
    sweep_calls_arm(at, how->from_there_on, opening);
  }
}

static void disarm(void) {
  armed = false;
  sweep_calls_disarm();
}

/* A prepared state, or NULL: it had none, which `may_fail` allows. */
static lua_State *open_state(const char *file, const char *name,
                             bool may_fail) {
  lua_State *L = lua_newstate(lua_allocate, NULL);
  if (L == NULL) {
    return NULL;
  }
  lua_pushcfunction(L, l_prepare);
  lua_pushlightuserdata(L, (void *)file);
  lua_pushlightuserdata(L, (void *)name);
  if (lua_pcall(L, 2, 4, 0) == LUA_OK) {
    return L;
  }
  disarm();
  if (!may_fail) {
    fail("cannot prepare:", lua_tostring(L, -1));
  }
  close_state(L);
  return NULL;
}

static void run_point(const char *file, const char *name, long at) {
  bool opening = strcmp(name, "the runtime opens") == 0;
  lua_bytes = 0;
  if (opening) {
    arm(at, opening);
  }
  lua_State *L = open_state(file, name, opening && at != 0);
  if (L == NULL) {
    disarm();
    return;
  }
  if (how->kind == ONCE && how->action == SHUFFLE) {
    lua_pushvalue(L, 4);
    lua_pushinteger(L, at);
    lua_call(L, 1, 0);
  }
  under_way = neap_runtime_of(L);
  if (!opening) {
    if (how->kind == C_FAILS) {
      sweep_reserve_watchers(&under_way->uv);
    }
    arm(at, opening);
  }
  int status = run_function(L, 1);
  disarm();
  if (at == 0) {
    sweep_shared->total =
        how->kind == CALL_FAILS ? sweep_calls_total() : atomic_load(&seen);
  }
  check_runtime(L, status);
  close_state(L);
}

/* ---- all points ---- */

void __attribute__((weak)) __lsan_do_leak_check(void);
void __attribute__((weak)) __gcov_dump(void); /* ./dev coverage */

/* Has everything loaded and started that is for the whole process. */
static void warm_up(const char *file, const char *name) {
  lua_State *L = open_state(file, name, false);
  if (L != NULL) {
    run_function(L, 1);
    run_function(L, 2);
    lua_close(L);
  }
  descriptors_before = sweep_count_descriptors();
  bytes_before = neap_alloc_bytes();
}

static void on_alarm(int number) {
  (void)number;
  if (under_way == NULL) {
    _exit(124);
  }
  neap_interrupt(under_way, NEAP_DUMP); /* tells which tasks wait for what */
  under_way = NULL;
  alarm(2);
}

static void run_points(const char *file, const char *name, long from, long step,
                       long to) {
  signal(SIGALRM, on_alarm);
  alarm(SECONDS_PER_RUN);
  sweep_redirect();
  warm_up(file, name);
  for (long at = from; at <= to && sweep_shared->failure[0] == '\0';
       at += step) {
    sweep_shared->point = at;
    alarm(SECONDS_PER_RUN);
    run_point(file, name, at);
  }
}

/* Returns whether all went well; prints what did not. */
static bool run_child(const char *file, const char *name, long from, long step,
                      long to) {
  fflush(stdout);
  sweep_shared->failure[0] = '\0';
  pid_t child = fork();
  if (child == 0) {
    run_points(file, name, from, step, to);
    if (__lsan_do_leak_check != NULL && to > 0) {
      __lsan_do_leak_check();
    }
    if (__gcov_dump != NULL) {
      __gcov_dump();
    }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status == 0 && sweep_shared->failure[0] == '\0') {
    return true;
  }
  printf("FAILED %s %s '%s' at %ld (%s): %s (status %d, signal %d)\n",
         how->name, file, name, sweep_shared->point, sweep_shared->what,
         sweep_shared->failure, WEXITSTATUS(status),
         WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  return false;
}

static long run_scenario(const char *file, const char *name, long first,
                         long step, long *failures) {
  if (!run_child(file, name, 0, 1, 0)) {
    ++*failures;
    return 0;
  }
  long total = sweep_shared->total;
  if (how->kind == ONCE) {
    total = how->action == SHUFFLE ? SEEDS : 0;
  } else if (how->kind == COLLECT) {
    return 1;
  }
  long runs = total == 0 ? 1 : (total - first) / step + 1;
  for (long at = first; at <= total; at = sweep_shared->point + step) {
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

/* One point, or all of them. */
static int run_one(const char *file, const char *name, long at) {
  long failures = 0;
  long runs = 1;
  if (at == 0) {
    runs = run_scenario(file, name, 1, 1, &failures);
  } else {
    failures =
        !run_child(file, name, 0, 1, 0) || !run_child(file, name, at, 1, at);
    printf("%ld of %ld: %s\n", at, sweep_shared->total, sweep_shared->what);
  }
  printf("%s '%s', %ld points, %ld failures\n", how->name, name, runs,
         failures);
  return failures == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr,
            "usage: sweep MODE FILE [FIRST STEP [EVERY] | POINT NAME]\n");
    return 2;
  }
  for (how = modes; how->name != NULL && strcmp(how->name, argv[1]) != 0;) {
    how++;
  }
  long first = argc > 3 ? atol(argv[3]) : 1;
  long step = argc > 4 ? atol(argv[4]) : 1;
  sweep_shared = mmap(NULL, sizeof *sweep_shared, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (how->name == NULL || sweep_shared == MAP_FAILED ||
      neap_set_allocator(c_allocate, NULL) != 0) {
    return 2;
  }
  sweep_libraries_hook(library_allocate);
  if (argc > 4 && step == 0) {
    return run_one(argv[2], argv[4], first);
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
  long every = argc > 5 ? atol(argv[5]) : step > 1 ? SCENARIO_STEP : 1;
  for (long i = (first - 1) % every; i < n; i += every) {
    runs += run_scenario(argv[2], names[i], (first - 1) % step + 1, step,
                         &failures);
  }
  printf("%s %ld scenarios, %ld points, %ld failures\n", how->name,
         (n - (first - 1) % every + every - 1) / every, runs, failures);
  return failures == 0 ? 0 : 1;
}
