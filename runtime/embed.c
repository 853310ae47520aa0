/* SPDX-License-Identifier: MIT */
/* embed.c - the public functions, on top of the rest. */
#include <lauxlib.h>

#include "runtime/error.h"
#include "runtime/future.h"
#include "runtime/neap.h"
#include "runtime/run.h"
#include "runtime/runtime.h"

const char *neap_version(void) {
  return NEAP_VERSION;
}

neap_run_status neap_run_main(lua_State *L, int nargs) {
  neap_runtime *rt = neap_runtime_of(L);
  bool completed = neap_run(L, rt, nargs);
  int index = lua_gettop(L) - nargs - 1;
  lua_replace(L, index);
  lua_settop(L, index);
  neap_future *task = lua_touserdata(L, index);
  if (!completed) {
    lua_pop(L, 1);
    if (rt->exiting) {
      lua_pushinteger(L, rt->exit_code);
      return NEAP_RUN_EXIT;
    }
    return NEAP_RUN_INTERRUPTED;
  }
  if (task->state == NEAP_FINISHED) {
    neap_future_results(L, task, index);
    lua_remove(L, index);
    return NEAP_RUN_OK;
  }
  neap_future_push_error(L, task, index);
  neap_push_full_error(L, rt, -1, index);
  lua_remove(L, index);
  return NEAP_RUN_ERROR;
}

void neap_use_virtual_clock(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  if (!rt->running) {
    rt->clock.is_virtual = true;
    rt->clock.virtual_now = 0;
  }
}

void neap_set_debug(lua_State *L, int on) {
  neap_runtime *rt = neap_runtime_of(L);
  rt->debug = on != 0;
  neap_update_watch(rt);
}

void neap_push_error_text(lua_State *L, int index) {
  neap_push_full_error(L, neap_runtime_of(L), index, 0);
}
