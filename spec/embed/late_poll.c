/* SPDX-License-Identifier: MIT */
/* late_poll.c - a machine so busy that a deadline comes after its timer was
 * started and before libuv polls, while another thread may still post. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <neap.h>

enum { LATE_MS = 20 };

/* Stands before libuv's own. */
int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
                   uint64_t repeat) {
  int (*start)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);
  void *symbol = dlsym(RTLD_NEXT, "uv_timer_start");
  memcpy(&start, &symbol, sizeof start);
  int err = start(timer, callback, timeout, repeat);
  uv_sleep(LATE_MS);
  return err;
}

int main(void) {
  neap_runtime *rt;
  neap_mailbox *mailbox;
  if (neap_open(NULL, &rt) != 0 || neap_mailbox_open(rt, &mailbox) != 0) {
    return EXIT_FAILURE;
  }
  int status = neap_run_string(
      neap_state(rt), "require 'neap'.sleep(0.001) print 'awake'", "=script");
  neap_mailbox_release(mailbox);
  neap_close(rt);
  return status == NEAP_RUN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
