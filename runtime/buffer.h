/* SPDX-License-Identifier: MIT */
/* buffer.h - bytes that have come in and that nobody has read yet. */
#ifndef NEAP_BUFFER_H
#define NEAP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: empty. Owns its memory. */
typedef struct neap_buffer {
  char *data;
  size_t start, end; /* what is there: data[start, end) */
  size_t capacity;
} neap_buffer;

static inline size_t neap_buffer_length(const neap_buffer *buffer) {
  return buffer->end - buffer->start;
}

static inline const char *neap_buffer_bytes(const neap_buffer *buffer) {
  return buffer->data + buffer->start;
}

/* Room for `nbytes` more, behind what is there; NULL: no memory. */
char *neap_buffer_room(neap_buffer *buffer, size_t nbytes);

/* So many bytes have been put into the room. */
void neap_buffer_add(neap_buffer *buffer, size_t nbytes);

/* Drops the first bytes; an empty buffer keeps little memory. */
void neap_buffer_drop(neap_buffer *buffer, size_t nbytes);

void neap_buffer_free(neap_buffer *buffer);

/* Where `pattern` begins in what is there, looking from `*scanned` on, or
 * (size_t)-1; then `*scanned` is from where to look when there is more. */
size_t neap_buffer_find(const neap_buffer *buffer, const char *pattern,
                        size_t length, size_t *scanned);

#endif
