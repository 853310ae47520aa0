/* SPDX-License-Identifier: MIT */
/* curl.h - libcurl, loaded when the first request is made. */
#ifndef NEAP_CURL_H
#define NEAP_CURL_H

/* Its macros check types of calls by name; ours go through a table. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "runtime/library.h"

#define NEAP_CURL_FUNCTIONS(X)                                                 \
  X(curl_global_init_mem)                                                      \
  X(curl_easy_init)                                                            \
  X(curl_easy_setopt)                                                          \
  X(curl_easy_getinfo)                                                         \
  X(curl_easy_pause)                                                           \
  X(curl_easy_reset)                                                           \
  X(curl_easy_cleanup)                                                         \
  X(curl_easy_strerror)                                                        \
  X(curl_slist_append)                                                         \
  X(curl_slist_free_all)                                                       \
  X(curl_multi_init)                                                           \
  X(curl_multi_setopt)                                                         \
  X(curl_multi_add_handle)                                                     \
  X(curl_multi_remove_handle)                                                  \
  X(curl_multi_socket_action)                                                  \
  X(curl_multi_info_read)                                                      \
  X(curl_multi_cleanup)                                                        \
  X(curl_version_info)

/* Read-only once neap_curl_load has returned NULL. */
typedef struct neap_curl_functions {
  NEAP_CURL_FUNCTIONS(NEAP_LIBRARY_MEMBER)
} neap_curl_functions;

extern neap_curl_functions neap_curl;

/* Loads and starts libcurl, once in the process. Returns NULL, or why it could
 * not. */
const char *neap_curl_load(void);

#endif
