/* SPDX-License-Identifier: MIT */
/* alloc.h - every byte of C memory that neap asks for.
 *
 * libuv's allocator is one for the whole process, so this one is too. Lua's
 * own memory goes through the lua_Alloc its state was made with. */
#ifndef NEAP_ALLOC_H
#define NEAP_ALLOC_H

#include <stddef.h>

#include "runtime/neap.h"

/* As lua_Alloc: (NULL, 0, n) allocates, (p, o, 0) frees, else it resizes.
 * Returns NULL when there is no memory; never raises. */
void *neap_realloc(void *ptr, size_t osize, size_t nsize);

/* The same memory for libraries that expect the functions of the C library. */
void *neap_malloc(size_t size);
void *neap_calloc(size_t count, size_t size);
void *neap_resize(void *ptr, size_t size);
char *neap_strdup(const char *text);
void neap_free(void *ptr);

/* Bytes held now through neap_realloc, and by libuv if neap_set_allocator was
 * called. */
size_t neap_alloc_bytes(void);

#endif
