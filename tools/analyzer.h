/* SPDX-License-Identifier: MIT */
/* analyzer.h - what gcc -fanalyzer cannot know of Lua's functions, nor gcov: which
 * do not return, and which never return NULL. */
#ifndef NEAP_ANALYZER_H
#define NEAP_ANALYZER_H

#include <lauxlib.h>
#include <lua.h>

int lua_error(lua_State *L) __attribute__((noreturn));
int luaL_error(lua_State *L, const char *fmt, ...) __attribute__((noreturn));
int luaL_argerror(lua_State *L, int arg, const char *extramsg)
    __attribute__((noreturn));
int luaL_typeerror(lua_State *L, int arg, const char *tname)
    __attribute__((noreturn));
void *luaL_checkudata(lua_State *L, int ud, const char *tname)
    __attribute__((returns_nonnull));
void *lua_newuserdatauv(lua_State *L, size_t sz, int nuvalue)
    __attribute__((returns_nonnull));

#endif
