/* SPDX-License-Identifier: MIT */
/* turns.c - hosts that drive a runtime whose tasks do I/O, and stop it: a line
 * for each thing that happens. */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include <neap.h>

static void show(const char *what, int code) {
  printf("%s: %s\n", what, code < 0 ? uv_err_name(code) : "ok");
}

/* A task that runs the code. */
static neap_ref *create(neap_runtime *rt, const char *code) {
  lua_State *L = neap_state(rt);
  neap_ref *ref = NULL;
  if (luaL_loadstring(L, code) != LUA_OK || neap_create_task(L, 0, &ref) != 0) {
    printf("no task: %s\n", lua_tostring(L, -1));
    exit(EXIT_FAILURE);
  }
  return ref;
}

/* A server and its client, with a deadline that nothing comes near to, and one
 * that comes. */
static const char talk[] =
    "local neap = require 'neap'\n"
    "local server <close> = neap.net.listen('127.0.0.1', 0, function(peer)\n"
    "  neap.fs.stat '/'\n" /* what ends that is no event of the connection's */
    "  for line in peer:lines() do peer:write(line:upper(), '\\n') end\n"
    "end)\n"
    "local _, port = server:sockname()\n"
    "neap.timeout(60, function()\n"
    "  local stream <close> = neap.net.connect('127.0.0.1', port)\n"
    "  for _, word in ipairs { 'one', 'two' } do\n"
    "    if pause then neap.sleep(pause) end\n"
    "    stream:write(word, '\\n')\n"
    "    print(stream:read_line())\n"
    "  end\n"
    "end)\n";

/* On the host's loop, which ends by itself when the runtime has nothing left. */
static void loop(void) {
  uv_loop_t host;
  neap_runtime *rt;
  neap_options options;
  uv_loop_init(&host);
  neap_options_init(&options);
  options.loop = &host;
  neap_open(&options, &rt);
  neap_ref *task = create(rt, talk);
  uv_run(&host, UV_RUN_DEFAULT);
  printf("state %d\n", neap_ref_state(task));
  neap_release(task);
  show("close", neap_close(rt));
  uv_run(&host, UV_RUN_DEFAULT);
  show("close the loop", uv_loop_close(&host));
}

/* By poll(2) of the descriptor, for as long as the runtime says. */
static neap_future_state drive(neap_runtime *rt, neap_ref *task) {
  while (neap_ref_state(task) == NEAP_PENDING) {
    struct pollfd fd = {neap_backend_fd(rt), POLLIN, 0};
    if (poll(&fd, 1, neap_backend_timeout(rt)) < 0 || neap_poll(rt, 0) < 0) {
      break;
    }
  }
  return neap_ref_state(task);
}

static void descriptor(bool is_virtual, double pause) {
  neap_runtime *rt;
  neap_options options;
  neap_options_init(&options);
  options.virtual_clock = is_virtual;
  neap_open(&options, &rt);
  if (pause > 0) {
    lua_pushnumber(neap_state(rt), pause);
    lua_setglobal(neap_state(rt), "pause");
  }
  neap_ref *task = create(rt, talk);
  printf("state %d\n", (int)drive(rt, task));
  neap_release(task);
  neap_poll(rt, 0);
  printf("timeout %d\n", neap_backend_timeout(rt));
  task = create(rt, "require 'neap'.sleep(1000000000)");
  neap_poll(rt, 0);
  int timeout_ms = neap_backend_timeout(rt);
  printf("of a sleep %s\n", timeout_ms < 0            ? "none"
                            : timeout_ms > 1000000000 ? "long"
                                                      : "short");
  neap_release(task);
  show("close", neap_close(rt));
}

/* Nothing is left for the host to wait for but what a thread completes. */
static void complete_later(void *arg) {
  neap_complete(arg, NULL, NULL);
}

static void completion(void) {
  uv_thread_t thread;
  neap_runtime *rt;
  neap_ref *ref;
  neap_open(NULL, &rt);
  neap_create_future(neap_state(rt), &ref);
  neap_poll(rt, 0);
  printf("timeout %d\n", neap_backend_timeout(rt));
  uv_thread_create(&thread, complete_later, ref);
  printf("state %d\n", (int)drive(rt, ref));
  uv_thread_join(&thread);
  neap_release(ref);
  show("close", neap_close(rt));
}

/* ---- stopping ---- */

static int l_stop(lua_State *L) {
  neap_interrupt(neap_runtime_of(L), NEAP_STOP);
  return 0;
}

/* In the middle of a pass: what is left of it runs in a later turn. */
static void stop(void) {
  neap_runtime *rt;
  neap_open(NULL, &rt);
  lua_State *L = neap_state(rt);
  lua_register(L, "stop", l_stop);
  neap_ref *stops = create(rt, "pcall(stop) require 'neap'.sleep(0)");
  neap_ref *other = create(rt, "print 'the other task runs'");
  show("poll", neap_poll(rt, 0));
  printf("state %d and %d\n", neap_ref_state(stops), neap_ref_state(other));
  printf("timeout %d\n", neap_backend_timeout(rt));
  show("poll", neap_poll(rt, 0));
  printf("state %d and %d\n", neap_ref_state(stops), neap_ref_state(other));
  neap_release(stops);
  neap_release(other);
  show("close", neap_close(rt));
}

/* A main task of the same runtime runs what a stopped turn left. */
static void stop_then_run(void) {
  neap_runtime *rt;
  neap_open(NULL, &rt);
  lua_State *L = neap_state(rt);
  lua_register(L, "stop", l_stop);
  neap_release(create(rt, "stop()"));
  neap_release(create(rt, "print 'the other task runs'"));
  show("poll", neap_poll(rt, 0));
  neap_run_status status = neap_run_string(
      L, "require 'neap'.sleep(0) print 'the main task'", "=main");
  printf("run: %d\n", (int)status);
  show("close", neap_close(rt));
}

/* Ctrl-C, when there is no main task: all tasks are cancelled. */
static void interrupt(void) {
  neap_runtime *rt;
  neap_open(NULL, &rt);
  neap_ref *task = create(rt, "local neap = require 'neap'\n"
                              "local ok, err = pcall(neap.sleep, 1000)\n"
                              "print(neap.is(err, neap.CancelledError))\n"
                              "error(err, 0)");
  neap_poll(rt, 0);
  neap_interrupt(rt, NEAP_CANCEL_MAIN);
  printf("timeout %d\n", neap_backend_timeout(rt));
  while (neap_poll(rt, -1) > 0) {
  }
  printf("state %d\n", neap_ref_state(task));
  neap_release(task);
  show("close", neap_close(rt));
}

int main(int argc, char **argv) {
  switch (argc > 1 ? *argv[1] : 0) {
  case 'l':
    loop();
    break;
  case 'd':
    descriptor(false, 0);
    descriptor(false, 0.002);
    break;
  case 'v':
    descriptor(true, 0);
    break;
  case 'c':
    completion();
    break;
  case 's':
    stop();
    break;
  case 'r':
    stop_then_run();
    break;
  case 'i':
    interrupt();
    break;
  default:
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
