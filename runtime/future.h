/* SPDX-License-Identifier: MIT */
/* future.h - a result that will be there: what tasks, plain futures and
 * everything else that can be awaited have in common.
 *
 *   pending --> finished | failed | cancelled        (once, for good)
 *
 * It lives in a userdata. User value 1 is the outcome; user value 2 is nil, the
 * message of a cancellation, or a table of rarer things (see "extras"). */
#ifndef NEAP_FUTURE_H
#define NEAP_FUTURE_H

#include <lua.h>

#include "runtime/runtime.h"

/* Who asked for a cancellation. */
typedef enum neap_origin {
  NEAP_BY_NOBODY,
  NEAP_BY_CODE, /* a call of cancel: the source is on the stack */
  NEAP_BY_TIMEOUT,
  NEAP_BY_SHUTDOWN,
  NEAP_BY_INTERRUPT,
  NEAP_BY_PEER,   /* the other side of a connection has gone */
  NEAP_BY_SERVER, /* the server is closed, with its connections */
} neap_origin;

typedef struct neap_request_to_cancel {
  int message; /* index of a string, or 0 */
  int source;  /* index of a string, or 0 */
  neap_origin origin;
} neap_request_to_cancel;

/* What distinguishes the kinds of future. Static and constant. */
typedef struct neap_future_kind {
  const char *name; /* "Task", "Future" */
  /* Handles a request to cancel a pending one: may set it cancelled, or put
   * others on the list with neap_future_cancel_later. Returns whether the
   * request was taken. Never raises. */
  bool (*cancel)(lua_State *L, neap_future *future,
                 const neap_request_to_cancel *request);
} neap_future_kind;

enum {
  NEAP_OUTCOME_VALUE = 1,
  NEAP_EXTRAS_VALUE = 2,
  NEAP_SOURCE_VALUE = 3, /* of a cancellation: a string or nil; of a failed
                            one: what reports it when it is collected */
  NEAP_FUTURE_VALUES = 3
};

/* Owner: Lua's collector; anchored by the runtime while it is a pending task
 * or somebody waits for it, so that C may then point at it. */
struct neap_future {
  neap_runtime *rt;
  const neap_future_kind *kind;
  neap_list waiters;        /* jobs, in the order they came */
  neap_link failure;        /* in rt->failed while nobody has seen its error */
  neap_future *next_cancel; /* in rt->cancels */
  int anchor;               /* 0: not anchored */
  int nresults;             /* of a finished one: 1 is bare, more are packed */
  uint8_t state;            /* neap_future_state */
  uint8_t origin;           /* neap_origin of the last request */
  bool retrieved;           /* somebody has looked at its error */
  bool has_extras;          /* user value 2 is a table */
  bool being_cancelled;     /* in rt->cancels */
  bool in_shutdown;         /* failed when the run was ending already */
};

/* [-0, +0, -] Initializes the part of a new userdata. */
void neap_future_init(neap_future *future, neap_runtime *rt,
                      const neap_future_kind *kind);

/* [-0, +1, m] Pushes a new plain future. */
neap_future *neap_future_new(lua_State *L, neap_runtime *rt);

/* [-0, +0, -] The future (of any kind) at `index`, or NULL if it is none. */
neap_future *neap_to_future(lua_State *L, neap_runtime *rt, int index);

/* [-0, +1, -] Pushes the userdata of an anchored future. */
void neap_push_future(lua_State *L, neap_future *future);

/* [-0, +0, m] Keeps the future at `index` alive until it is done. */
void neap_future_anchor(lua_State *L, neap_future *future, int index);

/* [-n, +0, m] Stores the n values on the top as the outcome of the future at
 * `index`, which is not an index from the top. */
void neap_future_store(lua_State *L, neap_future *future, int index, int n);

/* [-1, +0, m] Stores an error value. */
void neap_future_store_error(lua_State *L, neap_future *future, int index);

/* [-0, +0, -] Ends a pending future: its waiters are ready from here on. L is
 * any thread with a free stack slot. */
void neap_future_settle(lua_State *L, neap_future *future,
                        neap_future_state state);

/* [-0, +n, v] Pushes the results of the done future at `index` and returns
 * their number, or raises its error or CancelledError. Marks it retrieved. */
int neap_future_results(lua_State *L, neap_future *future, int index);

/* [-0, +1, m] Pushes the error value of a failed or cancelled future. Marks it
 * retrieved. */
void neap_future_push_error(lua_State *L, neap_future *future, int index);

/* Somebody has looked: there will be no report. */
void neap_future_retrieve(neap_future *future);

/* [-0, +0, -] Requests a cancellation of `future`, which must be anchored if it
 * is pending, and of what it is waiting for. False if it is done already. Needs
 * 8 free stack slots. */
bool neap_future_cancel(lua_State *L, neap_future *future,
                        const neap_request_to_cancel *request);

/* [-0, +0, -] Inside a kind's cancel function: cancels `other` after it. */
void neap_future_cancel_later(neap_future *other);

/* [-0, +0, -] Remembers a request, in place of the last one. */
void neap_future_note_request(lua_State *L, neap_future *future,
                              const neap_request_to_cancel *request);

/* [-0, +1, -] Pushes the message of the last request, or nil. */
void neap_future_push_message(lua_State *L, int index);

/* [-0, +1, m] Pushes the CancelledError of the last request to the future at
 * `index`. */
void neap_future_push_cancelled(lua_State *L, neap_future *future, int index);

/* [-0, +1, m] Pushes the extras of the future at `index`, made if need be. */
void neap_future_push_extras(lua_State *L, neap_future *future, int index);

/* [-0, +1, -] Pushes a field of the extras, or nil. */
void neap_future_push_extra(lua_State *L, neap_future *future, int index,
                            const char *name);

#endif
