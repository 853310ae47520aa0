/* SPDX-License-Identifier: MIT */
/* memory.c - every allocation of a scenario fails once.
 *
 *   memory SCENARIO [once|on [STRIDE [FIRST]]]    without: their names
 *
 * The first, second, ... allocation of Lua and of neap fails (once; and again
 * when Lua has collected garbage and asks anew), or that and all later ones
 * (on); each run ends with success or with an error, never
 * with a crash, a leak of memory or of descriptors, or with a callback that was
 * promised and is not called, or called twice. Prints how many points there
 * were. `./dev sweep hosts` takes all points of all scenarios. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include <neap.h>

/* ---- the allocator ---- */

static long countdown; /* allocations until the one that fails; 0: none */
static bool stays;     /* all later ones fail as well */
static bool failing;
static bool once_more; /* this request fails once more: */
static void *block_again;
static size_t size_again;
static long spared; /* points of libuv, which do not fail */
static long live;   /* blocks */

/* libuv 1.44 aborts by itself where it has no memory (core.c, maybe_resize). */
static bool is_for_libuv(void) {
  enum { FRAMES = 20 };

  void *frames[FRAMES];
  Dl_info info;
  int n = backtrace(frames, FRAMES);
  for (int i = 0; i < n; i++) {
    const char *file = dladdr(frames[i], &info) != 0 ? info.dli_fname : "";
    if (strstr(file, "/liblua") != NULL || strstr(file, "/libuv.so") != NULL) {
      return strstr(file, "/libuv.so") != NULL; /* whose frame is innermost */
    }
  }
  return false;
}

static bool fails(void *ptr, size_t nsize) {
  if (once_more && ptr == block_again && nsize == size_again) {
    once_more = false;
    return true;
  }
  if (countdown > 0 && --countdown == 0) {
    if (is_for_libuv()) {
      spared++;
      return false;
    }
    failing = stays;
    once_more = !stays;
    block_again = ptr;
    size_again = nsize;
    return true;
  }
  return failing && !is_for_libuv();
}

static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  if (nsize == 0) {
    live -= ptr != NULL;
    free(ptr);
    return NULL;
  }
  bool shrinks = ptr != NULL && nsize <= osize; /* Lua relies on that */
  if (!shrinks && fails(ptr, nsize)) {
    return NULL;
  }
  void *block = realloc(ptr, nsize);
  live += ptr == NULL && block != NULL;
  return block;
}

static void arm(long point) {
  countdown = point;
  failing = once_more = false;
}

static void disarm(void) {
  countdown = 0;
  failing = once_more = false;
}

/* ---- what a host does ---- */

static long owed; /* callbacks that were promised, minus those called */

static int push_text(lua_State *L, void *ud) {
  (void)ud;
  owed--;
  if (L != NULL) {
    lua_pushstring(L, "a string that is new, and longer than a short one is");
  }
  return L != NULL;
}

static bool complete(neap_ref *ref) {
  bool ok = ref != NULL && neap_complete(ref, push_text, NULL) == 0;
  owed += ok;
  return ok;
}

static void done(lua_State *L, neap_ref *ref, void *ud) {
  (void)ud;
  owed--;
  if (L != NULL) {
    neap_ref_results(L, ref, NULL);
  }
}

static bool watch(neap_ref *ref) {
  bool ok = ref != NULL && neap_on_done(ref, done, NULL) == 0;
  owed += ok;
  return ok;
}

static void posted(lua_State *L, void *ud) {
  (void)ud;
  owed--;
  if (L != NULL) {
    lua_newtable(L);
  }
}

/* later() -> string. Waits. */
static int l_later(lua_State *L) {
  neap_ref *ref = neap_begin(L);
  complete(ref);
  neap_release(ref);
  return neap_await_ref(L, ref, NULL, NULL);
}

static int l_nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Released when the runtime has closed. */
static neap_ref *kept[4];

static void release_all(void) {
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    neap_release(kept[i]);
    kept[i] = NULL;
  }
}

static bool poll_some(neap_runtime *rt) {
  bool ok = true;
  for (int i = 0; i < 4; i++) {
    ok = neap_poll(rt, 0) >= 0 && ok;
  }
  return ok;
}

/* A global function with the value on the top as its argument. */
static bool create(lua_State *L, const char *name, neap_ref **ref) {
  lua_getglobal(L, name);
  lua_insert(L, -2);
  return neap_create_task(L, 1, ref) == 0;
}

static bool use_references(neap_runtime *rt) {
  lua_State *L = neap_state(rt);
  bool ok = neap_create_future(L, &kept[0]) == 0 && watch(kept[0]) &&
            create(L, "await_it", &kept[1]) && watch(kept[1]) &&
            complete(kept[0]);
  ok = poll_some(rt) && ok;
  int n = 0;
  ok = neap_ref_results(L, kept[1], &n) == NEAP_FINISHED && n == 1 && ok;
  lua_settop(L, 0);
  lua_pushcfunction(L, l_later); /* a task that is a C function */
  ok = neap_create_task(L, 0, &kept[2]) == 0 && watch(kept[2]) && ok;
  ok = poll_some(rt) && ok;
  ok = neap_ref_results(L, kept[2], &n) == NEAP_FINISHED && ok;
  lua_settop(L, 0);
  return ok;
}

