/* SPDX-License-Identifier: MIT */
/* blocks.h - an allocator for Lua that keeps some small free blocks.
 *
 * Lua's collector frees by the hundred what a program makes one by one, more
 * than malloc keeps at hand: tables, closures, tasks. It tells the size of what
 * it frees, so to keep a block takes no search. What is kept is bounded: a few
 * blocks of each size. */
#ifndef NEAP_HOST_BLOCKS_H
#define NEAP_HOST_BLOCKS_H

#include <stddef.h>

enum { NEAP_BLOCK_LIMIT = 1024, NEAP_BLOCK_STEP = 8 };

/* Owner: whoever made it, all zero. It must outlive the lua_State. */
typedef struct neap_blocks {
  struct {
    struct neap_block *first;
    size_t count;
  } kept[NEAP_BLOCK_LIMIT / NEAP_BLOCK_STEP + 1]; /* by size / step */
} neap_blocks;

/* A lua_Alloc whose ud is a neap_blocks. Its blocks are malloc's, so a state
 * may change to it at any time. */
void *neap_blocks_alloc(void *ud, void *ptr, size_t osize, size_t nsize);

/* The lua_State is closed: gives all to malloc. */
void neap_blocks_free(neap_blocks *blocks);

#endif
