/* SPDX-License-Identifier: MIT */
/* transfer_data.c - what libcurl does with a transfer's bytes. */
#ifdef NEAP_CURL_FILE

#include <string.h>
#include <strings.h>

#include "runtime/object.h"
#include "runtime/transfer.h"

/* Bytes of a streamed body that may wait for their reader. */
enum { STREAM_BUFFER = 256 * 1024 };

static bool store(neap_transfer *t, neap_buffer *buffer, const char *data,
                  size_t nbytes) {
  char *room = neap_buffer_room(buffer, nbytes);
  if (room == NULL) {
    t->limit = NEAP_TRANSFER_NO_MEMORY;
    return false;
  }
  memcpy(room, data, nbytes);
  neap_buffer_add(buffer, nbytes);
  return true;
}

/* The status of "HTTP/1.1 200 OK" or "HTTP/2 200"; 0 if it is no such line. */
static int status_of(const char *line, size_t length) {
  const char *space = memchr(line, ' ', length);
  int status = 0;
  if (length < 5 || memcmp(line, "HTTP/", 5) != 0 || space == NULL ||
      line + length - space < 4) {
    return 0;
  }
  for (int i = 1; i <= 3; i++) {
    if (space[i] < '0' || space[i] > '9') {
      return 0;
    }
    status = status * 10 + (space[i] - '0');
  }
  return status;
}

/* A body whose length nobody says ends with the connection, and libcurl takes
 * any end for that. If TLS carries it, the server's has to say so. */
static void watch_end(neap_transfer *t) {
  const struct curl_tlssessioninfo *tls = NULL;
  curl_off_t length = -1;
  long version = 0;
  neap_curl.curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                              &length);
  neap_curl.curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
  neap_curl.curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &tls);
  bool has_body = !t->no_body && t->status != 204 && t->status != 304;
  if (has_body && length < 0 && !t->chunked && version < CURL_HTTP_VERSION_2 &&
      tls != NULL && tls->backend == CURLSSLBACKEND_OPENSSL) {
    neap_tls_end_watch(
        &t->end, tls->internals,
        neap_curl.curl_version_info(CURLVERSION_NOW)->ssl_version);
  }
}

/* "Transfer-Encoding: chunked", perhaps after other encodings. */
static bool says_chunked(const char *line, size_t length) {
  static const char name[] = "transfer-encoding:";
  static const char word[] = "chunked";
  if (length < sizeof name || strncasecmp(line, name, sizeof name - 1) != 0) {
    return false;
  }
  for (size_t i = sizeof name - 1; i + sizeof word - 1 <= length; i++) {
    if (strncasecmp(line + i, word, sizeof word - 1) == 0) {
      return true;
    }
  }
  return false;
}

/* A line of a head, perhaps of a response before the final one (100, 103), or
 * of the trailer, which is not kept. */
static size_t on_header(char *data, size_t size, size_t count, void *ud) {
  neap_transfer *t = ud;
  size_t nbytes = size * count;
  t->head_bytes += nbytes;
  if (t->head_bytes > t->max_head) {
    t->limit = NEAP_HEAD_TOO_LARGE;
    return 0;
  }
  if (t->has_head) {
    return nbytes;
  }
  int status = status_of(data, nbytes);
  if (status != 0) {
    t->status = status;
    t->chunked = false;
    neap_buffer_drop(&t->head, neap_buffer_length(&t->head));
  }
  if (nbytes > 0 && (data[0] == '\r' || data[0] == '\n')) {
    t->has_head = t->status >= 200;
    if (t->has_head) {
      watch_end(t);
    }
    if (t->streamed) {
      neap_wake_all(&t->waiters);
    }
    return nbytes;
  }
  t->chunked = t->chunked || says_chunked(data, nbytes);
  return store(t, &t->head, data, nbytes) ? nbytes : 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *ud) {
  neap_transfer *t = ud;
  size_t nbytes = size * count;
  if (nbytes == 0) {
    return 0;
  }
  if (t->streamed && neap_buffer_length(&t->body) >= STREAM_BUFFER) {
    t->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (nbytes > t->max_body - t->body_bytes) {
    t->limit = NEAP_BODY_TOO_LARGE;
    return 0;
  }
  if (!store(t, &t->body, data, nbytes)) {
    return 0;
  }
  t->body_bytes += nbytes;
  if (t->streamed) {
    neap_wake_all(&t->waiters);
  }
  return nbytes;
}

static size_t on_input(char *data, size_t size, size_t count, void *ud) {
  neap_transfer *t = ud;
  size_t room = size * count;
  size_t nbytes = t->input_length < room ? t->input_length : room;
  if (nbytes == 0) {
    t->starved = !t->input_ended;
    return t->starved ? CURL_READFUNC_PAUSE : 0;
  }
  memcpy(data, t->input, nbytes);
  t->input += nbytes;
  t->input_length -= nbytes;
  if (t->input_length == 0) {
    neap_wake_all(&t->waiters);
  }
  return nbytes;
}

void neap_transfer_set_data(neap_transfer *t) {
  neap_curl.curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
  neap_curl.curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
  neap_curl.curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
  neap_curl.curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
  neap_curl.curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_input);
  neap_curl.curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
}

#else

typedef int neap_no_transfer_data; /* ISO C wants a declaration */

#endif
