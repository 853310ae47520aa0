/* SPDX-License-Identifier: MIT */
/* neap.h - neap inside a C program: the only public header.
 *
 * A runtime lives in a lua_State and is used from the thread that opened it.
 * Each function's comment starts with its effect on the Lua stack and whether
 * it may raise, in the notation of the Lua manual (section 4.6). */
#ifndef NEAP_H
#define NEAP_H

#include <stddef.h>

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define NEAP_API __attribute__((visibility("default")))
#else
#define NEAP_API
#endif

#define NEAP_VERSION_MAJOR 0
#define NEAP_VERSION_MINOR 1
#define NEAP_VERSION_PATCH 0
#define NEAP_VERSION "0.1.0"

/* The version of the library that runs, which may differ from the header's. */
NEAP_API const char *neap_version(void);

/* One runtime; owned by its lua_State, valid until that is closed. */
typedef struct neap_runtime neap_runtime;

/* An allocator: as lua_Alloc, see the Lua manual. */
typedef void *(*neap_allocator)(void *ud, void *ptr, size_t osize,
                                size_t nsize);

/* Makes `allocator` (NULL: the C library's) give all C memory of neap and of
 * libuv, in the whole process. To be called before anything of libuv or neap
 * was used. Returns 0 or a negative libuv error code. */
NEAP_API int neap_set_allocator(neap_allocator allocator, void *ud);

/* [-0, +1, e] Opens a runtime in L unless there is one, and pushes the module
 * table: what `require "neap"` returns. A lua_CFunction. */
NEAP_API int luaopen_neap(lua_State *L);

/* [-0, +0, -] The runtime in L, or NULL if luaopen_neap was not called. */
NEAP_API neap_runtime *neap_runtime_of(lua_State *L);

/* How neap_run_main ended. */
typedef enum neap_run_status {
  NEAP_RUN_OK,          /* the results are on the stack */
  NEAP_RUN_ERROR,       /* the error value and above it a text: what went wrong
                           and, where known, its traceback */
  NEAP_RUN_EXIT,        /* os.exit in a task: its status, an integer */
  NEAP_RUN_INTERRUPTED, /* NEAP_STOP: nothing is on the stack */
} neap_run_status;

/* [-(nargs + 1), +?, m] Calls the function below `nargs`
 * arguments as the main task and runs the loop until it has ended and what it
 * left behind has been cancelled and has cleaned up. luaopen_neap must have
 * been called in this state. */
NEAP_API neap_run_status neap_run_main(lua_State *L, int nargs);

/* What a signal may ask of a running runtime. */
typedef enum neap_request {
  NEAP_CANCEL_MAIN = 1, /* Ctrl-C: cancel the main task */
  NEAP_STOP = 2,        /* a second one: stop at once, without cleanup */
  NEAP_DUMP = 4,        /* write the tree of tasks to stderr, and go on */
} neap_request;

/* Asks the runtime for `request`. The only function that may be called from a
 * signal handler. Reaches a script that never waits as well: after a
 * short grace the running task is interrupted where it is. */
NEAP_API void neap_interrupt(neap_runtime *rt, neap_request request);

/* [-0, +0, m] Virtual time (see the manual) for all later runs of L's runtime,
 * starting at zero. Not while it is running. */
NEAP_API void neap_use_virtual_clock(lua_State *L);

/* [-0, +0, m] Debug mode on or off. */
NEAP_API void neap_set_debug(lua_State *L, int on);

/* What the script of a runtime may use; 0 is no limit.
 *
 * A step is what a task or a callback does between two waits. One that uses
 * more than it may gets an error where it is, at the next instruction of Lua.
 * It can catch that and clean up, but not go on: a few millions of instructions
 * later every single one raises, until the step is over. With a limit of the
 * step, deadlines (neap.timeout) also end a step that never waits.
 *
 * To rely on the limits of a step, open the libraries by neap_open_sandbox:
 * the standard ones have functions that run for long in C. */
typedef struct neap_limits {
  size_t memory;                        /* bytes of the lua_State; a request
                                           for more is "not enough memory" */
  unsigned long long step_instructions; /* instructions of Lua in one step */
  size_t step_ms;                       /* milliseconds of one step */
  size_t tasks;                         /* tasks that are not done */
} neap_limits;

/* [-0, +0, -] Sets the limits of L's runtime, instead of those that it had.
 * Returns 0; or UV_EINVAL: there is no runtime in L, limits is NULL, or a figure
 * is too large; UV_EBUSY: it is running; UV_ENOMEM. */
NEAP_API int neap_set_limits(lua_State *L, const neap_limits *limits);

/* [-0, +1, m] Opens, in a state without libraries, those that reach nothing
 * outside of it, and neap, whose module it pushes. A lua_CFunction. */
NEAP_API int neap_open_sandbox(lua_State *L);

/* [-0, +1, -] Pushes a text for the error value at `index` such as a program
 * would print: message and, where known, traceback. Whatever the value is. */
NEAP_API void neap_push_error_text(lua_State *L, int index);

#ifdef __cplusplus
}
#endif

#endif
