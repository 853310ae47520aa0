/* SPDX-License-Identifier: MIT */
/* limits.h - what a runtime may use: memory of its state, work in one step,
 * tasks. For scripts that are not trusted.
 *
 * Work is counted in instructions. The hook of interrupt.c counts those of Lua;
 * C functions whose work grows with their arguments add what they are about to
 * do, and the allocator what large blocks cost. Time is looked at now and then.
 * A step that has used up what it may gets an error; it has a few graces to
 * clean up, and from then on every instruction raises. */
#ifndef NEAP_LIMITS_H
#define NEAP_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "runtime/neap.h"

struct neap_runtime;
struct neap_memory;

/* Instructions between two calls of the hook. */
enum { NEAP_HOOK_PERIOD = 500 };

typedef struct neap_limiter {
  neap_limits set;            /* 0: no limit */
  struct neap_memory *memory; /* stands before Lua's allocator, or NULL */
  bool on;                    /* steps are counted */
  bool spent;                 /* the step has used up what it may */
  uint64_t used;              /* instructions of this step */
  uint64_t look;              /* look at the clock when `used` is there */
  uint64_t began;             /* uv_hrtime */
} neap_limiter;

/* Returns 0; or UV_EINVAL: NULL, or a figure is too large. */
int neap_limits_check(const neap_limits *limits);

/* A step is about to run; or a callback, in `L`. */
void neap_limits_begin(struct neap_runtime *rt);
void neap_limits_begin_callback(struct neap_runtime *rt, lua_State *L);

/* The step goes on in `co`: counts it, and sees to it that co has the hook. */
void neap_limits_enter(struct neap_runtime *rt, lua_State *co);

/* Adds work. Anywhere, also inside the allocator: the next instruction of Lua
 * looks whether it was too much. */
void neap_limits_charge(struct neap_runtime *rt, uint64_t work);

/* [-0, +0, v] Adds work that is about to be done; raises if it is too much.
 * Nothing without limits. */
void neap_limits_work(lua_State *L, struct neap_runtime *rt, uint64_t work);

/* Whether to raise now: the step has used up what it may, and the grace that
 * followed the last error. */
bool neap_limits_spent(struct neap_runtime *rt);

/* [-0, +0, v] Raises if there are as many tasks as may be. */
void neap_limits_check_tasks(lua_State *L, struct neap_runtime *rt);

/* [-0, +0, v] Raises the error of a step that has used up what it may. */
int neap_limits_raise(lua_State *L, struct neap_runtime *rt);

/* The state closes: gives its allocator back. */
void neap_limits_close(struct neap_runtime *rt);

#endif
