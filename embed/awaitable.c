/* SPDX-License-Identifier: MIT */
/* awaitable.c - a C function that suspends the task which calls it, and is
 * told when that is cancelled. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <neap.h>

/* Stands for a device that answers when it likes: the host asks it in its own
 * loop, below. One question at a time. */
static neap_ref *asked;

static void forget(void *ud) {
  (void)ud;
  printf("the device is told that nobody waits\n");
}

/* ask() -> string. Waits until the device answers. */
static int l_ask(lua_State *L) {
  if (asked != NULL) {
    return luaL_error(L, "the device is busy");
  }
  neap_ref *ref = neap_begin(L);
  asked = ref;
  return neap_await_ref(L, ref, forget, NULL);
}

static int push_answer(lua_State *L, void *ud) {
  if (L == NULL) {
    return 0; /* nobody waits any more, and there is nothing to free */
  }
  lua_pushstring(L, ud);
  return 1;
}

static void answer(void) {
  if (asked != NULL) {
    neap_complete(asked, push_answer, "42");
    neap_release(asked);
    asked = NULL;
  }
}

static const char script[] =
    "local neap = require 'neap'\n"
    "print('the answer is ' .. ask())\n"
    "print('in time', (neap.move_on_after(0.001, ask)))\n"
    "done = true\n";

int main(void) {
  neap_runtime *rt;
  if (neap_open(NULL, &rt) != 0) {
    return EXIT_FAILURE;
  }
  lua_State *L = neap_state(rt);
  lua_register(L, "ask", l_ask);
  if (luaL_loadstring(L, script) != LUA_OK ||
      neap_create_task(L, 0, NULL) != 0) {
    neap_close(rt);
    return EXIT_FAILURE;
  }
  bool answered = false;
  while (neap_poll(rt, 10) > 0) {
    if (asked != NULL && (!answered || lua_getglobal(L, "done") != LUA_TNIL)) {
      answer();
      answered = true;
    }
    lua_settop(L, 0);
  }
  return neap_close(rt) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
