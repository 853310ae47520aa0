/* SPDX-License-Identifier: MIT */
/* list.h - circular doubly linked lists whose links live inside the members,
 * so that nothing here can fail and a member leaves without knowing its list. */
#ifndef NEAP_LIST_H
#define NEAP_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct neap_link {
  struct neap_link *prev;
  struct neap_link *next; /* NULL while in no list */
} neap_link;

/* The head is a link of its own: first = next, last = prev. */
typedef neap_link neap_list;

#define NEAP_CONTAINER_OF(ptr, type, member)                                   \
  ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void neap_list_init(neap_list *list) {
  list->prev = list->next = list;
}

static inline bool neap_list_empty(const neap_list *list) {
  return list->next == list;
}

/* Whether it has one member, no more. */
static inline bool neap_list_single(const neap_list *list) {
  return list->next != list && list->next->next == list;
}

static inline void neap_list_append(neap_list *list, neap_link *link) {
  link->prev = list->prev;
  link->next = list;
  list->prev->next = link;
  list->prev = link;
}

/* Does nothing to a link that is in no list. */
static inline void neap_list_remove(neap_link *link) {
  if (link->next != NULL) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
  }
}

/* Takes the first link out, or returns NULL. */
static inline neap_link *neap_list_shift(neap_list *list) {
  neap_link *first = list->next;
  if (first == list) {
    return NULL;
  }
  list->next = first->next;
  first->next->prev = list;
  first->prev = first->next = NULL;
  return first;
}

/* Moves everything in `from` to the end of `to`. */
static inline void neap_list_splice(neap_list *to, neap_list *from) {
  if (!neap_list_empty(from)) {
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    neap_list_init(from);
  }
}

#endif
