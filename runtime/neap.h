/* SPDX-License-Identifier: MIT */
/* neap.h - neap inside a C program: the only public header.
 *
 * A runtime lives in a lua_State and is used from the thread that opened it,
 * but for what says "any thread". A function that touches the Lua stack says
 * so, and whether it may raise, in the notation of the Lua manual (section
 * 4.6). Error codes are libuv's, which are negative (uv_strerror has a text for
 * each):
 *
 *   UV_EINVAL     an argument is NULL or otherwise wrong
 *   UV_EPERM      called in another thread than the runtime's
 *   UV_EBUSY      not now
 *   UV_EALREADY   done before
 *   UV_ESHUTDOWN  the runtime is closed
 *   UV_ENOMEM     no memory; nothing was done */
#ifndef NEAP_H
#define NEAP_H

#include <stddef.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include <lua.h> /* C, also for C++ */

struct uv_loop_s; /* uv_loop_t of <uv.h>, which this header can do without */

#if defined(__GNUC__)
#define NEAP_API __attribute__((visibility("default")))
#else
#define NEAP_API
#endif

#define NEAP_VERSION_MAJOR 0
#define NEAP_VERSION_MINOR 1
#define NEAP_VERSION_PATCH 0
#define NEAP_VERSION "0.1.0"
/* For comparisons: 10203 is 1.2.3. */
#define NEAP_VERSION_NUMBER                                                    \
  (NEAP_VERSION_MAJOR * 10000 + NEAP_VERSION_MINOR * 100 + NEAP_VERSION_PATCH)

/* The version of the library that runs, which may differ from the header's. */
NEAP_API const char *neap_version(void);

/* One runtime; owned by its lua_State, valid until that is closed. */
typedef struct neap_runtime neap_runtime;

/* An allocator: as lua_Alloc, see the Lua manual. */
typedef void *(*neap_allocator)(void *ud, void *ptr, size_t osize,
                                size_t nsize);

/* Makes `allocator` (NULL: the C library's) give all C memory of neap and of
 * libuv, in the whole process, from any thread. To be called before anything of
 * libuv or neap was used. Returns 0 or an error code. */
NEAP_API int neap_set_allocator(neap_allocator allocator, void *ud);

/* ---- The life of a runtime ------------------------------------------------ */

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

/* How to open a runtime. Zero is the default of everything; neap_options_init
 * sets `size`, by which later versions know what an older program has. */
typedef struct neap_options {
  size_t size;
  lua_State *state;       /* live in this one; NULL: make one */
  struct uv_loop_s *loop; /* be driven by the host's uv_run on this loop;
                               NULL: by neap_run_main or neap_poll */
  lua_Alloc allocator;    /* of a state that is made; NULL: malloc */
  void *allocator_ud;
  lua_CFunction libraries; /* opens the libraries of a state that is made;
                               NULL: luaL_openlibs; neap_open_sandbox is one */
  void (*on_error)(void *ud, const char *text); /* gets what would go to
                               stderr; calls nothing of neap or Lua */
  void *on_error_ud;
  int virtual_clock; /* see the manual */
  int debug;
  const neap_limits *limits; /* of all that runs after neap_open, which copies
                               them; NULL: none, or what the state has */
} neap_options;

/* Any thread. */
static inline void neap_options_init(neap_options *options) {
  memset(options, 0, sizeof *options);
  options->size = sizeof *options;
}

/* Opens a runtime for the calling thread. `options` may be NULL. Returns 0, and
 * the runtime in *rt; or an error code, and *rt is NULL:
 *   UV_EINVAL  rt is NULL, the options were not initialized, or a limit is too
 *              large
 *   UV_EEXIST  the state has a runtime, or had one
 *   UV_ENOMEM  no memory; a state of the host's can be tried again
 *   UV_EIO     `libraries` raised an error
 *   other      libuv's, such as UV_EMFILE */
NEAP_API int neap_open(const neap_options *options, neap_runtime **rt);

/* Cancels all tasks, lets them clean up (for up to 30 seconds), reports what
 * nobody looked at, and closes. A state that neap_open made is closed, and `rt`
 * is gone. A state of the host's stays, without a runtime; so do sockets and
 * the like that it still holds, until lua_close. On a loop of the host's the
 * last handles close when the host next runs it. Returns 0 or
 *   UV_EBUSY      inside a task, a callback, or a function called by Lua;
 *                 nothing was done
 *   UV_EINVAL, UV_EPERM, UV_ESHUTDOWN   as above; nothing was done
 *   UV_ECANCELED  closed; but the host had closed the handles on its loop
 *                 before, and their memory is left to it */
NEAP_API int neap_close(neap_runtime *rt);

/* The main thread of its state. Values go in and out by its stack. */
NEAP_API lua_State *neap_state(neap_runtime *rt);

/* [-0, +1, e] Opens a runtime in L unless there is one, and pushes the module
 * table: what `require "neap"` returns. A lua_CFunction. */
NEAP_API int luaopen_neap(lua_State *L);

/* [-0, +0, -] The runtime in L, or NULL. */
NEAP_API neap_runtime *neap_runtime_of(lua_State *L);

