/* SPDX-License-Identifier: MIT */
/* matcher.h - Lua's patterns, with a count of the work.
 *
 * A pattern can take exponential time, in one call of a C function, where no
 * hook gets a turn. This is lstrlib.c of Lua 5.4, Copyright (C) 1994-2022
 * Lua.org, PUC-Rio, under the MIT licence, with as few changes as there can be:
 * neap_match_work is called in every loop. */
#ifndef NEAP_MATCHER_H
#define NEAP_MATCHER_H

#include <stddef.h>

#include <lua.h>

struct neap_runtime;

enum {
  NEAP_CAPTURE_UNFINISHED = -1,
  NEAP_CAPTURE_POSITION = -2,
  NEAP_MATCH_CAPTURES = 32,
  NEAP_MATCH_DEPTH = 200, /* of recursion */
  NEAP_MATCH_UNIT = 1000, /* work that the step is told of at once */
  NEAP_MATCH_ESCAPE = '%',
};

typedef struct neap_matcher {
  const char *src_init; /* init of source string */
  const char *src_end;  /* end ('\0') of source string */
  const char *p_end;    /* end ('\0') of pattern */
  lua_State *L;
  struct neap_runtime *rt;
  unsigned left;  /* work until it is added to the step */
  int matchdepth; /* control for recursive depth (to avoid C stack overflow) */
  unsigned char level; /* total number of captures (finished or unfinished) */

  struct {
    const char *init;
    ptrdiff_t len;
  } capture[NEAP_MATCH_CAPTURES];
} neap_matcher;

/* [-0, +0, v] Matches the pattern at p with the string at s. Returns the end of
 * the match, or NULL. */
const char *neap_match(neap_matcher *ms, const char *s, const char *p);

/* [-0, +0, v] Adds work; raises if the step has used up what it may. */
void neap_match_work(neap_matcher *ms, size_t work);

/* Bytes compared by memcmp or memchr, as work. */
static inline size_t neap_bytes_work(size_t bytes) {
  return bytes / 16 + 1;
}

#endif
