/* SPDX-License-Identifier: MIT */
#include "runtime/trace.h"

const char *neap_event_name(neap_event event) {
  static const char *const names[] = {
      /* ORDER neap_event */
      "created", "started",  "waiting", "woken",
      "cancel",  "finished", "failed",  "cancelled",
  };
  return names[event];
}