/* ---- Running to the end --------------------------------------------------- */

/* How a run ended. */
typedef enum neap_run_status {
  NEAP_RUN_OK,          /* the results are on the stack */
  NEAP_RUN_ERROR,       /* the error value and above it a text: what went wrong
                           and, where known, its traceback */
  NEAP_RUN_EXIT,        /* os.exit in a task: its status, an integer */
  NEAP_RUN_INTERRUPTED, /* NEAP_STOP: nothing is on the stack */
} neap_run_status;

/* [-(nargs + 1), +?, -] Calls the function below `nargs` arguments as the main
 * task and runs the loop until it has ended and what it left behind, every
 * other task too, has been cancelled and has cleaned up. Blocks. Refused with
 * NEAP_RUN_ERROR inside a task or callback, and without a runtime. */
NEAP_API neap_run_status neap_run_main(lua_State *L, int nargs);

/* [-0, +?, -] The same with source code (not bytecode) as the function. `name`
 * is for messages, "=name" or "@file"; NULL: the code itself. */
NEAP_API neap_run_status neap_run_string(lua_State *L, const char *code,
                                         const char *name);
NEAP_API neap_run_status neap_run_file(lua_State *L, const char *path);

/* ---- One step at a time --------------------------------------------------- */

/* One turn of a runtime that was opened by neap_open: runs what is ready, for a
 * millisecond or so, and polls. If nothing is ready it waits for up to
 * `timeout_ms` (-1: as long as it takes), but only while anything can come: a
 * deadline, I/O, something that C has to complete, a post. Returns 1 if there
 * is more to come; 0 if nothing is left to run or to wait for (tasks that nobody
 * can wake may be left); UV_EINTR after NEAP_STOP; UV_EBUSY inside a task or
 * callback; UV_EINVAL, UV_EPERM, UV_ESHUTDOWN. Errors of tasks are not its
 * own. */
NEAP_API int neap_poll(neap_runtime *rt, int timeout_ms);

/* A descriptor for epoll and the like: readable when neap_poll has something to
 * do. Negative: an error code. */
NEAP_API int neap_backend_fd(neap_runtime *rt);

/* Milliseconds after which neap_poll is to be called even so; -1: never. To be
 * asked anew before each wait. */
NEAP_API int neap_backend_timeout(neap_runtime *rt);

/* Requests the cancellation of every task. Returns 0 or an error code. */
NEAP_API int neap_cancel_all(neap_runtime *rt);

/* ---- Tasks and futures ---------------------------------------------------- */

/* What C holds of a Task or Future. It stays valid, whatever Lua does, until it
 * is released; after neap_close it answers UV_ESHUTDOWN. */
typedef struct neap_ref neap_ref;

typedef enum neap_future_state {
  NEAP_PENDING,
  NEAP_FINISHED,
  NEAP_FAILED,
  NEAP_FUTURE_CANCELLED,
} neap_future_state;

/* Where these return an int, it is 0 or a negative error code: UV_EINVAL for a
 * NULL or what is not a Task or Future, UV_EPERM, UV_ESHUTDOWN, UV_ENOMEM. */

/* [-(nargs + 1), +0, -] A task that calls the function, Lua's or C's, below
 * `nargs` arguments from the next turn on. `ref` may be NULL. The function and
 * its arguments are popped in any case but UV_EINVAL. UV_EBUSY: no loop runs, in
 * a runtime that was not opened by neap_open. */
NEAP_API int neap_create_task(lua_State *L, int nargs, neap_ref **ref);

/* [-0, +1, -] A Future that C completes; pushed, to be given to Lua. Nothing is
 * pushed on error. While it is pending the loop waits for it. */
NEAP_API int neap_create_future(lua_State *L, neap_ref **ref);

/* [-0, +0, -] A reference to the Task or Future at `index`. */
NEAP_API int neap_ref_at(lua_State *L, int index, neap_ref **ref);

/* [-0, +1, -] Pushes the Task or Future; nothing on error. */
NEAP_API int neap_push_ref(lua_State *L, neap_ref *ref);

/* A neap_future_state, or an error code. */
NEAP_API int neap_ref_state(neap_ref *ref);

/* [-0, +n, -] Returns its neap_future_state and pushes what it has: n results
 * if it is finished, the error (then n is 1) if it has failed or was cancelled.
 * Whoever asks has seen the error: there will be no report. `n` may be NULL. */
NEAP_API int neap_ref_results(lua_State *L, neap_ref *ref, int *n);

/* Requests a cancellation. UV_EALREADY if it is done; UV_EBUSY in a function
 * that was given to neap_begin. */
NEAP_API int neap_cancel(neap_ref *ref);

/* Has done(L, ref, ud) called once by the loop, outside of tasks, when it is
 * done, with an empty stack; an error it raises is reported. L is NULL if the
 * runtime closes first. Not called once `ref` is released. UV_EALREADY if one
 * is waiting already: another needs another reference. */
NEAP_API int neap_on_done(neap_ref *ref,
                          void (*done)(lua_State *L, neap_ref *ref, void *ud),
                          void *ud);

