/* SPDX-License-Identifier: MIT */
/* adopt.c - a runtime in a lua_State and on a uv loop that a program has
 * already, together with luv, whose callbacks run beside neap's tasks. The
 * program goes on calling uv_run, and nothing else. */
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include <neap.h>

static const char script[] =
    "local neap = require 'neap'\n"
    "local uv = require 'luv'\n"
    "local event = neap.event()\n"
    "local function called(timer)\n"
    "  print 'a callback of luv'\n"
    "  timer:close()\n"
    "  event:set()\n"
    "end\n"
    "neap.create_task(function()\n"
    "  neap.sleep(0.01)\n"
    "  print 'a task slept'\n"
    "  local timer = uv.new_timer()\n"
    "  timer:start(5, 0, function()\n"
    "    called(timer)\n"
    "    neap.create_task(print, 'a task of its own')\n"
    "  end)\n"
    "  event:wait()\n"
    "  print 'a task was woken by it'\n"
    "end)\n";

/* Tells luv the program's loop, before it is opened. A program that is linked
 * with luv calls luv_set_loop(L, loop); this one finds it as `require` does. */
static int set_loop_of_luv(lua_State *L, uv_loop_t *loop, uv_lib_t *luv) {
  void (*set_loop)(lua_State * L, uv_loop_t * loop);
  void *symbol = NULL;
  if (luaL_dostring(L, "return package.searchpath('luv', package.cpath)") !=
          LUA_OK ||
      !lua_isstring(L, 1) || uv_dlopen(lua_tostring(L, 1), luv) != 0 ||
      uv_dlsym(luv, "luv_set_loop", &symbol) != 0) {
    return -1;
  }
  *(void **)&set_loop = symbol;
  set_loop(L, loop);
  lua_settop(L, 0);
  return 0;
}

static int use_neap(lua_State *L, uv_loop_t *loop) {
  neap_options options;
  neap_runtime *rt;
  neap_options_init(&options);
  options.state = L;
  options.loop = loop;
  int err = neap_open(&options, &rt);
  if (err != 0) {
    return err;
  }
  if (luaL_dostring(L, script) != LUA_OK) {
    fprintf(stderr, "adopt: %s\n", lua_tostring(L, -1));
  }
  uv_run(loop, UV_RUN_DEFAULT); /* until neither has anything left to do */
  return neap_close(rt);
}

int main(void) {
  uv_loop_t loop;
  uv_lib_t luv;
  lua_State *L = luaL_newstate();
  if (L == NULL || uv_loop_init(&loop) != 0) {
    return EXIT_FAILURE;
  }
  luaL_openlibs(L);
  if (set_loop_of_luv(L, &loop, &luv) != 0) {
    printf("luv is not installed\n");
    lua_close(L);
    uv_loop_close(&loop);
    return EXIT_FAILURE;
  }
  int err = use_neap(L, &loop);
  lua_close(L);
  uv_run(&loop, UV_RUN_DEFAULT); /* what neap had on it closes */
  if (err == 0) {
    err = uv_loop_close(&loop);
  }
  uv_dlclose(&luv);
  printf("the loop closes with %d\n", err);
  return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
