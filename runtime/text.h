/* SPDX-License-Identifier: MIT */
/* text.h - short texts made in a buffer of the caller's, without printf: for
 * what every cancellation tells about itself. What has no room is cut off. */
#ifndef NEAP_TEXT_H
#define NEAP_TEXT_H

#include <stdint.h>
#include <string.h>

typedef struct neap_text {
  char *at;  /* where it goes on */
  char *end; /* of the buffer */
} neap_text;

static inline void neap_text_add_bytes(neap_text *text, const char *bytes,
                                       size_t length) {
  size_t room = (size_t)(text->end - text->at);
  length = length < room ? length : room;
  memcpy(text->at, bytes, length);
  text->at += length;
}

static inline void neap_text_add(neap_text *text, const char *string) {
  neap_text_add_bytes(text, string, strlen(string));
}

static inline void neap_text_add_number(neap_text *text, uint64_t number) {
  char digits[20];
  size_t first = sizeof digits;
  do {
    digits[--first] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  neap_text_add_bytes(text, digits + first, sizeof digits - first);
}

#endif
