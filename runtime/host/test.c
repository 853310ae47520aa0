/* SPDX-License-Identifier: MIT */
/* test.c - busted runs outside of the loop, which runs for each test: see
 * bindings/lua/neap/busted.lua. */
#include "runtime/host/test.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "bindings/neap.h"
#include "runtime/host/run.h"

/* Protected. 1: the options. */
static int run_busted(lua_State *L) {
  const host_options *options = lua_touserdata(L, 1);
  int count = 0;
  neap_run_source(L, neap_runtime_of(L), "neap.test");
  lua_createtable(L, options->argc - options->script, 0);
  if (options->virtual_clock) {
    lua_pushliteral(L, "--virtual-clock");
    lua_rawseti(L, -2, ++count);
  }
  for (int i = options->script + 1; i < options->argc; i++) {
    lua_pushstring(L, options->argv[i]);
    lua_rawseti(L, -2, ++count);
  }
  lua_call(L, 1, 0);
  return 0;
}

int host_test(lua_State *L, const host_options *options) {
  host_signals signals;
  int status = EXIT_SUCCESS;
  lua_pushcfunction(L, run_busted);
  lua_pushlightuserdata(L, (void *)options);
  host_catch_signals(L, &signals);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    neap_push_error_text(L, -1);
    host_print_error(L, "neap: ");
    status = EXIT_FAILURE;
  }
  host_release_signals(&signals, false);
  return status;
}