/* Any thread. Lets go. NULL: nothing. */
NEAP_API void neap_release(neap_ref *ref);

/* ---- C functions that wait ------------------------------------------------ */

/* A function that suspends the task which calls it:
 *
 *   static int l_measure(lua_State *L) {
 *     lua_Number from = luaL_checknumber(L, 1);
 *     neap_ref *ref = neap_begin(L);
 *     measure *m = start_measuring(ref, from);
 *     return neap_await_ref(L, ref, cancel_measure, m);
 *   }
 *
 * and later, once, on any thread:
 *
 *   neap_complete(ref, push_measure, m);
 *   neap_release(ref);
 */

/* [-0, +0, v] Begins a wait. Raises where the caller cannot wait, and without
 * memory: call it before anything is started. What was begun is completed, or
 * its reference released, whatever happens. */
NEAP_API neap_ref *neap_begin(lua_State *L);

/* [-0, +n, v] `return neap_await_ref(...)`, as the last act of a lua_CFunction:
 * waits for what neap_begin began, or for any Task or Future; returns its
 * results to Lua or raises its error. If what C is to complete is cancelled
 * while it waits, cancel(ud), unless NULL, is called on the loop's thread. It
 * may stop the work; it calls nothing of Lua and, of neap, only what any thread
 * may. For a Task or Future that Lua completes, `cancel` is not used. */
NEAP_API int neap_await_ref(lua_State *L, neap_ref *ref,
                            void (*cancel)(void *ud), void *ud);

/* Any thread. Completes what neap_begin or neap_create_future made. If this
 * returns 0, results(L, ud) is called exactly once on the loop's thread: it
 * pushes the results and returns their number; an error it raises is that of
 * the wait. L is NULL if nobody waits any more, because of a cancellation or
 * the end of the runtime: then it frees what is to be freed. It may be NULL: no
 * results. Otherwise it is not called: UV_EALREADY, UV_ESHUTDOWN, UV_EINVAL. */
NEAP_API int neap_complete(neap_ref *ref,
                           int (*results)(lua_State *L, void *ud), void *ud);

/* ---- From other threads --------------------------------------------------- */

/* By what a thread reaches the loop. It outlives the runtime. While one is open
 * the loop waits for what may come. */
typedef struct neap_mailbox neap_mailbox;

/* The loop's thread. One more of them; each is released once. */
NEAP_API int neap_mailbox_open(neap_runtime *rt, neap_mailbox **mailbox);

/* Any thread. Lets go. NULL: nothing. */
NEAP_API void neap_mailbox_release(neap_mailbox *mailbox);

/* Any thread. Has function(L, ud) called by the loop, outside of tasks, with an
 * empty stack; an error it raises is reported. If this returns 0, it is called
 * exactly once, in the order of the posts; L is NULL if the runtime closes, or
 * is without memory. Otherwise not: UV_ESHUTDOWN, UV_ENOMEM, UV_EINVAL. */
NEAP_API int neap_post(neap_mailbox *mailbox,
                       void (*function)(lua_State *L, void *ud), void *ud);

/* ---- Limits --------------------------------------------------------------- */

/* [-0, +0, -] Sets the limits of L's runtime, instead of those that it had.
 * Returns 0; or UV_EINVAL: there is no runtime in L, limits is NULL, or a figure
 * is too large; UV_EBUSY: it is running; UV_ENOMEM. */
NEAP_API int neap_set_limits(lua_State *L, const neap_limits *limits);

/* [-0, +1, m] Opens, in a state without libraries, those that reach nothing
 * outside of it, and neap, whose module it pushes. A lua_CFunction. */
NEAP_API int neap_open_sandbox(lua_State *L);

/* ---- The rest ------------------------------------------------------------- */

/* What a signal may ask of a running runtime. */
typedef enum neap_request {
  NEAP_CANCEL_MAIN = 1, /* Ctrl-C: cancel the main task; without one, all */
  NEAP_STOP = 2,        /* a second one: stop at once, without cleanup */
  NEAP_DUMP = 4,        /* write the tree of tasks to stderr, and go on */
} neap_request;

/* Any thread, while the runtime is open. Asks it for `request`; NULL: nothing.
 * The only function that may be called from a signal handler. On the runtime's
 * thread it reaches a script that never waits as well: after a short grace the
 * running task is interrupted where it is. From another thread, and in a handler
 * that runs there, it does so if the runtime has a limit of the step. */
NEAP_API void neap_interrupt(neap_runtime *rt, neap_request request);

/* [-0, +0, -] Virtual time (see the manual) for all later runs of L's runtime,
 * starting at zero. Nothing without a runtime, or while it is running. */
NEAP_API void neap_use_virtual_clock(lua_State *L);

/* [-0, +0, -] Debug mode on or off. Nothing without a runtime. */
NEAP_API void neap_set_debug(lua_State *L, int on);

/* [-0, +1, -] Pushes a text for the error value at `index` such as a program
 * would print: message and, where known, traceback. Whatever the value is. */
NEAP_API void neap_push_error_text(lua_State *L, int index);

#ifdef __cplusplus
}
#endif

#endif
