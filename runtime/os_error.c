/* SPDX-License-Identifier: MIT */
#include "runtime/os_error.h"

#include <lauxlib.h>

#include "runtime/error.h"

void neap_push_os_error(lua_State *L, neap_runtime *rt, int err,
                        const char *syscall, const char *subject) {
  char code[32];
  char text[128];
  uv_err_name_r(err, code, sizeof code);
  uv_strerror_r(err, text, sizeof text);
  luaL_checkstack(L, 6, NULL);
  if (subject != NULL) {
    lua_pushfstring(L, "%s '%s': %s (%s)", syscall, subject, text, code);
  } else {
    lua_pushfstring(L, "%s: %s (%s)", syscall, text, code);
  }
  neap_error_new(L, rt, NEAP_OS_ERROR);
  lua_pushstring(L, code);
  lua_setfield(L, -2, "code");
  lua_pushinteger(L, -err);
  lua_setfield(L, -2, "errno");
  lua_pushstring(L, syscall);
  lua_setfield(L, -2, "syscall");
}

int neap_raise_os_error(lua_State *L, neap_runtime *rt, int err,
                        const char *syscall, const char *subject) {
  neap_push_os_error(L, rt, err, syscall, subject);
  return lua_error(L);
}