static bool use_cancel(neap_runtime *rt) {
  lua_State *L = neap_state(rt);
  lua_pushinteger(L, 1000);
  bool ok = create(L, "sleep", &kept[0]) && watch(kept[0]);
  lua_pushinteger(L, 1000);
  ok = create(L, "sleep", NULL) && ok;
  ok = neap_create_future(L, &kept[1]) == 0 && watch(kept[1]) && ok;
  lua_settop(L, 0);
  ok = neap_poll(rt, 0) >= 0 && ok;
  ok = neap_cancel(kept[0]) == 0 && neap_cancel(kept[1]) == 0 && ok;
  ok = poll_some(rt) && ok;
  ok = neap_ref_results(L, kept[0], NULL) == NEAP_FUTURE_CANCELLED && ok;
  lua_settop(L, 0);
  return neap_cancel_all(rt) == 0 && poll_some(rt) && ok;
}

static bool use_mailbox(neap_runtime *rt) {
  neap_mailbox *mailbox = NULL;
  bool ok = neap_mailbox_open(rt, &mailbox) == 0;
  for (int i = 0; i < 3 && ok; i++) {
    ok = neap_post(mailbox, posted, NULL) == 0;
    owed += ok;
  }
  ok = poll_some(rt) && ok;
  if (ok) { /* one that is told of the end */
    ok = neap_post(mailbox, posted, NULL) == 0;
    owed += ok;
  }
  neap_mailbox_release(mailbox);
  return ok;
}

/* The runtime closes with tasks that are pending and clean up. */
static bool leave_tasks(neap_runtime *rt) {
  lua_State *L = neap_state(rt);
  bool ok = true;
  for (int i = 0; i < 3; i++) {
    lua_pushinteger(L, 1000);
    ok = create(L, "cleans_up", &kept[i]) && watch(kept[i]) && ok;
  }
  return poll_some(rt) && ok;
}

/* ---- the scenarios ---- */

typedef struct scenario {
  const char *name;
  const char *script; /* code, or the path of a file */
  bool (*host)(neap_runtime *rt);
  bool from_opening; /* else the opening has all the memory it wants */
} scenario;

static const char tools[] =
    "local neap = require 'neap'\n"
    "sleep = neap.sleep\n"
    "function await_it(future) return future:await() end\n"
    "function cleans_up(delay)\n"
    "  local ok, err = pcall(neap.sleep, delay)\n"
    "  neap.sleep(1)\n"
    "  if not ok then error(err, 0) end\n"
    "end\n";

static const scenario scenarios[] = {
    {"open",       "return 1",                                         NULL,           true },
    {"adopt",      "require 'neap'.sleep(0.001)",                      NULL,           true },
    {"sandbox",    "require 'neap'.sleep(1)",                          NULL,           true },
    {"running",    "scripts/running_a_task.lua",                       NULL,           false},
    {"cancel",     "scripts/canceling_a_task.lua",                     NULL,           false},
    {"result",     "scripts/task_result.lua",                          NULL,           false},
    {"timeout",    "scripts/task_timeout.lua",                         NULL,           false},
    {"group",
     "local neap = require 'neap' local n = 0\n"
     "neap.task_group(function(g) for i = 1, 3 do\n"
     "g:create_task(function() neap.sleep(i) n = n + i end) end end)", NULL,           false},
    {"queue",
     "local neap = require 'neap' local q = neap.queue(1)\n"
     "neap.create_task(function() for i = 1, 3 do q:put(i) end "
     "q:shutdown() end)\n"
     "local n = 0 for i in q:items() do n = n + i end",                NULL,           false},
    {"wait",
     "local neap = require 'neap'\n"
     "local a, b = neap.gather(later, later)\n"
     "return a .. b .. neap.timeout(1, later)",                        NULL,           false},
    {"references", NULL,                                               use_references, false},
    {"cancels",    NULL,                                               use_cancel,     false},
    {"mailbox",    NULL,                                               use_mailbox,    false},
    {"close",      NULL,                                               leave_tasks,    false},
    {NULL,         NULL,                                               NULL,           false},
};

static const scenario *chosen;

static void drop_error(void *ud, const char *text) {
  (void)ud;
  (void)text;
}

/* Protected: registers what the scenarios use. */
static int l_prepare(lua_State *L) {
  lua_register(L, "later", l_later);
  lua_register(L, "print", l_nothing);
  if (chosen->host != NULL && luaL_dostring(L, tools) != LUA_OK) {
    return lua_error(L);
  }
  return 0;
}

