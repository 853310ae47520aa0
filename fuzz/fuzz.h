/* SPDX-License-Identifier: MIT */
/* fuzz.h - what a fuzz target is.
 *
 * A target is fuzz/NAME.c, which defines LLVMFuzzerTestOneInput, or fuzz/NAME.lua
 * (see script.lua). It is given bytes and must neither crash nor hang nor leak,
 * and what it claims by FUZZ_CHECK must hold. */
#ifndef NEAP_FUZZ_H
#define NEAP_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* libFuzzer's name for it. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* After the last input of a replay; a target may do without. */
void __attribute__((weak)) fuzz_end(void);

#define FUZZ_CHECK(condition, what)                                            \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, what);                \
      abort();                                                                 \
    }                                                                          \
  } while (0)

/* The input, taken from its front. */
typedef struct fuzz_bytes {
  const uint8_t *data;
  size_t size;
} fuzz_bytes;

static inline uint8_t fuzz_byte(fuzz_bytes *bytes) {
  if (bytes->size == 0) {
    return 0;
  }
  bytes->size--;
  return *bytes->data++;
}

/* At most `most` bytes; fewer at the end. */
static inline fuzz_bytes fuzz_take(fuzz_bytes *bytes, size_t most) {
  fuzz_bytes taken = {bytes->data, bytes->size < most ? bytes->size : most};
  bytes->data += taken.size;
  bytes->size -= taken.size;
  return taken;
}

#endif
