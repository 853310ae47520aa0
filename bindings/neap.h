/* SPDX-License-Identifier: MIT */
/* neap.h - the bindings, each of which adds its functions to the module. */
#ifndef NEAP_BINDINGS_H
#define NEAP_BINDINGS_H

#include <lua.h>

#include "runtime/runtime.h"

/* [-0, +0, m] Each adds to the module table on the top. */
void neap_bind_run(lua_State *L, neap_runtime *rt);
void neap_bind_future(lua_State *L, neap_runtime *rt);
/* After neap_bind_future, to whose methods it adds. */
void neap_bind_task(lua_State *L, neap_runtime *rt);
void neap_bind_sleep(lua_State *L, neap_runtime *rt);
void neap_bind_timeout(lua_State *L, neap_runtime *rt);
void neap_bind_callback(lua_State *L, neap_runtime *rt);
void neap_bind_lock(lua_State *L, neap_runtime *rt);
void neap_bind_event(lua_State *L, neap_runtime *rt);
void neap_bind_condition(lua_State *L, neap_runtime *rt);
void neap_bind_semaphore(lua_State *L, neap_runtime *rt);
void neap_bind_barrier(lua_State *L, neap_runtime *rt);
void neap_bind_queue(lua_State *L, neap_runtime *rt);
void neap_bind_pcall(lua_State *L, neap_runtime *rt);
void neap_bind_error(lua_State *L, neap_runtime *rt);

/* [-0, +1, m] Each pushes the table of a submodule. */
void neap_push_json(lua_State *L, neap_runtime *rt);
void neap_push_testing(lua_State *L, neap_runtime *rt);
void neap_push_stdio(lua_State *L, neap_runtime *rt);
void neap_push_fs(lua_State *L, neap_runtime *rt);
void neap_push_dns(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] Each adds to neap.fs, on the top. */
void neap_bind_file(lua_State *L, neap_runtime *rt);
void neap_bind_watch(lua_State *L, neap_runtime *rt);

/* [-0, +1, m] Each pushes what the Lua source of that name needs of C. */
void neap_push_net(lua_State *L, neap_runtime *rt);
void neap_push_signal(lua_State *L, neap_runtime *rt);
void neap_push_process(lua_State *L, neap_runtime *rt);

/* What neap/uv.lua needs of C. */
int neap_load_luv(lua_State *L);
int neap_set_at_close(lua_State *L);

/* [-0, +1, v] The same for neap/tls.lua and for neap/http_server.lua; they raise
 * if a library that they need is missing. */
void neap_push_tls(lua_State *L, neap_runtime *rt);
void neap_push_http_message(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] Makes the class of streams. May be called again. */
void neap_open_streams(lua_State *L, neap_runtime *rt);

/* What neap/http_server.lua needs of streams. */
int neap_watch_stream(lua_State *L);

/* [-0, +1, m] Pushes neap.testing.memory_stream. */
void neap_push_memory_stream(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] Each adds to what neap/net.lua needs, on the top. */
void neap_bind_udp(lua_State *L, neap_runtime *rt);
void neap_bind_server(lua_State *L, neap_runtime *rt);

/* lua_CFunctions, whose first upvalue is the runtime: as those of the string
 * library, but the work of matching counts for the limit of the step. */
int neap_l_find(lua_State *L);
int neap_l_match(lua_State *L);
int neap_l_gmatch(lua_State *L);
int neap_l_gsub(lua_State *L);

/* [-0, +1, m] Pushes what neap/http_client.lua needs of C. */
void neap_push_http_client(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] Gives the module table on the top the parts that are made at
 * first use: an absent field is looked for among them. */
void neap_add_parts(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] `require "neap.testing"`. May be called again. */
void neap_preload_submodules(lua_State *L, neap_runtime *rt);

/* [-0, +1, e] Runs the embedded source `name` with the module and what neap's
 * own Lua needs, and pushes what it returns. */
void neap_run_source(lua_State *L, neap_runtime *rt, const char *name);

/* [-0, +1, m] Pushes a table of what neap's own Lua needs and users do not. */
void neap_push_internal(lua_State *L, neap_runtime *rt);

/* [-0, +0, m] Adds to that table what runners of tests need. */
void neap_add_session(lua_State *L, neap_runtime *rt);

/* [-0, +0, -] Closes the virtual clocks that are open, but for the first
 * `keep` of them. */
void neap_close_clocks(lua_State *L, neap_runtime *rt, unsigned keep);

/* [-0, +0, m] Each replaces functions of the standard library, which could not
 * wait, by ones that can. May be called again. */
void neap_patch_coroutine(lua_State *L, neap_runtime *rt);
void neap_patch_exit(lua_State *L, neap_runtime *rt);
void neap_patch_require(lua_State *L, neap_runtime *rt);

#endif
