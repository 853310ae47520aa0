/* SPDX-License-Identifier: MIT */
/* lua_sources.h - the Lua sources of bindings/lua, compiled into the library. */
#ifndef NEAP_LUA_SOURCES_H
#define NEAP_LUA_SOURCES_H

#include <stddef.h>

typedef struct neap_lua_source {
  const char *name;     /* "neap.require"; NULL ends the list */
  const char *provides; /* " name name ": what it adds to the module */
  const char *text;
  size_t length;
} neap_lua_source;

extern const neap_lua_source neap_lua_sources[];

#endif
