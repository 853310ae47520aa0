/* SPDX-License-Identifier: MIT */
/* refs.c - what C holds of tasks and futures, in the wrong state, at the wrong
 * moment, and with no room on the stack: a line for each. */
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

static void on_error(void *ud, const char *text) {
  (void)ud;
  printf("reported: %.*s\n", (int)strcspn(text, "\n"), text);
}

static neap_runtime *open_runtime(void) {
  neap_runtime *rt;
  neap_options options;
  neap_options_init(&options);
  options.on_error = on_error;
  neap_open(&options, &rt);
  return rt;
}

static int push_seven(lua_State *L, void *ud) {
  (void)ud;
  lua_pushinteger(L, 7);
  return 1;
}

static void done(lua_State *L, neap_ref *ref, void *ud) {
  printf("%s: %s, state %d\n", (const char *)ud,
         L == NULL ? "the runtime closes" : "done", neap_ref_state(ref));
}

static void fail_when_done(lua_State *L, neap_ref *ref, void *ud) {
  (void)ref;
  (void)ud;
  luaL_error(L, "raised when it was done");
}

/* ---- references to what Lua has made ---- */

static void of_lua(void) {
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  neap_ref *ref;
  neap_ref *second;
  luaL_dostring(L, "future = require 'neap'.future()");
  lua_getglobal(L, "future");
  show("reference", neap_ref_at(L, -1, &ref));
  show("another", neap_ref_at(L, 1, &second));
  lua_settop(L, 0);
  printf("results while pending: %d, %d values\n",
         neap_ref_results(L, ref, NULL), lua_gettop(L));
  show("watch", neap_on_done(ref, done, "the first"));
  show("watch", neap_on_done(second, fail_when_done, NULL));
  luaL_dostring(L, "future:set_result(1, 2)");
  neap_poll(rt, 0);
  show("watch what is done", neap_on_done(ref, done, "the first again"));
  neap_poll(rt, 0);
  neap_release(second);
  int n = 0;
  printf("results: %d", neap_ref_results(L, ref, &n));
  printf(", %d values\n", n);
  lua_settop(L, 0);
  lua_newtable(L);
  show("reference to a table", neap_ref_at(L, -1, &second));
  neap_release(ref);
  show("close", neap_close(rt));
}

/* ---- at the wrong moment, in the wrong place ---- */

static neap_ref *another;

static void cancel_inside(void *ud) {
  show("cancel inside a cancel function", neap_cancel(another));
  show("cancel all inside a cancel function", neap_cancel_all(ud));
}

static neap_ref *begun;

static int l_wait(lua_State *L) {
  begun = neap_begin(L);
  return neap_await_ref(L, begun, cancel_inside, neap_runtime_of(L));
}

static int l_wait_for_another(lua_State *L) {
  return neap_await_ref(L, another, NULL, NULL);
}

static int l_await_nothing(lua_State *L) {
  return neap_await_ref(L, NULL, NULL, NULL);
}

static int l_begin(lua_State *L) {
  neap_begin(L);
  return 0;
}

static void show_raised(lua_State *L, const char *what, lua_CFunction f) {
  lua_pushcfunction(L, f);
  int status = lua_pcall(L, 0, 0, 0);
  printf("%s: %s\n", what, status == LUA_OK ? "ok" : lua_tostring(L, -1));
  lua_settop(L, 0);
}

static void wrong_moment(void) {
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  neap_ref *task;
  neap_create_future(L, &another);
  lua_settop(L, 0);
  lua_pushcfunction(L, l_wait);
  neap_create_task(L, 0, &task);
  neap_poll(rt, 0);
  show("cancel", neap_cancel(task));
  neap_poll(rt, 0);
  printf("state %d, of the other %d\n", neap_ref_state(task),
         neap_ref_state(another));
  neap_ref_results(L, task, NULL);
  lua_settop(L, 0);
  neap_release(begun);
  neap_release(task);
  neap_release(another);
  show("close", neap_close(rt));
}

/* What a task of C awaits, Lua may have made; who completes it is Lua. */
static void wait_for_lua(void) {
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  neap_ref *task;
  luaL_dostring(L, "future = require 'neap'.future()");
  lua_getglobal(L, "future");
  neap_ref_at(L, -1, &another);
  lua_settop(L, 0);
  lua_pushcfunction(L, l_wait_for_another);
  neap_create_task(L, 0, &task);
  neap_poll(rt, 0);
  luaL_dostring(L, "future:set_result 'from Lua'");
  neap_poll(rt, 0);
  printf("state %d: ", neap_ref_results(L, task, NULL));
  printf("%s\n", lua_tostring(L, -1));
  neap_release(task);
  neap_release(another);
  show("close", neap_close(rt));
}

