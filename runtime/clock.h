/* SPDX-License-Identifier: MIT */
/* clock.h - what time it is, real or virtual, and what is due when.
 *
 * Time is whole nanoseconds, so that sums of decimal durations are exact and a
 * virtual clock's readings repeat. All deadlines stand in one flat 4-ary heap
 * of (deadline, order of arming): the earliest first, ties first come first
 * served. asyncio's heap is not stable; ours is.
 *
 * The heap knows jobs by numbers of slots, which do not change while deadlines
 * move: moving them touches no job, of which a million do not fit into any
 * cache. To disarm empties the slot; its deadline is dropped later. */
#ifndef NEAP_CLOCK_H
#define NEAP_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/job.h"

/* A deadline that never comes. */
#define NEAP_NEVER UINT64_MAX

typedef struct neap_deadline {
  uint64_t at; /* nanoseconds */
  uint32_t slot;
} neap_deadline;

typedef struct neap_deadline_slot {
  neap_job *job; /* NULL once it is disarmed */
  uint64_t seq;  /* order of arming; of a free slot, the next free one */
} neap_deadline_slot;

typedef struct neap_clock {
  neap_deadline *heap;
  neap_deadline_slot *slots;
  size_t count;        /* in the heap */
  size_t dropped;      /* of those, disarmed */
  size_t capacity;     /* of the heap, and of slots */
  uint32_t slots_used; /* slots that were ever in use */
  uint32_t free_slot;  /* the first free one of those, from 1; 0: none */
  uint64_t seq;
  uint64_t virtual_now; /* nanoseconds; counts only if is_virtual */
  bool is_virtual;
  void (*armed)(struct neap_clock *clock); /* told of new deadlines, or NULL */
} neap_clock;

void neap_clock_init(neap_clock *clock);
void neap_clock_free(neap_clock *clock);

/* Monotonic nanoseconds. */
uint64_t neap_clock_now(const neap_clock *clock);

/* `seconds` from now as a deadline; negative is now, huge is NEAP_NEVER. The
 * caller has refused NaN. */
uint64_t neap_clock_after(const neap_clock *clock, double seconds);

/* Seconds of neap.time() as nanoseconds, and back. */
uint64_t neap_clock_from_seconds(double seconds);
double neap_clock_to_seconds(uint64_t at);

/* Goes over to virtual time, which is `now` then, or back to real time. What is
 * armed keeps its distance; nothing may be due. */
void neap_clock_switch(neap_clock *clock, bool is_virtual, uint64_t now);

/* How many jobs are armed. */
static inline size_t neap_clock_count(const neap_clock *clock) {
  return clock->count - clock->dropped;
}

/* Makes room for one more deadline. False if there is no memory. */
bool neap_clock_reserve(neap_clock *clock);

/* Arms `job`, which must not be armed; room must have been reserved. */
void neap_clock_arm(neap_clock *clock, neap_job *job, uint64_t at);

/* Does nothing to a job that is not armed. */
void neap_clock_disarm(neap_clock *clock, neap_job *job);

/* Takes out the earliest job due at `now`; NULL if none is. */
neap_job *neap_clock_take_due(neap_clock *clock, uint64_t now);

/* The earliest deadline, or NEAP_NEVER. */
uint64_t neap_clock_next(neap_clock *clock);

#endif
