/* SPDX-License-Identifier: MIT */
/* error.c - the error classes, and neap.is. */
#include "runtime/error.h"

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"

/* is(value, Class) -> boolean
 * Whether value is an error object of Class or of a class derived from it.
 * Never raises, whatever the values are. */
static int l_is(lua_State *L) {
  lua_settop(L, 2);
  lua_pushboolean(L, neap_error_isinstance(L, neap_runtime_up(L), 1, 2));
  return 1;
}

static const luaL_Reg functions[] = {
    {"is", l_is},
    {NULL, NULL},
};

void neap_bind_error(lua_State *L, neap_runtime *rt) {
  neap_set_functions(L, rt, functions);
  for (int i = 0; i < NEAP_CLASS_COUNT; i++) {
    neap_push_class(L, rt, (neap_class)i);
    lua_setfield(L, -2, neap_class_name((neap_class)i));
  }
}
