/* echo load, once the server listens: client PORT CONNS SIZE SECS SERVER_PID PEER -> "W11-SIZE peer conns secs req_per_s server_cpu_s server_cpu_us_per_req p50_us p99_us server_rss_kb client_cpu_s" */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <time.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
typedef struct { int fd; int sent, got; double t0; } conn;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static double srvcpu(int pid) { char p[64], b[1024]; snprintf(p, sizeof p, "/proc/%d/stat", pid); FILE *f = fopen(p, "r"); if (!f) return 0; size_t n = fread(b, 1, 1023, f); b[n] = 0; fclose(f);
  char *q = strrchr(b, ')'); unsigned long u, s; sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s); return (double)(u + s) / sysconf(_SC_CLK_TCK); }
static long srvrss(int pid) { char p[64], l[256]; snprintf(p, sizeof p, "/proc/%d/status", pid); FILE *f = fopen(p, "r"); long v = 0; if (!f) return 0; while (fgets(l, sizeof l, f)) if (!strncmp(l, "VmHWM:", 6)) v = atol(l + 6); fclose(f); return v; }
static char *out, *in; static int size;
static unsigned hist[1000001]; static long total; static int rec;
static void pump(conn *c) {
  for (;;) {
    while (c->sent < size) { ssize_t n = send(c->fd, out + c->sent, size - c->sent, MSG_NOSIGNAL); if (n > 0) c->sent += n; else if (errno == EAGAIN) break; else { perror("send"); exit(1); } }
    ssize_t n = recv(c->fd, in, size - c->got, 0);
    if (n == 0) { fprintf(stderr, "server closed\n"); exit(1); }
    if (n < 0) { if (errno == EAGAIN) return; perror("recv"); exit(1); }
    c->got += n;
    if (c->got == size) { double t = now(); if (rec) { long us = (t - c->t0) * 1e6; hist[us > 1000000 ? 1000000 : us]++; total++; } c->got = c->sent = 0; c->t0 = t; }
    else if (c->sent == size) { return; }
  }
}
int main(int argc, char **argv) {
  if (argc < 7) return 2;
  int port = atoi(argv[1]), n = atoi(argv[2]), pid = atoi(argv[5]); size = atoi(argv[3]); double secs = atof(argv[4]);
  out = malloc(size); in = malloc(size); memset(out, 'x', size);
  conn *cs = calloc(n, sizeof *cs); int ep = epoll_create1(0);
  for (int i = 0; i < n; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1; struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) }; a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int tries = 0; while (connect(fd, (void *)&a, sizeof a)) { if (errno != ECONNREFUSED || ++tries > 500) { perror("connect"); return 1; } close(fd); usleep(20000); fd = socket(AF_INET, SOCK_STREAM, 0); }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); fcntl(fd, F_SETFL, O_NONBLOCK); cs[i].fd = fd;
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = &cs[i] }; epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
  }
  double start = now(), m0 = 0, c0 = 0; for (int i = 0; i < n; i++) { cs[i].t0 = now(); pump(&cs[i]); }
  struct epoll_event ev[256];
  for (;;) {
    double t = now();
    if (!rec && t - start > 0.5) { rec = 1; m0 = t; c0 = srvcpu(pid); }
    if (rec && t - m0 >= secs) break;
    int k = epoll_wait(ep, ev, 256, 100);
    for (int i = 0; i < k; i++) pump(ev[i].data.ptr);
  }
  double dt = now() - m0, c = srvcpu(pid) - c0; long acc = 0, p50 = -1, p99 = -1;
  for (long i = 0; i <= 1000000; i++) { acc += hist[i]; if (p50 < 0 && acc >= total / 2) p50 = i; if (p99 < 0 && acc >= total * 0.99) { p99 = i; break; } }
  struct rusage r; getrusage(RUSAGE_SELF, &r);
  printf("W11-%d %s %d %.2f %.0f %.2f %.2f %ld %ld %ld %.2f\n", size, argv[6], n, dt, total / dt, c, total ? c * 1e6 / total : 0, p50, p99, srvrss(pid), r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6);
  return 0;
}
