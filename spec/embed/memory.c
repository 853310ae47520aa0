/* SPDX-License-Identifier: MIT */
/* memory.c - every allocation of a scenario fails once.
 *
 *   memory SCENARIO [STRIDE [FIRST]]
 *
 * The first, second, ... allocation of Lua and of neap fails; each run ends
 * with success or with an error, never with a crash or a leak. Prints how many
 * points there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>
#include <neap.h>

static long countdown; /* allocations until the one that fails; 0: none */
static long spared;    /* allocations of libuv, which do not fail */
static long live;

/* libuv 1.44 aborts by itself where it has no memory (core.c, maybe_resize). */
static int is_for_libuv(void) {
  enum { FRAMES = 8 };

  void *frames[FRAMES];
  Dl_info info;
  int n = backtrace(frames, FRAMES);
  for (int i = 0; i < n; i++) {
    if (dladdr(frames[i], &info) != 0 && strstr(info.dli_fname, "/libuv.so")) {
      return 1;
    }
  }
  return 0;
}

static void *allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize == 0) {
    live -= ptr != NULL;
    free(ptr);
    return NULL;
  }
  if (countdown > 0 && --countdown == 0) {
    if (!is_for_libuv()) {
      return NULL;
    }
    spared++;
  }
  void *block = realloc(ptr, nsize);
  live += ptr == NULL && block != NULL;
  return block;
}

static int push_seven(lua_State *L, void *ud) {
  (void)ud;
  if (L != NULL) {
    lua_pushinteger(L, 7);
  }
  return 1;
}

/* later() -> 7. Waits. */
static int l_later(lua_State *L) {
  neap_ref *ref = neap_begin(L);
  neap_complete(ref, push_seven, NULL);
  neap_release(ref);
  return neap_await_ref(L, ref, NULL, NULL);
}

static const char *const scenarios[][2] = {
    {"open",   "return 1"                                                            },
    {"sleep",  "local neap = require 'neap' neap.sleep(1) return 1"                  },
    {"cancel", "local neap = require 'neap'\n"
               "local t = neap.create_task(function() neap.sleep(10) end)\n"
               "neap.sleep(1) t:cancel('enough')\n"
               "return (neap.pcall(t.await, t)) == false"              },
    {"group",  "local neap = require 'neap' local n = 0\n"
              "neap.task_group(function(g) for i = 1, 3 do\n"
              "g:create_task(function() neap.sleep(i) n = n + i end) end end)\n"
              "return n"                                                },
    {"queue",  "local neap = require 'neap' local q = neap.queue(1)\n"
              "neap.create_task(function() for i = 1, 3 do q:put(i) end "
              "q:shutdown() end)\n"
              "local n = 0 for i in q:items() do n = n + i end return n"},
    {"wait",   "local neap = require 'neap'\n"
             "local a, b = neap.gather(later, later)\n"
             "return a + b + neap.timeout(1, later)"                     },
    {NULL,     NULL                                                                  },
};

static const char *script;
static int failed_in_run; /* whether the error came out of the script */

/* Protected: registers what the scripts use. */
static int l_prepare(lua_State *L) {
  lua_register(L, "later", l_later);
  return 0;
}

static void drop_error(void *ud, const char *text) {
  (void)ud;
  (void)text;
}

/* True if nothing failed. */
static int run_once(void) {
  neap_runtime *rt;
  neap_options options;
  neap_options_init(&options);
  options.allocator = allocate;
  options.virtual_clock = 1;
  options.on_error = drop_error;
  int err = neap_open(&options, &rt);
  if (err != 0) {
    return 0;
  }
  lua_State *L = neap_state(rt);
  lua_pushcfunction(L, l_prepare);
  int ok = lua_pcall(L, 0, 0, 0) == LUA_OK &&
           neap_run_string(L, script, "=script") == NEAP_RUN_OK;
  failed_in_run += !ok;
  if (ok) { /* the host's own part */
    neap_ref *ref = NULL;
    neap_mailbox *mailbox = NULL;
    ok = neap_create_future(L, &ref) == 0 &&
         neap_mailbox_open(rt, &mailbox) == 0;
    neap_mailbox_release(mailbox);
    neap_release(ref);
    ok = neap_poll(rt, 0) >= 0 && ok;
  }
  if (neap_close(rt) != 0) {
    fprintf(stderr, "memory: not closed\n");
    exit(EXIT_FAILURE);
  }
  return ok;
}

int main(int argc, char **argv) {
  long stride = argc > 2 ? atol(argv[2]) : 1;
  long point = argc > 3 ? atol(argv[3]) : 1;
  long points = 0;
  for (int i = 0; scenarios[i][0] != NULL && argc > 1; i++) {
    if (strcmp(scenarios[i][0], argv[1]) == 0) {
      script = scenarios[i][1];
    }
  }
  if (script == NULL || neap_set_allocator(allocate, NULL) != 0) {
    return EXIT_FAILURE;
  }
  for (int hit = 1; hit; point += stride) {
    countdown = point;
    int ok = run_once();
    hit = countdown == 0; /* else nothing was left to fail */
    points += hit;
    countdown = 0;
    if (!hit && !ok) {
      fprintf(stderr, "memory: failed with all the memory\n");
      return EXIT_FAILURE;
    }
    if (live != 0) {
      fprintf(stderr, "memory: point %ld leaks %ld blocks\n", point, live);
      return EXIT_FAILURE;
    }
  }
  printf("%s: %ld points, %d errors of the script\n", argv[1], points - spared,
         failed_in_run);
  return EXIT_SUCCESS;
}
