/* SPDX-License-Identifier: MIT */
/* process_wide.c - what a host shares with neap: the stack of its main thread,
 * its children, its signals, its copies by fork, the module's code. Each part is
 * run by its letter and prints what came of it. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include <neap.h>

static neap_runtime *open_runtime(void) {
  neap_runtime *rt;
  if (neap_open(NULL, &rt) != 0) {
    fprintf(stderr, "cannot open a runtime\n");
    exit(2);
  }
  return rt;
}

static void ignore(lua_State *L) {
  if (luaL_dostring(L,
                    "require 'neap'.set_exception_handler(function() end)") !=
      LUA_OK) {
    exit(2);
  }
}

/* Failures by the ten thousand leave nothing on the host's stack. */
static void stack(void) {
  static const char fails[] =
      "local neap = require 'neap'\n"
      "for _ = 1, 200 do\n"
      "  for _ = 1, 10 do\n"
      "    pcall(neap.create_task(error, {}).await)\n"
      "    neap.call_soon(error, {})\n"
      "    neap.create_task(error, 'x'):add_done_callback(error)\n"
      "  end\n"
      "  neap.sleep(0)\n"
      "end\n";
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  ignore(L);
  int top = lua_gettop(L);
  int results = 0;
  for (int i = 0; i < 3; i++) {
    neap_run_status status = neap_run_string(L, fails, "=fails");
    if (status != NEAP_RUN_OK) {
      printf("status %d\n", status);
    }
    results += lua_gettop(L) - top;
    lua_settop(L, top);
  }
  printf("levels more: %d\n", results);
  neap_close(rt);
}

static int l_reap(lua_State *L) {
  while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
  }
  (void)L;
  return 0;
}

/* The host reaps what it did not start. */
static void reaper(void) {
  static const char waits[] =
      "local neap, process = require 'neap', require 'neap.process'\n"
      "local child = process.spawn { 'sleep', '0.01' }\n"
      "reap()\n"
      "return pcall(neap.timeout, 1, child.wait, child)\n";
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  lua_register(L, "reap", l_reap);
  neap_run_status status = neap_run_string(L, waits, "=waits");
  printf("status %d, %d, %s\n", status, lua_toboolean(L, -2),
         luaL_tolstring(L, -1, NULL));
  neap_close(rt);
}

/* A copy by fork ends without having used the loop; the original goes on. */
static void forked(void) {
  static const char sleeps[] = "return require 'neap'.sleep(0.001, 7)";
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  neap_run_string(L, sleeps, "=sleeps");
  pid_t child = fork();
  if (child == 0) {
    _exit(3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  neap_run_status run = neap_run_string(L, sleeps, "=sleeps");
  printf("child %d, status %d, result %d\n", WEXITSTATUS(status), run,
         (int)lua_tointeger(L, -1));
  printf("close %d\n", neap_close(rt));
}

/* SIGCHLD and a handled signal after the state has been closed. */
static void late_signals(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_requiref(L, "neap", luaopen_neap, 0);
  lua_settop(L, 0);
  if (luaL_dostring(L, "local neap = require 'neap'\n"
                       "neap.run(function()\n"
                       "  require 'neap.process'.spawn { 'sleep', '0.01' }\n"
                       "  require 'neap.signal'.on('SIGUSR1', print)\n"
                       "end)") != LUA_OK) {
    printf("%s\n", lua_tostring(L, -1));
  }
  lua_close(L);
  signal(SIGUSR1, SIG_IGN);
  raise(SIGUSR1);
  raise(SIGCHLD);
  usleep(30000);
  printf("reaped %s\n", waitpid(-1, NULL, 0) > 0 ? "one" : "none");
}

/* The module is loaded, used and unloaded, with its state, again and again. */
static void unload(const char *path) {
  int ok = 0;
  for (int i = 0; i < 100; i++) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_pushstring(L, path);
    lua_setglobal(L, "path");
    ok += luaL_dostring(L, "local neap = assert(package.loadlib(path, "
                           "'luaopen_neap'))()\n"
                           "neap.run(neap.sleep, 0)\n"
                           "neap.run(neap.fs.stat, '/')\n") == LUA_OK;
    if (ok == i) {
      printf("%s\n", lua_tostring(L, -1));
    }
    lua_close(L);
  }
  printf("loaded %d times\n", ok);
}

int main(int argc, char **argv) {
  switch (argc > 1 ? argv[1][0] : 0) {
  case 's':
    stack();
    break;
  case 'r':
    reaper();
    break;
  case 'f':
    forked();
    break;
  case 'l':
    late_signals();
    break;
  case 'u':
    unload(argv[2]);
    break;
  default:
    return 2;
  }
  return 0;
}
