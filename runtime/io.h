/* SPDX-License-Identifier: MIT */
/* io.h - waits for the world outside, which hold a virtual clock.
 *
 * A handle of libuv's that is open does not: a server that nobody connects to
 * would stop time. So whoever opens one says when a task waits for it. */
#ifndef NEAP_IO_H
#define NEAP_IO_H

#include <uv.h>

#include "runtime/list.h"
#include "runtime/runtime.h"

typedef struct neap_io neap_io;

struct neap_io {
  neap_link link; /* in rt->io while the handle is open */
  uv_handle_t *handle;
  bool (*holds_clock)(neap_io *io);
};

static inline void neap_io_open(neap_runtime *rt, neap_io *io,
                                uv_handle_t *handle,
                                bool (*holds_clock)(neap_io *io)) {
  io->handle = handle;
  io->holds_clock = holds_clock;
  neap_list_append(&rt->io, &io->link);
}

static inline void neap_io_close(neap_io *io) {
  neap_list_remove(&io->link);
}

#endif
