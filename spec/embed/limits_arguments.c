/* neap_set_limits with arguments good and bad; prints the first that is not as
 * documented. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>
#include <neap.h>
#include <uv.h>

static void expect(const char *what, long long got, long long wanted) {
  if (got != wanted) {
    printf("%s: %lld instead of %lld\n", what, got, wanted);
    exit(1);
  }
}

/* An allocator that counts what is held. */
static size_t held;

static void *counted(void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  held -= ptr == NULL ? 0 : osize;
  held += nsize;
  if (nsize == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, nsize);
}

/* set_limits(): while it runs. */
static int l_set_limits(lua_State *L) {
  neap_limits limits = {0};
  lua_pushinteger(L, neap_set_limits(L, &limits));
  return 1;
}

static lua_Integer run(lua_State *L, const char *script) {
  expect("load", luaL_loadstring(L, script), LUA_OK);
  expect("run", neap_run_main(L, 0), NEAP_RUN_OK);
  lua_Integer result = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return result;
}

/* As an option: from the first instruction on. */
static void as_option(void) {
  neap_runtime *rt;
  neap_options options;
  neap_limits limits = {.tasks = SIZE_MAX};
  neap_options_init(&options);
  options.limits = &limits;
  expect("too many tasks, as an option", neap_open(&options, &rt), UV_EINVAL);
  expect("no runtime", rt == NULL, 1);
  memset(&limits, 0, sizeof limits);
  limits.memory = 1000;
  options.allocator = counted;
  options.libraries = neap_open_sandbox;
  expect("a little memory", neap_open(&options, &rt), 0);
  lua_State *L = neap_state(rt);
  limits.memory = 1 << 20; /* is a copy by now */
  expect("no script fits", neap_run_string(L, "return 1", NULL),
         NEAP_RUN_ERROR);
  expect("close", neap_close(rt), 0);
  expect("1 MB", neap_open(&options, &rt), 0);
  L = neap_state(rt);
  lua_register(L, "set_limits", l_set_limits);
  expect("a sandbox", neap_run_string(L, "return io", NULL), NEAP_RUN_OK);
  expect("has no io", lua_isnil(L, -1), 1);
  expect("more than the limit, of an option",
         run(L, "return pcall(string.rep, 'x', 1 << 20) and 1 or 0"), 0);
  expect("close", neap_close(rt), 0);
  expect("held after closing", (long long)held, 0);
}

int main(void) {
  as_option();
  static const char grows[] = "local ok, e = pcall(string.rep, 'x', 1 << 20) "
                              "return ok and 1 or 0";
  static const char makes[] = "local neap = require 'neap' local n = 1 "
                              "while n < 50 and pcall(neap.create_task, "
                              "neap.sleep, 0) do n = n + 1 end "
                              "return n";
  static const char spins[] = "return pcall(function() "
                              "for i = 1, 1e7 do end end) and 1 or 0";
  neap_limits limits = {0};
  lua_State *L = lua_newstate(counted, NULL);
  expect("no runtime", neap_set_limits(L, &limits), UV_EINVAL);
  neap_open_sandbox(L);
  lua_settop(L, 0);
  expect("NULL", neap_set_limits(L, NULL), UV_EINVAL);
  limits.tasks = SIZE_MAX;
  expect("too many tasks", neap_set_limits(L, &limits), UV_EINVAL);
  limits.tasks = 0;
  limits.step_ms = SIZE_MAX;
  expect("too many ms", neap_set_limits(L, &limits), UV_EINVAL);
  lua_register(L, "set_limits", l_set_limits);
  expect("while it runs", run(L, "return set_limits()"), UV_EBUSY);

  memset(&limits, 0, sizeof limits);
  limits.memory = 1 << 20;
  expect("memory", neap_set_limits(L, &limits), 0);
  expect("more than the limit", run(L, grows), 0);
  limits.memory = 4 << 20;
  expect("more memory", neap_set_limits(L, &limits), 0);
  expect("less than the limit", run(L, grows), 1);
  memset(&limits, 0, sizeof limits);
  limits.tasks = 5;
  expect("tasks", neap_set_limits(L, &limits), 0);
  expect("tasks made", run(L, makes), 5);
  memset(&limits, 0, sizeof limits);
  limits.step_instructions = 100000;
  expect("instructions", neap_set_limits(L, &limits), 0);
  expect("too long a step", run(L, spins), 0);
  memset(&limits, 0, sizeof limits);
  expect("none", neap_set_limits(L, &limits), 0);
  expect("as long as it likes", run(L, spins), 1);
  expect("as many as it likes", run(L, makes), 50);
  lua_close(L);
  expect("held after closing", (long long)held, 0);
  puts("as documented");
  return 0;
}
