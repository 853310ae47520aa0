/* SPDX-License-Identifier: MIT */
/* adopt.c - a runtime in a lua_State and on a uv loop that a program has
 * already. The program goes on calling uv_run, and nothing else; its callbacks
 * run beside neap's tasks. */
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include <neap.h>

static const char script[] = "local neap = require 'neap'\n"
                             "local event = neap.event()\n"
                             "neap.create_task(function()\n"
                             "  neap.sleep(0.01)\n"
                             "  print 'a task slept'\n"
                             "  event:wait()\n"
                             "  print 'a task was woken by a callback'\n"
                             "end)\n"
                             "function tick() event:set() end\n";

/* The program's own timer, whose callback calls Lua. Its errors are its own. */
static void on_timer(uv_timer_t *timer) {
  lua_State *L = timer->data;
  printf("the program's timer\n");
  if (luaL_dostring(L, "tick()") != LUA_OK) {
    lua_pop(L, 1);
  }
  uv_close((uv_handle_t *)timer, NULL);
}

static int use_neap(lua_State *L, uv_loop_t *loop) {
  neap_options options;
  neap_runtime *rt;
  uv_timer_t timer;
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
  uv_timer_init(loop, &timer);
  timer.data = L;
  uv_timer_start(&timer, on_timer, 50, 0);
  uv_run(loop, UV_RUN_DEFAULT); /* until neither has anything left to do */
  return neap_close(rt);
}

int main(void) {
  uv_loop_t loop;
  lua_State *L = luaL_newstate();
  if (L == NULL || uv_loop_init(&loop) != 0) {
    return EXIT_FAILURE;
  }
  luaL_openlibs(L);
  int err = use_neap(L, &loop);
  lua_close(L);
  uv_run(&loop, UV_RUN_DEFAULT); /* what neap had on it closes */
  if (err == 0) {
    err = uv_loop_close(&loop);
  }
  printf("the loop closes with %d\n", err);
  return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
