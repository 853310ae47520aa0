/* SPDX-License-Identifier: MIT */
#ifdef NEAP_CURL_FILE

#include "runtime/curl.h"

#include <stddef.h>

#include <uv.h>

#include "runtime/alloc.h"

neap_curl_functions neap_curl;

static const char *const names[] = {NEAP_CURL_FUNCTIONS(NEAP_LIBRARY_NAME)
                                        NULL};
static uv_once_t once = UV_ONCE_INIT;
static uv_lib_t library;
static const char *failure;

/* curl_global_init is not thread-safe, and counts how often it was called. */
static void load(void) {
  failure = neap_library_load(&library, NEAP_CURL_FILE, names, &neap_curl);
  if (failure == NULL &&
      neap_curl.curl_global_init_mem(CURL_GLOBAL_DEFAULT, neap_malloc,
                                     neap_free, neap_resize, neap_strdup,
                                     neap_calloc) != CURLE_OK) {
    failure = "libcurl cannot start";
  }
}

const char *neap_curl_load(void) {
  uv_once(&once, load);
  return failure;
}

#else

typedef int neap_no_curl; /* ISO C wants a declaration */

#endif
