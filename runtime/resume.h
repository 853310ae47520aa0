/* SPDX-License-Identifier: MIT */
/* resume.h - the one door into a coroutine.
 *
 * A task may make coroutines of its own and wait inside them. The wait then
 * suspends every coroutine from there out to the task's own, one yield each,
 * and comes back in the same way. Entries record that chain: they live on the
 * C stack of neap_resume, which lua_resume always returns to. */
#ifndef NEAP_RESUME_H
#define NEAP_RESUME_H

#include <stdbool.h>

#include <lua.h>

struct neap_runtime;

typedef struct neap_entry {
  lua_State *co;
  const struct neap_entry *outer; /* NULL at a task's own coroutine */
  lua_State *from;                /* the thread that resumed co */
  bool connected;                 /* a wait inside co reaches the task */
  bool closing;                   /* co is being closed, not resumed */
} neap_entry;

/* lua_resume of a coroutine by the code that runs in `from`, recorded. */
int neap_resume(struct neap_runtime *rt, lua_State *co, lua_State *from,
                int nargs, int *nresults);

/* Handlers of a coroutine that is closed may close another, and so on; Lua does
 * not see how much of the C stack that takes (before 5.4.5). */
enum { NEAP_MAX_CLOSING = 150 };

/* lua_closethread, recorded. Returns its status; an error is on co's top. */
int neap_close_coroutine(struct neap_runtime *rt, lua_State *co,
                         lua_State *from);

/* True if the coroutine is suspended in a wait of neap's, so that only the
 * loop may resume it. `co` must be suspended or dead. */
bool neap_is_parked(lua_State *co);

/* [-0, +0, v] Raises the error of what needs a task and has none. */
void neap_raise_outside(lua_State *L, struct neap_runtime *rt);

/* Whether code that runs in L may wait now. */
bool neap_can_wait(lua_State *L, struct neap_runtime *rt);

/* [-0, +0, v] Raises unless code that runs in L may wait now: inside a task,
 * and nothing between here and the loop that Lua cannot suspend. */
void neap_check_waitable(lua_State *L, struct neap_runtime *rt);

#endif
