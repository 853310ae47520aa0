/* SPDX-License-Identifier: MIT */
/* arg.h - what every binding needs: arguments checked and converted once, and
 * the registration of functions whose first upvalue is the runtime. */
#ifndef NEAP_ARG_H
#define NEAP_ARG_H

#include <sys/un.h>

#include <lauxlib.h>
#include <lua.h>
#include <uv.h>

#include "runtime/future.h"
#include "runtime/runtime.h"
#include "runtime/task.h"

/* [-0, +0, v] Seconds: any number but NaN. */
double neap_check_seconds(lua_State *L, int arg);

/* [-0, +0, v] A function, or a value that can be called. */
void neap_check_callable(lua_State *L, int arg);

/* [-0, +0, v] A Task or a Future; a Task; a plain Future. */
neap_future *neap_check_future(lua_State *L, neap_runtime *rt, int arg);
neap_task *neap_check_task(lua_State *L, neap_runtime *rt, int arg);
neap_future *neap_check_plain_future(lua_State *L, neap_runtime *rt, int arg);

/* An address as text, "127.0.0.1" or "::1%lo", of `length` bytes. False: it is
 * none, as one with a zero in it, of which C would see the beginning only. */
bool neap_parse_address(const char *host, size_t length, int port,
                        struct sockaddr_storage *address);

/* [-0, +0, v] An address at `arg`, and a port behind it. */
const struct sockaddr *neap_check_address(lua_State *L, int arg,
                                          struct sockaddr_storage *address);

/* [-0, +0, v] Any value that has an `await` method. */
void neap_check_awaitable(lua_State *L, int arg);

/* [-0, +0, v] Raises unless the loop runs. */
void neap_check_running(lua_State *L, neap_runtime *rt);

/* [-0, +0, v] The task whose code runs; raises outside of tasks. */
neap_task *neap_check_current(lua_State *L, neap_runtime *rt);

/* [-0, +1, m] Pushes a function with the runtime as its upvalue. */
void neap_push_function(lua_State *L, neap_runtime *rt, lua_CFunction function);

/* [-0, +0, m] Adds such functions to the table on the top. */
void neap_set_functions(lua_State *L, neap_runtime *rt, const luaL_Reg *list);

/* The longest path of a Unix socket that the system can take. */
enum {
  NEAP_LONGEST_SOCKET_PATH = sizeof((struct sockaddr_un *)NULL)->sun_path - 1
};

/* [-0, +0, v] Such a path. */
const char *neap_check_socket_path(lua_State *L, int arg);

/* [-1, +0, m] Adds metamethods (NULL: none) to the metatable on the top, and
 * methods to its __index table, and pops it. May be called again. */
void neap_set_class(lua_State *L, neap_runtime *rt, const luaL_Reg *metamethods,
                    const luaL_Reg *methods);

/* [-0, +0, m] The same for the metatable with registry reference `ref`. */
void neap_set_methods(lua_State *L, neap_runtime *rt, int ref,
                      const luaL_Reg *metamethods, const luaL_Reg *methods);

#endif
