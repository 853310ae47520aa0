/* SPDX-License-Identifier: MIT */
#include "runtime/items.h"

#include <limits.h>
#include <string.h>

#include <lauxlib.h>

enum { ITEM_INDEX = 2 };

enum { FIRST_CAPACITY = 8 };

void neap_items_init(lua_State *L, neap_items *items, neap_items_order order) {
  memset(items, 0, sizeof *items);
  items->order = order;
  lua_newtable(L);
  lua_setiuservalue(L, -2, NEAP_ITEMS_VALUE);
}

/* ---- the table ---- */

static size_t width(const neap_items *items) {
  return items->order == NEAP_PRIORITY ? 2 : 1;
}

/* The element of the table for a place. */
static lua_Integer element(const neap_items *items, size_t place) {
  return (lua_Integer)((items->head + place) & (items->capacity - 1)) + 1;
}

/* [-0, +0, m] Moves the items into a table with so many places. */
static void resize(lua_State *L, neap_items *items, size_t capacity) {
  if (capacity > INT_MAX / 4) {
    luaL_error(L, "too many items in a queue");
  }
  lua_createtable(L, (int)(capacity * width(items)), 0);
  /* A finalizer may have changed the queue. From here on nothing allocates. */
  if (items->count <= capacity) {
    lua_getiuservalue(L, 1, NEAP_ITEMS_VALUE);
    size_t n = items->count * width(items);
    for (size_t i = 0; i < n; i++) {
      bool is_ring = items->order != NEAP_PRIORITY;
      lua_rawgeti(L, -1, is_ring ? element(items, i) : (lua_Integer)i + 1);
      lua_rawseti(L, -3, (lua_Integer)i + 1);
    }
    lua_pop(L, 1);
    lua_setiuservalue(L, 1, NEAP_ITEMS_VALUE);
    items->capacity = capacity;
    items->head = 0;
  } else {
    lua_pop(L, 1);
  }
}

void neap_items_grow(lua_State *L, neap_items *items) {
  resize(L, items, items->capacity == 0 ? FIRST_CAPACITY : items->capacity * 2);
}

void neap_items_shrink(lua_State *L, neap_items *items) {
  resize(L, items, items->capacity / 2);
}

size_t neap_items_clear(lua_State *L, neap_items *items) {
  lua_newtable(L);
  lua_setiuservalue(L, 1, NEAP_ITEMS_VALUE);
  size_t count = items->count;
  items->head = items->count = items->capacity = 0;
  items->changes++;
  return count;
}

/* ---- the heap ---- */

/* Elements of the table for a place. */
static lua_Integer item_element(size_t place) {
  return (lua_Integer)(place * 2) + 1;
}

static lua_Integer number_element(size_t place) {
  return (lua_Integer)(place * 2) + 2;
}

/* [-0, +0, e] Whether the item at index a is less than the one at b. Runs
 * anything, so the heap is not touched between the first comparison and the
 * last. */
static bool is_less(lua_State *L, neap_items *items, int a, int b) {
  uint64_t changes = items->changes;
  bool less;
  if (items->has_less) {
    lua_getiuservalue(L, 1, NEAP_LESS_VALUE);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_call(L, 2, 1);
    less = lua_toboolean(L, -1);
    lua_pop(L, 1);
  } else {
    less = lua_compare(L, a, b, LUA_OPLT);
  }
  if (items->changes != changes) {
    luaL_error(L, "a priority queue was changed by the comparison of its "
                  "items");
  }
  return less;
}

/* [-0, +1, -] Pushes the item of a place, and returns its number. */
static lua_Integer push_place(lua_State *L, int table, size_t place) {
  lua_rawgeti(L, table, number_element(place));
  lua_Integer number = lua_tointeger(L, -1);
  lua_pop(L, 1);
  lua_rawgeti(L, table, item_element(place));
  return number;
}

/* [-1, +0, -] Puts the item on the top at a place that exists. */
static void set_place(lua_State *L, int table, size_t place,
                      lua_Integer number) {
  lua_rawseti(L, table, item_element(place));
  lua_pushinteger(L, number);
  lua_rawseti(L, table, number_element(place));
}

/* [-0, +0, e] The place that the item at ITEM_INDEX, put last, is to have. It
 * comes after its equals, so it goes up only past what is greater. */
