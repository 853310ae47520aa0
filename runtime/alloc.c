/* SPDX-License-Identifier: MIT */
#include "runtime/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

/* Process-wide by necessity: uv_replace_allocator has no user data. Set before
 * the first runtime is opened, read-only from then on. */
static neap_allocator allocate; /* NULL: the C library */
static void *allocate_ud;
static atomic_size_t held;

static void *resize(void *ptr, size_t osize, size_t nsize) {
  if (allocate != NULL) {
    return allocate(allocate_ud, ptr, osize, nsize);
  }
  if (nsize == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, nsize);
}

void *neap_realloc(void *ptr, size_t osize, size_t nsize) {
  size_t before = ptr == NULL ? 0 : osize;
  void *block = resize(ptr, before, nsize);
  if (block != NULL || nsize == 0) {
    atomic_fetch_add_explicit(&held, nsize - before, memory_order_relaxed);
  }
  return block;
}

size_t neap_alloc_bytes(void) {
  return atomic_load_explicit(&held, memory_order_relaxed);
}

/* Libraries free without telling a size, so each of their blocks starts with
 * one. */
typedef union block_header {
  size_t size;
  max_align_t align;
} block_header;

void *neap_resize(void *ptr, size_t size) {
  block_header *old = ptr == NULL ? NULL : (block_header *)ptr - 1;
  size_t osize = old == NULL ? 0 : old->size;
  if (size > SIZE_MAX - sizeof(block_header)) {
    return NULL;
  }
  block_header *header = neap_realloc(old, osize, size + sizeof(block_header));
  if (header == NULL) {
    return NULL;
  }
  header->size = size + sizeof(block_header);
  return header + 1;
}

void *neap_malloc(size_t size) {
  return neap_resize(NULL, size);
}

void *neap_calloc(size_t count, size_t size) {
  if (size != 0 && count > SIZE_MAX / size) {
    return NULL;
  }
  void *block = neap_malloc(count * size);
  return block == NULL ? NULL : memset(block, 0, count * size);
}

char *neap_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = neap_malloc(size);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}

void neap_free(void *ptr) {
  if (ptr != NULL) {
    block_header *header = (block_header *)ptr - 1;
    neap_realloc(header, header->size, 0);
  }
}

int neap_set_allocator(neap_allocator fn, void *ud) {
  allocate = fn;
  allocate_ud = ud;
  return uv_replace_allocator(neap_malloc, neap_resize, neap_calloc, neap_free);
}
