/* SPDX-License-Identifier: MIT */
#include "runtime/buffer.h"

#include <string.h>

#include "runtime/alloc.h"

/* What an empty buffer may keep. */
enum { KEPT = 4096, SMALLEST = 256 };

static void resize(neap_buffer *buffer, char *data, size_t capacity) {
  buffer->data = data;
  buffer->capacity = capacity;
}

char *neap_buffer_room(neap_buffer *buffer, size_t nbytes) {
  size_t length = neap_buffer_length(buffer);
  if (buffer->capacity - buffer->end >= nbytes) {
    return buffer->data + buffer->end;
  }
  if (buffer->start >= length && buffer->capacity - length >= nbytes) {
    memmove(buffer->data, buffer->data + buffer->start, length);
    buffer->start = 0;
    buffer->end = length;
    return buffer->data + length;
  }
  if (nbytes > (size_t)-1 / 4 - length) {
    return NULL;
  }
  size_t capacity = buffer->capacity < SMALLEST ? SMALLEST : buffer->capacity;
  while (capacity - buffer->start < length + nbytes) {
    capacity *= 2;
  }
  char *data = neap_realloc(buffer->data, buffer->capacity, capacity);
  if (data == NULL) {
    return NULL;
  }
  resize(buffer, data, capacity);
  return data + buffer->end;
}

void neap_buffer_add(neap_buffer *buffer, size_t nbytes) {
  buffer->end += nbytes;
}

void neap_buffer_drop(neap_buffer *buffer, size_t nbytes) {
  buffer->start += nbytes;
  if (buffer->start < buffer->end) {
    return;
  }
  buffer->start = buffer->end = 0;
  if (buffer->capacity > KEPT) {
    neap_buffer_free(buffer);
  }
}

void neap_buffer_free(neap_buffer *buffer) {
  neap_realloc(buffer->data, buffer->capacity, 0);
  memset(buffer, 0, sizeof *buffer);
}

size_t neap_buffer_find(const neap_buffer *buffer, const char *pattern,
                        size_t length, size_t *scanned) {
  const char *bytes = neap_buffer_bytes(buffer);
  size_t count = neap_buffer_length(buffer);
  size_t at = *scanned;
  while (at + length <= count) {
    const char *first = memchr(bytes + at, pattern[0], count - length + 1 - at);
    if (first == NULL) {
      at = count - length + 1;
      break;
    }
    at = (size_t)(first - bytes);
    if (memcmp(first, pattern, length) == 0) {
      return at;
    }
    at++;
  }
  *scanned = at;
  return (size_t)-1;
}

static char *take(char **list, unsigned *count, size_t size) {
  return *count > 0 ? list[--*count] : neap_realloc(NULL, 0, size);
}

bool neap_buffer_open(neap_buffer *buffer, neap_chunks *chunks, bool large) {
  size_t size = large ? NEAP_LARGE_CHUNK : NEAP_SMALL_CHUNK;
  char *data = large ? take(chunks->large, &chunks->large_count, size)
                     : take(chunks->small, &chunks->small_count, size);
  if (data == NULL) {
    return false;
  }
  resize(buffer, data, size);
  return true;
}

void neap_buffer_close(neap_buffer *buffer, neap_chunks *chunks) {
  if (buffer->capacity == NEAP_SMALL_CHUNK &&
      chunks->small_count < NEAP_MAX_CHUNKS) {
    chunks->small[chunks->small_count++] = buffer->data;
  } else if (buffer->capacity == NEAP_LARGE_CHUNK &&
             chunks->large_count < NEAP_MAX_CHUNKS) {
    chunks->large[chunks->large_count++] = buffer->data;
  } else {
    neap_realloc(buffer->data, buffer->capacity, 0);
  }
  memset(buffer, 0, sizeof *buffer);
}

void neap_chunks_free(neap_chunks *chunks) {
  while (chunks->small_count > 0) {
    neap_realloc(chunks->small[--chunks->small_count], NEAP_SMALL_CHUNK, 0);
  }
  while (chunks->large_count > 0) {
    neap_realloc(chunks->large[--chunks->large_count], NEAP_LARGE_CHUNK, 0);
  }
}
