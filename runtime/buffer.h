/* SPDX-License-Identifier: MIT */
/* buffer.h - bytes that have come in and that nobody has read yet. */
#ifndef NEAP_BUFFER_H
#define NEAP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* Memory of two sizes that was used and will be again, so that a connection
 * holds none while nothing comes in. */
enum {
  NEAP_SMALL_CHUNK = 4096,
  NEAP_LARGE_CHUNK = 65536,
  NEAP_MAX_CHUNKS = 64
};

typedef struct neap_chunks {
  char *small[NEAP_MAX_CHUNKS];
  char *large[NEAP_MAX_CHUNKS];
  unsigned small_count, large_count;
} neap_chunks;

void neap_chunks_free(neap_chunks *chunks);

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
  /* Without memory there is nothing to add to, not even 0. */
  return buffer->start == 0 ? buffer->data : buffer->data + buffer->start;
}

/* Room for `nbytes` more, behind what is there; NULL: no memory. */
char *neap_buffer_room(neap_buffer *buffer, size_t nbytes);

/* So many bytes have been put into the room. */
void neap_buffer_add(neap_buffer *buffer, size_t nbytes);

/* Drops the first bytes; an empty buffer keeps little memory. */
void neap_buffer_drop(neap_buffer *buffer, size_t nbytes);

void neap_buffer_free(neap_buffer *buffer);

/* Gives an empty buffer, which has no memory, that of a chunk. False: there is
 * none. */
bool neap_buffer_open(neap_buffer *buffer, neap_chunks *chunks, bool large);

/* The same as free, for the next neap_buffer_open. */
void neap_buffer_close(neap_buffer *buffer, neap_chunks *chunks);

/* Where `pattern` begins in what is there, looking from `*scanned` on, or
 * (size_t)-1; then `*scanned` is from where to look when there is more. */
size_t neap_buffer_find(const neap_buffer *buffer, const char *pattern,
                        size_t length, size_t *scanned);

#endif
