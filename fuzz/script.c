/* SPDX-License-Identifier: MIT */
/* script.c - the target of fuzz/NAME.lua: script.lua says how it is written.
 *
 * libFuzzer sees what is executed of C; of Lua it would see nothing. So a hook
 * counts pairs of lines, where libFuzzer takes them for pairs of blocks. */
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "fuzz/fuzz.h"
#include "runtime/alloc.h"
#include "runtime/neap.h"

/* Inputs that one state is given. */
enum { INPUTS_PER_STATE = 1000 };

static lua_State *state; /* has the function to call at 1 */
static int inputs;

#ifdef NEAP_FUZZ_GUIDED

enum { COUNTERS = 1 << 14 };

__attribute__((
    section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];
static unsigned last_line;

/* Not the address of the source: it is another one in the next process. */
static void count_line(lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "S", ar);
  unsigned line =
      (unsigned)ar->srclen * 31 + (uint8_t)ar->source[ar->srclen / 2];
  line = (line ^ (unsigned)ar->currentline) * 2654435761u >> 16;
  uint8_t *counter = &counters[(line ^ last_line) % COUNTERS];
  *counter = *counter == 255 ? 255 : *counter + 1;
  last_line = line >> 1;
}

/* watch_lines(): coroutines that are made from now on have it, too */
static int l_watch_lines(lua_State *L) {
  (void)L;
  lua_sethook(state, count_line, LUA_MASKLINE, 0);
  return 0;
}

#else

static int l_watch_lines(lua_State *L) {
  (void)L;
  return 0;
}

#endif

static void die(void) {
  fprintf(stderr, "%s\n", lua_tostring(state, -1));
  abort();
}

static int l_prepare(lua_State *L) {
  luaL_openlibs(L);
  luaL_requiref(L, "neap", luaopen_neap, 0);
  lua_settop(L, 0);
  if (luaL_loadfile(L, NEAP_FUZZ_ROOT "/fuzz/script.lua") != LUA_OK) {
    return lua_error(L);
  }
  lua_pushliteral(L, NEAP_FUZZ_ROOT);
  lua_pushliteral(L, NEAP_FUZZ_NAME);
  lua_pushcfunction(L, l_watch_lines);
  lua_call(L, 3, 1);
  return 1;
}

static void open_state(void) {
  state = luaL_newstate();
  FUZZ_CHECK(state != NULL, "no memory");
  lua_pushcfunction(state, l_prepare);
  if (lua_pcall(state, 0, 1, 0) != LUA_OK) {
    die();
  }
}

void __attribute__((weak)) __lsan_do_leak_check(void);

/* Libraries keep what they took for the first state. */
static void close_state(void) {
  static size_t kept;
  static int closed;
  lua_close(state);
  state = NULL;
  if (closed++ > 0) {
    FUZZ_CHECK(neap_alloc_bytes() <= kept, "bytes left after lua_close");
  }
  kept = neap_alloc_bytes();
  if (__lsan_do_leak_check != NULL) {
    __lsan_do_leak_check();
  }
}

void fuzz_end(void) {
  if (state != NULL) {
    close_state();
  }
}

static int with_traceback(lua_State *L) {
  neap_push_error_text(L, 1);
  luaL_traceback(L, L, lua_tostring(L, -1), 1);
  return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (state == NULL) {
    open_state();
  }
  lua_pushcfunction(state, with_traceback);
  lua_pushvalue(state, 1);
  lua_pushlstring(state, (const char *)data, size);
#ifdef NEAP_FUZZ_GUIDED
  last_line = 0;
#endif
  if (lua_pcall(state, 1, 0, -3) != LUA_OK) {
    die();
  }
  lua_settop(state, 1);
  if (++inputs % INPUTS_PER_STATE == 0) {
    close_state();
  }
  return 0;
}
