/* SPDX-License-Identifier: MIT */
/* job.h - anything that runs from the loop: a task's next step, a callback, a
 * deadline that came. Embedded in its owner, so that queueing cannot fail. */
#ifndef NEAP_JOB_H
#define NEAP_JOB_H

#include <stdint.h>

#include "runtime/list.h"

struct neap_runtime;
typedef struct neap_job neap_job;

struct neap_job {
  neap_link link; /* in the ready queue, or in a list of waiters */
  /* Called by the drain. Never raises. */
  void (*run)(struct neap_runtime *rt, neap_job *job);
  size_t armed; /* its slot in the clock, from 1; 0: it has none */
};

#endif
