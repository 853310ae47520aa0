/* connections: conns PORT idle N PID    opens N and leaves them idle
 *              conns PORT accept N PID  opens N, one after the other, 64 at a time, each answers one byte
 * -> "MODE N seconds server_cpu_s server_rss_kb_before server_rss_kb_after" */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 64 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double server_cpu(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *f = fopen(path, "r");
  if (f == NULL) return 0;
  size_t n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  text[n] = 0;
  unsigned long user, system;
  sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

static long server_rss(int pid) {
  char path[64], line[256];
  long kb = 0;
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *f = fopen(path, "r");
  if (f == NULL) return 0;
  while (fgets(line, sizeof line, f))
    if (!strncmp(line, "VmRSS:", 6)) kb = atol(line + 6);
  fclose(f);
  return kb;
}

static int dial(int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int tries = 0; tries < 500; tries++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) { perror("socket"); exit(1); }
    if (connect(fd, (void *)&a, sizeof a) == 0) return fd;
    if (errno != ECONNREFUSED) { perror("connect"); exit(1); }
    close(fd);
    usleep(20000);
  }
  fprintf(stderr, "nobody listens\n");
  exit(1);
}

static void echo_byte(int fd) {
  char c = 'x';
  if (send(fd, &c, 1, MSG_NOSIGNAL) != 1 || recv(fd, &c, 1, 0) != 1) { perror("echo"); exit(1); }
}

/* Resets instead of lingering in TIME_WAIT, of which there is only so much. */
static void hang_up(int fd) {
  struct linger l = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
  close(fd);
}

int main(int argc, char **argv) {
  if (argc < 5) return 2;
  int port = atoi(argv[1]), n = atoi(argv[3]), pid = atoi(argv[4]), idle = !strcmp(argv[2], "idle");
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  int *fds = calloc(n, sizeof *fds), first = dial(port);
  echo_byte(first); /* the server is warm */
  usleep(200000);
  long before = server_rss(pid);
  double start = now(), cpu = server_cpu(pid);
  if (idle) {
    for (int i = 0; i < n; i++) { fds[i] = dial(port); echo_byte(fds[i]); }
  } else {
    for (int i = 0; i < n; i += AT_ONCE) {
      for (int j = 0; j < AT_ONCE; j++) fds[j] = dial(port);
      for (int j = 0; j < AT_ONCE; j++) echo_byte(fds[j]);
      for (int j = 0; j < AT_ONCE; j++) hang_up(fds[j]);
    }
  }
  double seconds = now() - start;
  usleep(200000);
  printf("%s %d %.3f %.2f %ld %ld\n", argv[2], n, seconds, server_cpu(pid) - cpu, before, server_rss(pid));
  return 0;
}
