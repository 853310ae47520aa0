/* SPDX-License-Identifier: MIT */
#include "runtime/clock.h"

#include <math.h>
#include <string.h>

#include <uv.h>

#include "runtime/alloc.h"

enum { ARITY = 4, FIRST_CAPACITY = 64 };

static const double NANOSECONDS = 1e9;

void neap_clock_init(neap_clock *clock) {
  memset(clock, 0, sizeof *clock);
}

void neap_clock_free(neap_clock *clock) {
  neap_realloc(clock->heap, clock->capacity * sizeof *clock->heap, 0);
  clock->heap = NULL;
  clock->count = clock->capacity = 0;
}

uint64_t neap_clock_now(const neap_clock *clock) {
  return clock->is_virtual ? clock->virtual_now : uv_hrtime();
}

uint64_t neap_clock_from_seconds(double seconds) {
  if (seconds <= 0) {
    return 0;
  }
  double at = seconds * NANOSECONDS + 0.5; /* to the nearest */
  return at < 0x1p63 ? (uint64_t)at : NEAP_NEVER;
}

double neap_clock_to_seconds(uint64_t at) {
  return at == NEAP_NEVER ? HUGE_VAL : (double)at / NANOSECONDS;
}

uint64_t neap_clock_after(const neap_clock *clock, double seconds) {
  uint64_t delay = neap_clock_from_seconds(seconds);
  return delay == NEAP_NEVER ? NEAP_NEVER : neap_clock_now(clock) + delay;
}

bool neap_clock_reserve(neap_clock *clock) {
  if (clock->count < clock->capacity) {
    return true;
  }
  size_t capacity = clock->capacity == 0 ? FIRST_CAPACITY : 2 * clock->capacity;
  neap_deadline *heap = neap_realloc(
      clock->heap, clock->capacity * sizeof *heap, capacity * sizeof *heap);
  if (heap == NULL) {
    return false;
  }
  clock->heap = heap;
  clock->capacity = capacity;
  return true;
}

static bool earlier(const neap_deadline *a, const neap_deadline *b) {
  return a->at < b->at || (a->at == b->at && a->seq < b->seq);
}

static void put(neap_clock *clock, size_t index, neap_deadline deadline) {
  clock->heap[index] = deadline;
  deadline.job->armed = index + 1;
}

static void sift_up(neap_clock *clock, size_t index, neap_deadline moving) {
  while (index > 0) {
    size_t parent = (index - 1) / ARITY;
    if (!earlier(&moving, &clock->heap[parent])) {
      break;
    }
    put(clock, index, clock->heap[parent]);
    index = parent;
  }
  put(clock, index, moving);
}

static void sift_down(neap_clock *clock, size_t index, neap_deadline moving) {
  for (;;) {
    size_t child = index * ARITY + 1;
    if (child >= clock->count) {
      break;
    }
    size_t end = child + ARITY < clock->count ? child + ARITY : clock->count;
    size_t least = child;
    for (child++; child < end; child++) {
      if (earlier(&clock->heap[child], &clock->heap[least])) {
        least = child;
      }
    }
    if (!earlier(&clock->heap[least], &moving)) {
      break;
    }
    put(clock, index, clock->heap[least]);
    index = least;
  }
  put(clock, index, moving);
}

void neap_clock_arm(neap_clock *clock, neap_job *job, uint64_t at) {
  if (at != NEAP_NEVER) {
    neap_deadline deadline = {at, ++clock->seq, job};
    sift_up(clock, clock->count++, deadline);
  }
}

void neap_clock_disarm(neap_clock *clock, neap_job *job) {
  if (job->armed == 0) {
    return;
  }
  size_t index = job->armed - 1;
  job->armed = 0;
  neap_deadline last = clock->heap[--clock->count];
  if (index == clock->count) {
    return;
  }
  if (index > 0 && earlier(&last, &clock->heap[(index - 1) / ARITY])) {
    sift_up(clock, index, last);
  } else {
    sift_down(clock, index, last);
  }
}

neap_job *neap_clock_take_due(neap_clock *clock, uint64_t now) {
  if (clock->count == 0 || clock->heap[0].at > now) {
    return NULL;
  }
  neap_job *job = clock->heap[0].job;
  neap_clock_disarm(clock, job);
  return job;
}

uint64_t neap_clock_next(const neap_clock *clock) {
  return clock->count == 0 ? NEAP_NEVER : clock->heap[0].at;
}
