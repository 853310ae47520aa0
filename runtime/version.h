/* SPDX-License-Identifier: MIT */
/* version.h - what differs between releases of Lua 5.4. */
#ifndef NEAP_LUA_VERSION_H
#define NEAP_LUA_VERSION_H

#include <lua.h>

/* [-?, +1, -] Closes a suspended or failed coroutine, whose stack then holds an
 * error value or nothing; returns its status. lua_closethread is there since 5.4.6. */
static inline int neap_reset_thread(lua_State *co) {
#if LUA_VERSION_RELEASE_NUM >= 50406
  return lua_closethread(co, NULL);
#else
  return lua_resetthread(co);
#endif
}

#endif
