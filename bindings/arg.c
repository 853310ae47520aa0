/* SPDX-License-Identifier: MIT */
#include "bindings/arg.h"

#include <string.h>

double neap_check_seconds(lua_State *L, int arg) {
  int is_number;
  lua_Integer whole = lua_tointegerx(L, arg, &is_number);
  if (is_number) { /* the shorter way for sleep(0) */
    return (double)whole;
  }
  double seconds = lua_tonumberx(L, arg, &is_number);
  if (!is_number) {
    seconds = luaL_checknumber(L, arg); /* says what is wrong */
  }
  luaL_argcheck(L, seconds == seconds, arg, "delay is NaN (not a number)");
  return seconds;
}

void neap_check_callable(lua_State *L, int arg) {
  if (!lua_isfunction(L, arg)) {
    if (luaL_getmetafield(L, arg, "__call") == LUA_TNIL) {
      luaL_typeerror(L, arg, "function");
    }
    lua_pop(L, 1);
  }
}

neap_future *neap_check_future(lua_State *L, neap_runtime *rt, int arg) {
  neap_future *future = neap_to_future(L, rt, arg);
  if (future == NULL) {
    luaL_typeerror(L, arg, "Task or Future");
  }
  return future;
}

neap_task *neap_check_task(lua_State *L, neap_runtime *rt, int arg) {
  neap_future *future = neap_to_future(L, rt, arg);
  neap_task *task = future == NULL ? NULL : neap_future_task(future);
  if (task == NULL) {
    luaL_typeerror(L, arg, "Task");
  }
  return task;
}

neap_future *neap_check_plain_future(lua_State *L, neap_runtime *rt, int arg) {
  neap_future *future = neap_to_future(L, rt, arg);
  if (future == NULL || neap_future_task(future) != NULL) {
    luaL_typeerror(L, arg, "Future");
  }
  return future;
}

bool neap_parse_address(const char *host, size_t length, int port,
                        struct sockaddr_storage *address) {
  memset(address, 0, sizeof *address);
  return strlen(host) == length &&
         (uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0 ||
          uv_ip6_addr(host, port, (struct sockaddr_in6 *)address) == 0);
}

const struct sockaddr *neap_check_address(lua_State *L, int arg,
                                          struct sockaddr_storage *address) {
  size_t length;
  const char *host = luaL_checklstring(L, arg, &length);
  lua_Integer port = luaL_checkinteger(L, arg + 1);
  luaL_argcheck(L, port >= 0 && port <= 65535, arg + 1, "not a port");
  luaL_argcheck(L, neap_parse_address(host, length, (int)port, address), arg,
                "not an address");
  return (const struct sockaddr *)address;
}

void neap_check_awaitable(lua_State *L, int arg) {
  bool indexable = lua_istable(L, arg);
  if (luaL_getmetafield(L, arg, "__index") != LUA_TNIL) {
    lua_pop(L, 1);
    indexable = lua_type(L, arg) != LUA_TSTRING;
  }
  if (!indexable || lua_getfield(L, arg, "await") != LUA_TFUNCTION) {
    luaL_typeerror(L, arg, "Task, Future or object with an await method");
  }
  lua_pop(L, 1);
}

void neap_check_running(lua_State *L, neap_runtime *rt) {
  if (rt->closed) {
    luaL_error(L, "the runtime is closed");
  }
  if (!rt->running && !rt->hosted) {
    luaL_error(L, "outside a task: no loop runs; call this inside neap.run");
  }
}

neap_task *neap_check_current(lua_State *L, neap_runtime *rt) {
  if (rt->current == NULL) {
    neap_raise_outside(L, rt);
  }
  return rt->current;
}

void neap_push_function(lua_State *L, neap_runtime *rt,
                        lua_CFunction function) {
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, function, 1);
}

const char *neap_check_socket_path(lua_State *L, int arg) {
  size_t length = 0;
  const char *path = luaL_checklstring(L, arg, &length);
  luaL_argcheck(L, length > 0, arg, "the path is empty");
  luaL_argcheck(L, length <= NEAP_LONGEST_SOCKET_PATH, arg,
                "the path is too long");
  luaL_argcheck(L, strlen(path) == length, arg, "the path contains a zero");
  return path;
}

void neap_set_functions(lua_State *L, neap_runtime *rt, const luaL_Reg *list) {
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, list, 1);
}

void neap_set_class(lua_State *L, neap_runtime *rt, const luaL_Reg *metamethods,
                    const luaL_Reg *methods) {
  if (metamethods != NULL) {
    neap_set_functions(L, rt, metamethods);
  }
  luaL_getsubtable(L, -1, "__index");
  neap_set_functions(L, rt, methods);
  lua_pop(L, 2);
}

void neap_set_methods(lua_State *L, neap_runtime *rt, int ref,
                      const luaL_Reg *metamethods, const luaL_Reg *methods) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  neap_set_class(L, rt, metamethods, methods);
}