static size_t find_place_up(lua_State *L, neap_items *items, int table) {
  size_t place = items->count;
  while (place > 0) {
    size_t parent = (place - 1) / 2;
    push_place(L, table, parent);
    bool less = is_less(L, items, ITEM_INDEX, lua_gettop(L));
    lua_pop(L, 1);
    if (!less) {
      break;
    }
    place = parent;
  }
  return place;
}

static void heap_put(lua_State *L, neap_items *items) {
  lua_getiuservalue(L, 1, NEAP_ITEMS_VALUE);
  int table = lua_gettop(L);
  size_t end = find_place_up(L, items, table);
  for (size_t place = items->count; place > end; place = (place - 1) / 2) {
    lua_Integer number = push_place(L, table, (place - 1) / 2);
    set_place(L, table, place, number);
  }
  lua_pushvalue(L, ITEM_INDEX);
  set_place(L, table, end, ++items->numbers);
  items->count++;
  items->changes++;
}

/* [-0, +0, e] Whether the item on the top goes before the one below it. */
static bool goes_first(lua_State *L, neap_items *items, lua_Integer number,
                       lua_Integer number_below) {
  int top = lua_gettop(L);
  return number < number_below ? !is_less(L, items, top - 1, top)
                               : is_less(L, items, top, top - 1);
}

/* [-0, +0, e] The place of the child of `place` that goes first, among so many
 * items; `place` if it has none. */
static size_t first_child(lua_State *L, neap_items *items, int table,
                          size_t place, size_t count) {
  size_t child = 2 * place + 1;
  if (child >= count) {
    return place;
  }
  if (child + 1 < count) {
    lua_Integer left = push_place(L, table, child);
    lua_Integer right = push_place(L, table, child + 1);
    child += goes_first(L, items, right, left) ? 1 : 0;
    lua_pop(L, 2);
  }
  return child;
}

/* [-0, +0, e] The place that the last item, on the top, is to have once the
 * first has gone. */
static size_t find_place_down(lua_State *L, neap_items *items, int table,
                              lua_Integer number) {
  size_t count = items->count - 1;
  size_t place = 0;
  for (;;) {
    size_t child = first_child(L, items, table, place, count);
    if (child == place) {
      return place;
    }
    lua_Integer child_number = push_place(L, table, child);
    bool down = goes_first(L, items, child_number, number);
    lua_pop(L, 1);
    if (!down) {
      return place;
    }
    place = child;
  }
}

static void heap_take(lua_State *L, neap_items *items) {
  lua_getiuservalue(L, 1, NEAP_ITEMS_VALUE);
  int table = lua_gettop(L);
  size_t last = items->count - 1;
  lua_Integer number = push_place(L, table, last);
  if (last > 0) {
    size_t place = find_place_down(L, items, table, number);
    /* What is on the top takes a place, whose item goes to the one above, and
     * so on; the first item stays on the top. */
    for (;;) {
      lua_Integer above = push_place(L, table, place);
      lua_insert(L, -2);
      set_place(L, table, place, number);
      number = above;
      if (place == 0) {
        break;
      }
      place = (place - 1) / 2;
    }
  }
  lua_pushnil(L);
  lua_rawseti(L, table, item_element(last));
  items->count--;
  items->changes++;
}

/* ---- all orders ---- */

void neap_items_put(lua_State *L, neap_items *items) {
  NEAP_CHECK(items->count < items->capacity);
  if (items->order == NEAP_PRIORITY) {
    heap_put(L, items);
    return;
  }
  lua_getiuservalue(L, 1, NEAP_ITEMS_VALUE);
  lua_pushvalue(L, ITEM_INDEX);
  lua_rawseti(L, -2, element(items, items->count));
  items->count++;
}

static void ring_take(lua_State *L, neap_items *items) {
  lua_Integer i =
      element(items, items->order == NEAP_FIFO ? 0 : items->count - 1);
  lua_getiuservalue(L, 1, NEAP_ITEMS_VALUE);
  lua_rawgeti(L, -1, i);
  lua_pushnil(L);
  lua_rawseti(L, -3, i);
  items->count--;
  if (items->order == NEAP_FIFO) {
    items->head = (size_t)i & (items->capacity - 1);
  }
}

void neap_items_take(lua_State *L, neap_items *items) {
  if (items->order == NEAP_PRIORITY) {
    heap_take(L, items);
  } else {
    ring_take(L, items);
  }
}
