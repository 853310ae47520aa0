/* SPDX-License-Identifier: MIT */
/* transfer.h - HTTP transfers of libcurl's, driven by the loop.
 *
 *   new --start--> running --on its end--> done
 *
 * One multi handle a runtime: it keeps the connections. libcurl says which
 * sockets to watch and when to call it. It is called from uv callbacks and from
 * the ready queue; its own callbacks store bytes and wake who waits for them.
 * None calls it back: libcurl refuses that. */
#ifndef NEAP_TRANSFER_H
#define NEAP_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/buffer.h"
#include "runtime/curl.h"
#include "runtime/list.h"
#include "runtime/openssl.h"
#include "runtime/runtime.h"

typedef struct neap_http neap_http;

/* Limits of ours that ended a transfer. */
typedef enum neap_transfer_limit { /* ORDER neap_transfer_limit */
                                   NEAP_WITHIN_LIMITS,
                                   NEAP_HEAD_TOO_LARGE,
                                   NEAP_BODY_TOO_LARGE,
                                   NEAP_TRANSFER_NO_MEMORY,
} neap_transfer_limit;

/* Owner: Lua's collector; libcurl points to it from start to end. */
typedef struct neap_transfer {
  neap_http *http; /* NULL once closed */
  neap_link link;  /* in http->transfers until closed */
  CURL *easy;      /* NULL once closed */
  struct curl_slist *headers;
  neap_list waiters; /* tasks that wait for bytes, for room, for the end */

  neap_link connecting;   /* in http->connecting until it has a connection */
  uint64_t connect_ns;    /* how long it may be there; 0: libcurl sees to it */
  uint64_t connect_by_ns; /* until when */

  neap_buffer head;    /* status line and headers of the last response */
  neap_buffer body;    /* what nobody has read yet */
  uint64_t head_bytes; /* of all responses, trailers included */
  uint64_t body_bytes; /* decompressed */
  uint64_t max_head, max_body;
  int status; /* of the last status line */

  const char *input; /* what is sent: anchored by who feeds it */
  size_t input_length;

  neap_tls_end
      end; /* whether TLS says where the body ends, if nobody else does */

  CURLcode result; /* once it is done */
  int os_error;    /* errno of its last failed system call, or 0 */
  neap_transfer_limit limit;
  bool running;
  bool has_head;    /* the head is complete, and is the final response's */
  bool no_body;     /* HEAD was asked */
  bool chunked;     /* the body says itself where it ends */
  bool streamed;    /* a full buffer holds the sender back */
  bool paused;      /* and does so now */
  bool starved;     /* libcurl waits for input */
  bool input_ended; /* there will be no more */
  char error[CURL_ERROR_SIZE];
} neap_transfer;

/* NULL: no memory. libcurl has been loaded. */
neap_http *neap_http_new(neap_runtime *rt);

/* Ends all transfers, closes all connections. What is left of it belongs to the
 * loop. */
void neap_http_close(neap_http *http);

/* `t` is all zero. It has an easy handle then, with what every transfer needs;
 * false: no memory. */
bool neap_transfer_open(neap_transfer *t, neap_http *http);

/* False: no memory. */
bool neap_transfer_start(neap_transfer *t);

/* Bytes to send, which must stay until they are sent (input_length is 0 then)
 * or it is done; none: there will be no more. */
void neap_transfer_feed(neap_transfer *t, const char *input, size_t length);

/* Bytes of the body have been taken out: lets the sender go on. */
void neap_transfer_continue(neap_transfer *t);

/* Gives its easy handle the functions of transfer_data.c. */
void neap_transfer_set_data(neap_transfer *t);

/* Ends it wherever it is, and wakes nobody. May be called again. */
void neap_transfer_close(neap_transfer *t);

#endif
