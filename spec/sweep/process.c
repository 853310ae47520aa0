/* SPDX-License-Identifier: MIT */
/* process.c - descriptors and streams of the process that runs the points. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "spec/sweep/points.h"

enum { MANY = 250 };

int sweep_count_descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  if (dir != NULL) {
    while (readdir(dir) != NULL) {
      count++;
    }
    closedir(dir);
  }
  return count;
}

static int reserved_fd;

static void on_poll_closed(uv_handle_t *handle) {
  close(reserved_fd);
  free(handle);
}

void sweep_reserve_watchers(uv_loop_t *loop) {
  uv_poll_t *handle = malloc(sizeof *handle);
  int fd = fcntl(0, F_DUPFD_CLOEXEC, MANY);
  if (handle == NULL || fd < 0 || uv_poll_init(loop, handle, fd) != 0) {
    perror("sweep");
    exit(2);
  }
  uv_poll_start(handle, UV_READABLE, NULL);
  uv_poll_stop(handle);
  reserved_fd = fd;
  uv_close((uv_handle_t *)handle, on_poll_closed);
}

void sweep_redirect(void) {
  int ends[2];
  int nowhere = open("/dev/null", O_WRONLY);
  if (nowhere < 0 || pipe(ends) != 0 || dup2(ends[0], 0) < 0 ||
      dup2(nowhere, 1) < 0) {
    perror("sweep");
    exit(2);
  }
  close(ends[0]);
  close(ends[1]);
  close(nowhere);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, SIG_IGN);
}
