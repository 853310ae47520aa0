#include <stdio.h>
#include <lauxlib.h>
#include <lualib.h>
#include "runtime/neap.h"
int main(int argc, char **argv) { (void)argc;
  lua_State *L = luaL_newstate(); luaL_openlibs(L);
  luaL_requiref(L, "neap", luaopen_neap, 0); lua_settop(L,0);
  if (luaL_loadfile(L, argv[1])) { puts(lua_tostring(L,-1)); return 1; }
  neap_run_status s = neap_run_main(L, 0);
  if (s == NEAP_RUN_ERROR) fprintf(stderr, "neap: %s\n", lua_tostring(L,-1));
  lua_close(L);
  return s != NEAP_RUN_OK;
}
