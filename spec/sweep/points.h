/* SPDX-License-Identifier: MIT */
/* points.h - where something can go wrong, and what is told about it. */
#ifndef NEAP_SWEEP_POINTS_H
#define NEAP_SWEEP_POINTS_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>
#include <uv.h>

enum { MAX_CALLS_COUNTED = 20000 };

/* What a child tells its parent. */
typedef struct progress {
  long point;
  long total;    /* points that the scenario has */
  char what[80]; /* what was made to go wrong there */
  char failure[400];
  long calls;
  unsigned char ways[MAX_CALLS_COUNTED]; /* in which each call can fail */
} progress;

extern progress *sweep_shared;

/* ---- calls.c: system calls ---- */

/* What follows is counted; the call and the way of failing that `point` (from
 * 1; 0: none) stands for go wrong, `from_there_on` also all later calls of that
 * function that can fail likewise. */
void sweep_calls_arm(long point, bool from_there_on, bool while_opening);
void sweep_calls_disarm(void);
/* The number of points that the last armed run had. */
long sweep_calls_total(void);

/* ---- libraries.c: allocations of OpenSSL, curl and Jansson ---- */

/* Has them go through `allocator`, whose blocks are of malloc; before any of
 * them is used. */
void sweep_libraries_hook(void *(*allocator)(void *ptr, size_t size));

/* ---- process.c: descriptors and streams ---- */

int sweep_count_descriptors(void);

/* Has libuv make room for as many descriptors as a scenario may need: without
 * memory for that it aborts (maybe_resize in core.c). */
void sweep_reserve_watchers(uv_loop_t *loop);

/* Standard input that is at its end, output that goes nowhere. Signals that
 * come when nobody waits for them any more do nothing. */
void sweep_redirect(void);

/* ---- threads.c: what C and other threads do ---- */

void sweep_open_threads(lua_State *L);

/* ---- failing.c: what a scenario wants to fail ---- */

void sweep_open_failing(lua_State *L);

/* The error by which this call is to fail, or 0. */
int sweep_wanted_error(const char *call);
void sweep_fail_none(void);

#endif
