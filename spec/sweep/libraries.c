/* SPDX-License-Identifier: MIT */
/* libraries.c - the allocations of OpenSSL, curl and Jansson, counted with
 * neap's and libuv's. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/sweep/points.h"

static void *(*allocate)(void *ptr, size_t size);

/* ---- as OpenSSL wants it ---- */

static void *crypto_malloc(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  return allocate(NULL, size);
}

static void *crypto_realloc(void *ptr, size_t size, const char *file,
                            int line) {
  (void)file;
  (void)line;
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  return allocate(ptr, size);
}

static void crypto_free(void *ptr, const char *file, int line) {
  (void)file;
  (void)line;
  free(ptr);
}

/* ---- as curl and Jansson want it ---- */

static void *plain_malloc(size_t size) {
  return allocate(NULL, size == 0 ? 1 : size);
}

static void *plain_realloc(void *ptr, size_t size) {
  return allocate(ptr, size == 0 ? 1 : size);
}

static void *plain_calloc(size_t n, size_t size) {
  void *ptr = plain_malloc(n * size);
  return ptr == NULL ? NULL : memset(ptr, 0, n * size);
}

static char *plain_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = plain_malloc(size);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}

/* ---- hooking ---- */

static void *find(const char *file, const char *name) {
  void *library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
  void *function = library == NULL ? NULL : dlsym(library, name);
  if (function == NULL) {
    fprintf(stderr, "sweep: no %s in %s\n", name, file);
  }
  return function;
}

void sweep_libraries_hook(void *(*allocator)(void *ptr, size_t size)) {
  int (*crypto)(void *(*)(size_t, const char *, int),
                void *(*)(void *, size_t, const char *, int),
                void (*)(void *, const char *, int));
  long (*curl)(long, void *(*)(size_t), void (*)(void *),
               void *(*)(void *, size_t), char *(*)(const char *),
               void *(*)(size_t, size_t));
  void (*jansson)(void *(*)(size_t), void (*)(void *));
  allocate = allocator;
  *(void **)&crypto = find("libcrypto.so.3", "CRYPTO_set_mem_functions");
  *(void **)&jansson = find("libjansson.so.4", "json_set_alloc_funcs");
  if (crypto == NULL || jansson == NULL ||
      crypto(crypto_malloc, crypto_realloc, crypto_free) != 1) {
    exit(2);
  }
  jansson(plain_malloc, free);
  *(void **)&curl = find("libcurl.so.4", "curl_global_init_mem");

  enum { CURL_GLOBAL_DEFAULT = 3 };

  if (curl == NULL || curl(CURL_GLOBAL_DEFAULT, plain_malloc, free,
                           plain_realloc, plain_strdup, plain_calloc) != 0) {
    exit(2);
  }
}
