/* A program out of tree: what somebody writes who has installed neap. Valid C
 * and C++. */
#include <stdio.h>
#include <string.h>

#include <neap.h>

#ifdef __cplusplus
extern "C" {
#endif
#include <lauxlib.h>
#include <lualib.h>
#ifdef __cplusplus
}
#endif

static const char script[] =
    "local neap = require 'neap'\n"
    "local function wait(n) neap.sleep(n) return n end\n"
    "return neap.gather(neap.create_task(wait, 2), neap.create_task(wait, 1))";

int main(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL || strcmp(neap_version(), NEAP_VERSION) != 0) {
    return 1;
  }
  luaL_openlibs(L);
  luaL_requiref(L, "neap", luaopen_neap, 0);
  lua_settop(L, 0);
  neap_use_virtual_clock(L);
  int status = 1;
  if (luaL_loadstring(L, script) == LUA_OK &&
      neap_run_main(L, 0) == NEAP_RUN_OK) {
    printf("%d results: %d %d\n", lua_gettop(L), (int)lua_tointeger(L, 1),
           (int)lua_tointeger(L, 2));
    status = 0;
  }
  lua_close(L);
  return status;
}