static void wrong_place(void) {
  neap_runtime *rt = open_runtime();
  neap_runtime *other = open_runtime();
  lua_State *L = neap_state(rt);
  neap_ref *ref;
  lua_State *bare = luaL_newstate();
  luaL_openlibs(bare);
  show_raised(bare, "begin without a runtime", l_begin);
  luaL_requiref(bare, "neap", luaopen_neap, 0); /* not by neap_open */
  lua_settop(bare, 0);
  lua_pushcfunction(bare, l_begin);
  show("task, and no loop runs", neap_create_task(bare, 0, NULL));
  show("poll", neap_poll(neap_runtime_of(bare), 0));
  lua_close(bare);
  neap_create_future(L, &ref);
  lua_settop(L, 0);
  show("push where it is", neap_push_ref(L, ref));
  show("push elsewhere", neap_push_ref(neap_state(other), ref));
  printf("%d values\n", lua_gettop(neap_state(other)));
  another = ref;
  show_raised(L, "await nothing", l_await_nothing);
  show_raised(neap_state(other), "await elsewhere", l_wait_for_another);
  neap_release(ref);
  show("close", neap_close(rt));
  show("close", neap_close(other));
}

static void after_close(void) {
  neap_runtime *rt;
  neap_options options;
  neap_options_init(&options);
  options.state = luaL_newstate();
  neap_open(&options, &rt);
  neap_close(rt);
  neap_run_status status = neap_run_string(options.state, "return 1", "=one");
  printf("run: %d, %s\n", (int)status, lua_tostring(options.state, -1));
  lua_close(options.state);
}

/* ---- no room ---- */

static int fill(lua_State *L) {
  while (lua_checkstack(L, 1000)) {
    lua_settop(L, lua_gettop(L) + 1000);
  }
  while (lua_checkstack(L, 1)) {
    lua_pushnil(L);
  }
  return lua_gettop(L);
}

/* Tells whether the stack is as it was, but for what was to be popped. */
static void check(lua_State *L, int top, int popped, const char *what,
                  int code) {
  show(what, code);
  if (lua_gettop(L) != top - popped) {
    printf("%d values too many\n", lua_gettop(L) - top + popped);
  }
  lua_settop(L, top);
}

static void run_full(lua_State *L) {
  neap_run_status status = neap_run_string(L, "return 1", "=one");
  printf("run: %d, %s\n", (int)status, lua_tostring(L, -1));
}

static void no_room(void) {
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  neap_ref *ref;
  neap_ref *unused;
  neap_create_future(L, &ref);
  int top = fill(L);
  check(L, top, 0, "push", neap_push_ref(L, ref));
  check(L, top, 0, "results", neap_ref_results(L, ref, NULL));
  check(L, top, 0, "future", neap_create_future(L, &unused));
  check(L, top, 0, "reference", neap_ref_at(L, 1, &unused));
  lua_settop(L, top - 1);
  lua_pushcfunction(L, l_begin);
  check(L, top, 1, "task", neap_create_task(L, 0, &unused));
  lua_settop(L, top - 4);
  neap_complete(ref, push_seven, NULL);
  neap_poll(rt, 0); /* on a stack of the runtime's own */
  check(L, top - 4, 0, "results", neap_ref_results(L, ref, NULL));
  printf("state %d\n", neap_ref_state(ref));
  lua_settop(L, top);
  run_full(L);
  neap_release(ref);
  show("close", neap_close(rt));
}

static void no_room_to_run(void) {
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  int top = fill(L);
  lua_settop(L, top - 1);
  lua_pushcfunction(L, l_begin);
  neap_run_status status = neap_run_main(L, 0);
  printf("run: %d, %s\n", (int)status, lua_tostring(L, -1));
  lua_settop(L, 0);
  show("close", neap_close(rt));
}

static void no_room_to_open(void) {
  neap_runtime *rt;
  neap_options options;
  neap_options_init(&options);
  options.state = luaL_newstate();
  fill(options.state);
  show("open", neap_open(&options, &rt));
  lua_settop(options.state, 0);
  show("open with room", neap_open(&options, &rt));
  neap_close(rt);
  lua_close(options.state);
}

/* ---- the last resort ---- */

/* An error of the host's own, which nothing protects. */
static void unprotected(bool is_text) {
  neap_runtime *rt = open_runtime();
  lua_State *L = neap_state(rt);
  if (is_text) {
    lua_pushliteral(L, "of the host's own");
  } else {
    lua_newtable(L);
  }
  lua_error(L);
}

int main(int argc, char **argv) {
  switch (argc > 1 ? *argv[1] : 0) {
  case 'l':
    of_lua();
    break;
  case 'm':
    wrong_moment();
    wait_for_lua();
    break;
  case 'p':
    wrong_place();
    break;
  case 'c':
    after_close();
    break;
  case 'r':
    no_room();
    no_room_to_run();
    break;
  case 'o':
    no_room_to_open();
    break;
  case 'u':
    unprotected(true);
    break;
  case 't':
    unprotected(false);
    break;
  default:
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
