/* SPDX-License-Identifier: MIT */
/* trace.h - a ring of the last events, cheap enough to be always on. */
#ifndef NEAP_TRACE_H
#define NEAP_TRACE_H

#include <stddef.h>
#include <stdint.h>

typedef enum neap_event { /* ORDER neap_event: names in trace.c */
                          NEAP_EVENT_CREATED,
                          NEAP_EVENT_STARTED,
                          NEAP_EVENT_WAITING,
                          NEAP_EVENT_WOKEN,
                          NEAP_EVENT_CANCEL,
                          NEAP_EVENT_FINISHED,
                          NEAP_EVENT_FAILED,
                          NEAP_EVENT_CANCELLED,
} neap_event;

enum { NEAP_TRACE_SIZE = 128 };

typedef struct neap_trace {
  struct {
    uint64_t at; /* nanoseconds: the time at which the pass began */
    uint64_t task;
    neap_event event;
  } events[NEAP_TRACE_SIZE];

  uint64_t count; /* events ever; the next goes to count % NEAP_TRACE_SIZE */
  uint64_t now;   /* set by the drain before each pass */
} neap_trace;

static inline void neap_trace_add(neap_trace *trace, uint64_t task,
                                  neap_event event) {
  size_t i = (size_t)(trace->count++ % NEAP_TRACE_SIZE);
  trace->events[i].at = trace->now;
  trace->events[i].task = task;
  trace->events[i].event = event;
}

const char *neap_event_name(neap_event event);

#endif
