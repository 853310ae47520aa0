/* SPDX-License-Identifier: MIT */
#include "runtime/host/blocks.h"

#include <stdbool.h>
#include <stdlib.h>

/* Blocks of one size that are kept. */
enum { MAX_KEPT = 256 };

typedef struct neap_block {
  struct neap_block *next;
} block;

/* Blocks of any other size are malloc's alone: that one has as many bytes as
 * its size says and no more. */
static bool is_kept_size(size_t size) {
  return size % NEAP_BLOCK_STEP == 0 && size <= NEAP_BLOCK_LIMIT && size != 0;
}

static void release(neap_blocks *blocks, void *ptr, size_t size) {
  if (ptr != NULL && is_kept_size(size)) {
    size_t i = size / NEAP_BLOCK_STEP;
    if (blocks->kept[i].count < MAX_KEPT) {
      block *freed = ptr;
      freed->next = blocks->kept[i].first;
      blocks->kept[i].first = freed;
      blocks->kept[i].count++;
      return;
    }
  }
  free(ptr);
}

static void *acquire(neap_blocks *blocks, size_t size) {
  if (is_kept_size(size)) {
    size_t i = size / NEAP_BLOCK_STEP;
    block *kept = blocks->kept[i].first;
    if (kept != NULL) {
      blocks->kept[i].first = kept->next;
      blocks->kept[i].count--;
      return kept;
    }
  }
  return malloc(size);
}

void *neap_blocks_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
  if (nsize == 0) {
    release(ud, ptr, osize);
    return NULL;
  }
  return ptr == NULL ? acquire(ud, nsize) : realloc(ptr, nsize);
}

void neap_blocks_free(neap_blocks *blocks) {
  for (size_t i = 0; i < sizeof blocks->kept / sizeof *blocks->kept; i++) {
    block *kept;
    while ((kept = blocks->kept[i].first) != NULL) {
      blocks->kept[i].first = kept->next;
      free(kept);
    }
    blocks->kept[i].count = 0;
  }
}
