/* SPDX-License-Identifier: MIT */
#include "runtime/clock.h"

#include <math.h>
#include <string.h>

#include <uv.h>

#include "runtime/alloc.h"

/* UNUSED places at the heap's beginning make the children of one place share a
 * cache line: big blocks of malloc's begin 16 bytes behind a page. */
enum { ARITY = 4, FIRST_CAPACITY = 64, UNUSED = 2 };

/* Deadlines of disarmed jobs that may always stay. */
enum { FEW_DROPPED = 64 };

static const double NANOSECONDS = 1e9;

void neap_clock_init(neap_clock *clock) {
  memset(clock, 0, sizeof *clock);
}

static size_t heap_size(size_t capacity) {
  return capacity == 0 ? 0 : (capacity + UNUSED) * sizeof(neap_deadline);
}

static neap_deadline *heap_block(const neap_clock *clock) {
  return clock->heap == NULL ? NULL : clock->heap - UNUSED;
}

void neap_clock_free(neap_clock *clock) {
  neap_realloc(heap_block(clock), heap_size(clock->capacity), 0);
  neap_realloc(clock->slots, clock->capacity * sizeof *clock->slots, 0);
  clock->heap = NULL;
  clock->slots = NULL;
  clock->count = clock->dropped = clock->capacity = 0;
  clock->slots_used = clock->free_slot = 0;
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

void neap_clock_switch(neap_clock *clock, bool is_virtual, uint64_t now) {
  uint64_t before = neap_clock_now(clock);
  clock->is_virtual = is_virtual;
  clock->virtual_now = now;
  uint64_t after = neap_clock_now(clock);
  for (size_t i = 0; i < clock->count; i++) { /* the order stays */
    uint64_t at = clock->heap[i].at;
    clock->heap[i].at = after + (at > before ? at - before : 0);
  }
}

bool neap_clock_reserve(neap_clock *clock) {
  if (clock->count < clock->capacity) {
    return true;
  }
  size_t old = clock->capacity;
  size_t capacity = old == 0 ? FIRST_CAPACITY : 2 * old;
  if (capacity > UINT32_MAX) {
    return false;
  }
  neap_deadline_slot *slots =
      neap_realloc(clock->slots, old * sizeof *slots, capacity * sizeof *slots);
  if (slots == NULL) {
    return false;
  }
  clock->slots = slots;
  neap_deadline *block =
      neap_realloc(heap_block(clock), heap_size(old), heap_size(capacity));
  if (block == NULL) { /* making the other smaller again cannot fail */
    clock->slots =
        neap_realloc(slots, capacity * sizeof *slots, old * sizeof *slots);
    return false;
  }
  clock->heap = block + UNUSED;
  clock->capacity = capacity;
  return true;
}

/* ---- slots ---- */

static uint32_t take_slot(neap_clock *clock, neap_job *job) {
  uint32_t slot = clock->slots_used;
  if (clock->free_slot != 0) {
    slot = clock->free_slot - 1;
    clock->free_slot = (uint32_t)clock->slots[slot].seq;
  } else {
    clock->slots_used++;
  }
  clock->slots[slot].job = job;
  clock->slots[slot].seq = ++clock->seq;
  job->armed = (size_t)slot + 1;
  return slot;
}

static void give_slot(neap_clock *clock, uint32_t slot) {
  clock->slots[slot].seq = clock->free_slot;
  clock->free_slot = slot + 1;
}

/* ---- the heap ---- */

static bool earlier(const neap_clock *clock, const neap_deadline *a,
                    const neap_deadline *b) {
  return a->at < b->at || (a->at == b->at && clock->slots[a->slot].seq <
                                                 clock->slots[b->slot].seq);
}

static void sift_up(neap_clock *clock, size_t index, neap_deadline moving) {
  while (index > 0) {
    size_t parent = (index - 1) / ARITY;
    if (!earlier(clock, &moving, &clock->heap[parent])) {
      break;
    }
    clock->heap[index] = clock->heap[parent];
    index = parent;
  }
  clock->heap[index] = moving;
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
      if (earlier(clock, &clock->heap[child], &clock->heap[least])) {
        least = child;
      }
    }
    if (!earlier(clock, &clock->heap[least], &moving)) {
      break;
    }
    clock->heap[index] = clock->heap[least];
    index = least;
  }
  clock->heap[index] = moving;
}

/* Takes the first deadline out. */
static void drop_first(neap_clock *clock) {
  uint32_t slot = clock->heap[0].slot;
  neap_deadline last = clock->heap[--clock->count];
  if (clock->count > 0) {
    sift_down(clock, 0, last);
  }
  give_slot(clock, slot);
}

/* Makes the first deadline one of a job that is armed. */
static void drop_disarmed(neap_clock *clock) {
  while (clock->count > 0 && clock->slots[clock->heap[0].slot].job == NULL) {
    drop_first(clock);
    clock->dropped--;
  }
}

/* Drops all deadlines of disarmed jobs. */
static void compact(neap_clock *clock) {
  size_t kept = 0;
  for (size_t i = 0; i < clock->count; i++) {
    uint32_t slot = clock->heap[i].slot;
    if (clock->slots[slot].job != NULL) {
      clock->heap[kept++] = clock->heap[i];
    } else {
      give_slot(clock, slot);
    }
  }
  clock->count = kept;
  clock->dropped = 0;
  for (size_t i = kept / ARITY + 1; i-- > 0;) {
    if (i < kept) {
      sift_down(clock, i, clock->heap[i]);
    }
  }
}

void neap_clock_arm(neap_clock *clock, neap_job *job, uint64_t at) {
  if (at != NEAP_NEVER) {
    neap_deadline deadline = {at, take_slot(clock, job)};
    sift_up(clock, clock->count++, deadline);
    if (clock->armed != NULL) {
      clock->armed(clock);
    }
  }
}

void neap_clock_disarm(neap_clock *clock, neap_job *job) {
  if (job->armed == 0) {
    return;
  }
  uint32_t slot = (uint32_t)(job->armed - 1);
  job->armed = 0;
  clock->slots[slot].job = NULL;
  if (clock->heap[clock->count - 1].slot == slot) { /* as timeouts often are */
    clock->count--;
    give_slot(clock, slot);
    return;
  }
  clock->dropped++;
  if (clock->dropped > FEW_DROPPED && clock->dropped > clock->count / 2) {
    compact(clock);
  }
}

neap_job *neap_clock_take_due(neap_clock *clock, uint64_t now) {
  drop_disarmed(clock);
  if (clock->count == 0 || clock->heap[0].at > now) {
    return NULL;
  }
  neap_job *job = clock->slots[clock->heap[0].slot].job;
  job->armed = 0;
  drop_first(clock);
  return job;
}

uint64_t neap_clock_next(neap_clock *clock) {
  drop_disarmed(clock);
  return clock->count == 0 ? NEAP_NEVER : clock->heap[0].at;
}
