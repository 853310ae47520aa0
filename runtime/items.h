/* SPDX-License-Identifier: MIT */
/* items.h - the items of a queue: first in first out, last in first out, or
 * the least first and equal ones in their order.
 *
 * They are in a Lua table, which is a user value of the queue. Every function
 * here works on the queue at index 1 of the stack. What raises leaves the
 * items as they were. */
#ifndef NEAP_ITEMS_H
#define NEAP_ITEMS_H

#include <lua.h>

#include "runtime/runtime.h"

typedef enum neap_items_order {
  NEAP_FIFO,
  NEAP_LIFO,
  NEAP_PRIORITY,
} neap_items_order;

/* Tables with so few places never shrink. */
enum { NEAP_SMALL_CAPACITY = 1024 };

/* User values of the queue: the table; a function that compares, or nil. */
enum { NEAP_ITEMS_VALUE = 1, NEAP_LESS_VALUE = 2, NEAP_ITEMS_VALUES = 2 };

/* Owner: the queue, whose userdata it is part of.
 *
 * A ring of `capacity` places, a power of 2, of which `count` from `head` on are
 * in use. Of LIFO and PRIORITY `head` is 0. A place of PRIORITY, a binary heap,
 * is two elements of the table: the item, and its number. */
typedef struct neap_items {
  size_t head;
  size_t count;
  size_t capacity;
  lua_Integer numbers; /* given to items so far */
  uint64_t changes;    /* of a heap, so far */
  neap_items_order order;
  bool has_less;
} neap_items;

/* [-0, +0, m] Makes the table of a new queue. The user value NEAP_LESS_VALUE is
 * set by the caller, with `has_less`. */
void neap_items_init(lua_State *L, neap_items *items, neap_items_order order);

/* [-0, +0, m] Makes room for more items. As it may collect garbage, finalizers
 * may use the queue meanwhile. */
void neap_items_grow(lua_State *L, neap_items *items);

/* Whether the table, once big, is to be made smaller. */
static inline bool neap_items_sparse(const neap_items *items) {
  return items->capacity > NEAP_SMALL_CAPACITY &&
         items->count < items->capacity / 8;
}

/* [-0, +0, m] Makes it smaller; as neap_items_grow. */
void neap_items_shrink(lua_State *L, neap_items *items);

/* [-0, +1, e] Puts the value at index 2; there must be room. Raises, of a
 * priority queue only, what a comparison raises. Pushes anything: popping it
 * would cost one more call. */
void neap_items_put(lua_State *L, neap_items *items);

/* [-0, +2, e] Takes out the next one, there must be one, and pushes it, on the
 * top. Raises as put. */
void neap_items_take(lua_State *L, neap_items *items);

/* [-0, +0, m] Drops all, and returns how many there were. */
size_t neap_items_clear(lua_State *L, neap_items *items);

#endif
