/* SPDX-License-Identifier: MIT */
/* program.c - all steps are parts of one task, so that each of them may wait:
 * between them is a C function with a continuation. */
#include "runtime/host/program.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

/* What push_step returns when there is nothing to call. */
enum { STEP_DONE = -1, STEP_FAILED = -2 };

void host_set_arg(lua_State *L, const host_options *options) {
  /* Without a script, the program's name is at 0. */
  int script = options->script < options->argc ? options->script : 0;
  lua_createtable(L, options->argc - script, script + 1);
  for (int i = 0; i < options->argc; i++) {
    lua_pushstring(L, options->argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

/* [-0, +n, e] Pushes the arguments as `arg` has them now. Returns n. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) {
    luaL_error(L, "'arg' is not a table");
  }
  int count = (int)luaL_len(L, -1);
  luaL_checkstack(L, count + 3, "too many arguments to script");
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, -i, i);
  }
  lua_remove(L, -count - 1);
  return count;
}

static int push_code(lua_State *L, const char *code, const char *name) {
  int status = luaL_loadbuffer(L, code, strlen(code), name);
  return status == LUA_OK ? 0 : STEP_FAILED;
}

static int push_init(lua_State *L) {
  const char *name = "=LUA_INIT_5_4";
  const char *init = getenv(name + 1);
  if (init == NULL) {
    name = "=LUA_INIT";
    init = getenv(name + 1);
  }
  if (init == NULL) {
    return STEP_DONE;
  }
  if (*init == '@') {
    return luaL_loadfile(L, init + 1) == LUA_OK ? 0 : STEP_FAILED;
  }
  return push_code(L, init, name);
}

/* [-0, +1, m] A sandbox takes no bytecode: made up, it breaks into memory. */
static bool load_file(lua_State *L, const host_options *options,
                      const char *path) {
  const char *mode = options->sandbox ? "t" : NULL;
  return luaL_loadfilex(L, path, mode) == LUA_OK;
}

static int push_script(lua_State *L, const host_options *options,
                       const char *path) {
  if (!load_file(L, options, path)) {
    return STEP_FAILED;
  }
  return push_arguments(L);
}

/* [-0, +2, m] Pushes the global's name and the module's. A version after the
 * module's name, as in "mod-v2", is not part of the global's. */
static void push_names(lua_State *L, const char *text) {
  const char *equals = strchr(text, '=');
  if (equals != NULL) {
    lua_pushlstring(L, text, (size_t)(equals - text));
    lua_pushstring(L, equals + 1);
  } else {
    lua_pushlstring(L, text, strcspn(text, "-"));
    lua_pushstring(L, text);
  }
}

/* [-0, +n, e] Pushes a function and its arguments. Returns the number of these;
 * or STEP_DONE; or STEP_FAILED, and a message is on the top. */
static int push_step(lua_State *L, const host_options *options,
                     const host_step *step) {
  switch (step->kind) {
  case HOST_INIT:
    return options->ignore_environment ? STEP_DONE : push_init(L);
  case HOST_CODE:
    return push_code(L, step->text, "=(command line)");
  case HOST_MODULE:
    push_names(L, step->text);
    lua_getglobal(L, "require");
    lua_insert(L, -2);
    return 1;
  case HOST_WARNINGS:
    lua_warning(L, "@on", 0);
    return STEP_DONE;
  case HOST_SCRIPT:
    return push_script(L, options, step->text);
  case HOST_STDIN:
    return load_file(L, options, NULL) ? 0 : STEP_FAILED;
  }
  return STEP_DONE;
}

/* [-1, +0, e] The step's function has returned the value on the top. */
static void finish_step(lua_State *L, const host_step *step) {
  if (step->kind == HOST_MODULE) {
    lua_pushglobaltable(L);
    lua_insert(L, -3); /* below the name and the module */
    lua_settable(L, -3);
  }
  lua_settop(L, 0);
}

static int k_step(lua_State *L, int status, lua_KContext done);

static int do_steps(lua_State *L, size_t next) {
  const host_options *options = lua_touserdata(L, lua_upvalueindex(1));
  for (; next < options->step_count; next++) {
    const host_step *step = &options->steps[next];
    int nargs = push_step(L, options, step);
    if (nargs == STEP_FAILED) {
      return 1;
    }
    if (nargs != STEP_DONE) {
      lua_callk(L, nargs, 1, (lua_KContext)next, k_step);
      finish_step(L, step);
    }
  }
  return 0;
}

static int k_step(lua_State *L, int status, lua_KContext done) {
  const host_options *options = lua_touserdata(L, lua_upvalueindex(1));
  (void)status;
  finish_step(L, &options->steps[done]);
  return do_steps(L, (size_t)done + 1);
}

static int l_program(lua_State *L) {
  return do_steps(L, 0);
}

void host_push_program(lua_State *L, const host_options *options) {
  lua_pushlightuserdata(L, (void *)options);
  lua_pushcclosure(L, l_program, 1);
}
