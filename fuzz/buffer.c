/* SPDX-License-Identifier: MIT */
/* buffer.c - runtime/buffer against an array of bytes: what is put in comes
 * out, and a separator is found where it first is, however the bytes came. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "runtime/buffer.h"

enum { MODEL_SIZE = 1 << 15, LONG_PIECE = 1000 };

static uint8_t model[MODEL_SIZE];
static size_t model_length;

typedef struct search {
  const char *pattern;
  size_t length;
  size_t scanned;
} search;

static const search searches[] = {
    {"\n",       1, 0},
    {"\r\n",     2, 0},
    {"\r\n\r\n", 4, 0},
    {"aab",      3, 0},
    {"aaaaaaaa", 8, 0},
    {"\0\0",     2, 0},
};

enum { SEARCHES = sizeof searches / sizeof *searches };

static size_t model_find(const search *s) {
  for (size_t at = 0; at + s->length <= model_length; at++) {
    if (memcmp(model + at, s->pattern, s->length) == 0) {
      return at;
    }
  }
  return (size_t)-1;
}

static void add(neap_buffer *buffer, fuzz_bytes piece, size_t times) {
  for (size_t i = 0; i < times && piece.size > 0; i++) {
    if (model_length + piece.size > MODEL_SIZE) {
      return;
    }
    char *room = neap_buffer_room(buffer, piece.size);
    FUZZ_CHECK(room != NULL, "no room");
    memcpy(room, piece.data, piece.size);
    neap_buffer_add(buffer, piece.size);
    memcpy(model + model_length, piece.data, piece.size);
    model_length += piece.size;
  }
}

static void drop(neap_buffer *buffer, size_t nbytes) {
  nbytes = nbytes < model_length ? nbytes : model_length;
  neap_buffer_drop(buffer, nbytes);
  model_length -= nbytes;
  memmove(model, model + nbytes, model_length);
}

static void compare(const neap_buffer *buffer) {
  FUZZ_CHECK(neap_buffer_length(buffer) == model_length, "another length");
  FUZZ_CHECK(model_length == 0 ||
                 memcmp(neap_buffer_bytes(buffer), model, model_length) == 0,
             "other bytes");
}

/* As a reader does: what was looked through is not looked through again, until
 * something is found or dropped. */
static void find(const neap_buffer *buffer, search *s) {
  size_t expected = model_find(s);
  size_t at = neap_buffer_find(buffer, s->pattern, s->length, &s->scanned);
  FUZZ_CHECK(at == expected, "found elsewhere");
  FUZZ_CHECK(s->scanned <= model_length, "scanned what is not there");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_bytes bytes = {data, size};
  neap_chunks chunks = {0};
  neap_buffer buffer = {0};
  search s = searches[fuzz_byte(&bytes) % SEARCHES];
  model_length = 0;
  while (bytes.size > 0) {
    uint8_t what = fuzz_byte(&bytes);
    uint8_t n = fuzz_byte(&bytes);
    switch (what % 5) {
    case 0:
      add(&buffer, fuzz_take(&bytes, n % 32), 1);
      break;
    case 1:
      add(&buffer, fuzz_take(&bytes, n % 8), LONG_PIECE);
      break;
    case 2:
      drop(&buffer, (size_t)n * (what < 128 ? 1 : 100));
      s.scanned = 0;
      break;
    case 3:
      find(&buffer, &s);
      break;
    default:
      if (model_length == 0) {
        neap_buffer_close(&buffer, &chunks);
        FUZZ_CHECK(neap_buffer_open(&buffer, &chunks, n % 2 == 0), "no chunk");
      }
    }
    compare(&buffer);
  }
  neap_buffer_close(&buffer, &chunks);
  neap_chunks_free(&chunks);
  return 0;
}
