/* SPDX-License-Identifier: MIT */
/* epoll.c - a runtime inside a loop of the host's own: epoll waits for the
 * host's descriptors and for the runtime's, and neap_poll does what is due. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <lauxlib.h>
#include <neap.h>

static const char script[] = "local neap = require 'neap'\n"
                             "for i = 1, 3 do\n"
                             "  neap.sleep(0.02)\n"
                             "  print('task', i)\n"
                             "end\n";

static int watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The host's own work: a tick every 10 ms. */
static int open_ticks(void) {
  struct itimerspec every = {
      {0, 10000000},
      {0, 10000000}
  };
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (fd >= 0) {
    timerfd_settime(fd, 0, &every, NULL);
  }
  return fd;
}

static int loop(neap_runtime *rt, int epoll, int ticker) {
  int ticks = 0;
  while (neap_poll(rt, 0) > 0) {
    struct epoll_event events[2];
    int n = epoll_wait(epoll, events, 2, neap_backend_timeout(rt));
    for (int i = 0; i < n; i++) {
      uint64_t expired;
      if (events[i].data.fd == ticker &&
          read(ticker, &expired, sizeof expired) > 0) {
        ticks++;
      }
    }
  }
  return ticks;
}

int main(void) {
  neap_runtime *rt;
  if (neap_open(NULL, &rt) != 0) {
    return EXIT_FAILURE;
  }
  lua_State *L = neap_state(rt);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  int ticker = open_ticks();
  watch(epoll, ticker);
  watch(epoll, neap_backend_fd(rt));
  luaL_loadstring(L, script);
  neap_create_task(L, 0, NULL);
  int ticks = loop(rt, epoll, ticker);
  printf("the host ticked meanwhile: %s\n", ticks > 0 ? "yes" : "no");
  close(ticker);
  close(epoll);
  return neap_close(rt) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