static bool run_script(lua_State *L) {
  const char *script = chosen->script;
  neap_run_status status = NEAP_RUN_OK;
  if (script != NULL) {
    status = strncmp(script, "scripts/", 8) == 0
                 ? neap_run_file(L, script)
                 : neap_run_string(L, script, "=script");
  }
  lua_settop(L, 0);
  return status == NEAP_RUN_OK;
}

static void must(bool holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "memory: %s: %s\n", chosen->name, what);
    exit(EXIT_FAILURE);
  }
}

/* True if nothing failed. */
static bool run_owned(long point) {
  static const neap_limits limits = {
      .memory = 8 << 20, .step_instructions = 1000000, .tasks = 10};
  neap_runtime *rt;
  neap_options options;
  neap_options_init(&options);
  options.allocator = allocate;
  options.virtual_clock = 1;
  options.on_error = drop_error;
  if (strcmp(chosen->name, "sandbox") == 0) {
    options.libraries = neap_open_sandbox;
    options.limits = &limits;
  }
  arm(chosen->from_opening ? point : 0);
  int err = neap_open(&options, &rt);
  if (err != 0) {
    must(err == UV_ENOMEM && rt == NULL, "opening says something else");
    return false;
  }
  lua_State *L = neap_state(rt);
  lua_pushcfunction(L, l_prepare);
  bool ok = lua_pcall(L, 0, 0, 0) == LUA_OK;
  lua_settop(L, 0);
  if (!chosen->from_opening) {
    arm(point);
  }
  ok = ok && run_script(L);
  if (ok && chosen->host != NULL) {
    ok = chosen->host(rt);
  }
  must(neap_close(rt) == 0, "not closed");
  release_all();
  return ok;
}

/* In a state and on a loop of the host's, which does not lose them: the second
 * attempt, with memory, succeeds. */
static bool run_adopted(long point) {
  uv_loop_t loop;
  neap_runtime *rt;
  neap_options options;
  lua_State *L = lua_newstate(allocate, NULL);
  must(L != NULL && uv_loop_init(&loop) == 0, "no state or loop");
  luaL_openlibs(L);
  neap_options_init(&options);
  options.state = L;
  options.loop = &loop;
  options.on_error = drop_error;
  arm(point);
  int err = neap_open(&options, &rt);
  bool ok = err == 0;
  if (!ok) {
    must(err == UV_ENOMEM && rt == NULL, "opening says something else");
    disarm();
    must(neap_open(&options, &rt) == 0, "not opened with memory");
  }
  ok = luaL_loadstring(L, chosen->script) == LUA_OK &&
       neap_create_task(L, 0, NULL) == 0 && ok;
  uv_run(&loop, UV_RUN_DEFAULT);
  must(neap_close(rt) == 0, "not closed");
  lua_close(L);
  uv_run(&loop, UV_RUN_DEFAULT);
  must(uv_loop_close(&loop) == 0, "something is left on the loop");
  return ok;
}

/* ---- all points ---- */

static int count_descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir != NULL && readdir(dir) != NULL) {
    count++;
  }
  if (dir != NULL) {
    closedir(dir);
  }
  return count;
}

/* Whether there was such a point. */
static bool run_point(long point, long *errors) {
  int descriptors = count_descriptors();
  bool adopts = strcmp(chosen->name, "adopt") == 0;
  bool ok = adopts ? run_adopted(point) : run_owned(point);
  bool hit = point > 0 && countdown == 0; /* else nothing was left to fail */
  disarm();
  must(hit || ok, "failed with all the memory");
  *errors += !ok;
  if (live != 0 || owed != 0 || count_descriptors() != descriptors) {
    fprintf(stderr,
            "memory: %s, point %ld: %ld blocks, %ld calls and %d "
            "descriptors left\n",
            chosen->name, point, live, owed, count_descriptors() - descriptors);
    exit(EXIT_FAILURE);
  }
  return hit;
}

static void list_scenarios(void) {
  for (const scenario *s = scenarios; s->name != NULL; s++) {
    puts(s->name);
  }
}

int main(int argc, char **argv) {
  long stride = argc > 3 ? atol(argv[3]) : 1;
  long point = argc > 4 ? atol(argv[4]) : 1;
  long points = 0;
  long errors = 0;
  stays = argc > 2 && strcmp(argv[2], "on") == 0;
  for (const scenario *s = scenarios; s->name != NULL && argc > 1; s++) {
    if (strcmp(s->name, argv[1]) == 0) {
      chosen = s;
    }
  }
  if (argc == 1) {
    list_scenarios();
    return EXIT_SUCCESS;
  }
  if (chosen == NULL || neap_set_allocator(allocate, NULL) != 0) {
    return EXIT_FAILURE;
  }
  neap_runtime *first; /* makes what libuv makes once */
  must(neap_open(NULL, &first) == 0 && neap_close(first) == 0, "not opened");
  run_point(0, &errors);
  for (; run_point(point, &errors); point += stride) {
    points++;
  }
  printf("%s %s: %ld points, %ld ended with an error\n", chosen->name,
         stays ? "on" : "once", points - spared, errors);
  return EXIT_SUCCESS;
}
