/* SPDX-License-Identifier: MIT */
/* main.c - the neap program: options, a state, one run, the exit status. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <lauxlib.h>
#include <lualib.h>

#include "runtime/host/blocks.h"
#include "runtime/host/options.h"
#include "runtime/host/program.h"
#include "runtime/host/repl.h"
#include "runtime/host/run.h"
#include "runtime/host/test.h"
#include "runtime/neap.h"

/* libuv's own files must not get the numbers of the standard ones: it will not
 * close those (core.c, uv__close). */
static void open_standard_files(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) {
      _exit(EXIT_FAILURE);
    }
  }
}

/* For --sandbox: plenty for a script that computes and waits. */
static const neap_limits sandbox_limits = {
    .memory = (size_t)64 * 1024 * 1024,
    .step_ms = 1000,
    .tasks = 10000,
};

/* [-0, +0, e] */
static void open_sandbox(lua_State *L) {
  neap_open_sandbox(L);
  lua_pop(L, 1);
  host_open(L);
  int err = neap_set_limits(L, &sandbox_limits);
  if (err != 0) {
    luaL_error(L, "cannot set limits (%d)", err);
  }
}

/* [-0, +0, e] */
static void open_state(lua_State *L, const host_options *options) {
  luaL_checkversion(L);
  if (options->ignore_environment) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  if (options->sandbox) {
    open_sandbox(L);
  } else {
    luaL_openlibs(L);
    host_open(L);
  }
  if (options->virtual_clock && !options->test) {
    neap_use_virtual_clock(L);
  }
  if (options->debug || options->ignore_environment) {
    neap_set_debug(L, options->debug);
  }
  host_set_arg(L, options);
}

/* [-0, +0, m] Runs what the command line asks for. Returns the exit status. */
static int run(lua_State *L, const host_options *options) {
  int top = lua_gettop(L);
  host_push_program(L, options);
  switch (host_run(L, 0)) {
  case NEAP_RUN_OK:
    if (lua_gettop(L) > top) { /* it could not be loaded */
      host_print_error(L, "neap: ");
      return EXIT_FAILURE;
    }
    if (options->test) {
      return host_test(L, options);
    }
    return options->interactive ? host_repl(L) : EXIT_SUCCESS;
  case NEAP_RUN_ERROR:
    host_print_error(L, "neap: ");
    return EXIT_FAILURE;
  case NEAP_RUN_EXIT:
    return (int)lua_tointeger(L, -1);
  case NEAP_RUN_INTERRUPTED:
    return HOST_INTERRUPTED_STATUS;
  }
  return EXIT_FAILURE;
}

/* Protected. */
static int l_main(lua_State *L) {
  const host_options *options = lua_touserdata(L, 1);
  open_state(L, options);
  lua_pushinteger(L, run(L, options));
  return 1;
}

/* AddressSanitizer is to see every block that is freed. */
#ifdef __SANITIZE_ADDRESS__
enum { KEEP_BLOCKS = 0 };
#else
enum { KEEP_BLOCKS = 1 };
#endif

static int run_state(host_options *options) {
  int status = EXIT_FAILURE;
  neap_blocks blocks = {0};
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    fputs("neap: not enough memory\n", stderr);
    return status;
  }
  if (KEEP_BLOCKS) {
    lua_setallocf(L, neap_blocks_alloc, &blocks);
  }
  lua_pushcfunction(L, l_main);
  lua_pushlightuserdata(L, options);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
    status = (int)lua_tointeger(L, -1);
  } else {
    luaL_tolstring(L, -1, NULL); /* a message of neap's or Lua's */
    host_print_error(L, "neap: ");
  }
  lua_close(L);
  neap_blocks_free(&blocks);
  return status;
}

/* True if the options say that nothing is to be run; sets the exit status. */
static bool is_answered(const host_options *options, int *status) {
  if (options->bad != NULL) {
    char letter = options->bad[1];
    fprintf(stderr,
            letter == 'e' || letter == 'l' ? "neap: '%s' needs argument\n"
                                           : "neap: unrecognized option '%s'\n",
            options->bad);
    host_print_usage(stderr);
    *status = EXIT_FAILURE;
    return true;
  }
  if (options->help) {
    host_print_usage(stdout);
    *status = EXIT_SUCCESS;
    return true;
  }
  if (options->version) {
    host_print_version();
  }
  return false;
}

/* What servers do all day, taking and dropping a message, should not end in the
 * kernel each time: memory goes back in large steps. */
static void keep_memory(void) {
#ifdef __GLIBC__
  enum { KEPT = 4 * 1024 * 1024 };

  mallopt(M_TRIM_THRESHOLD, KEPT);
  mallopt(M_MMAP_THRESHOLD, KEPT);
#endif
}

int main(int argc, char **argv) {
  host_options options;
  int status = EXIT_FAILURE;
  open_standard_files();
  keep_memory();
  /* So that neap.stats() counts the memory of libuv too. */
  neap_set_allocator(NULL, NULL);
  if (!host_options_parse(&options, argc, argv)) {
    fputs("neap: not enough memory\n", stderr);
    return status;
  }
  if (!is_answered(&options, &status)) {
    status = run_state(&options);
  }
  host_options_free(&options);
  return status;
}
