/* SPDX-License-Identifier: MIT */
/* calls.c - system calls that fail.
 *
 * The program has functions of libc's names, which its libraries (libuv, curl,
 * OpenSSL) call in place of libc's, as they would a preloaded library's; so
 * nothing has to be preloaded, beside AddressSanitizer say. Each counts, fails
 * if its time has come, or calls the next one of its name. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spec/sweep/points.h"

#define EXPORT __attribute__((visibility("default")))

/* Not errno: the call does a part of what it was asked to. EAI_ are negative. */
enum { PART = -1000 };

/* What a descriptor is, as far as the ways of failing depend on it. */
enum { NONE, SOCKET, FILE_OR_TERMINAL, INTERNAL, KINDS };

enum { MOST_WAYS = 9 };

/* "From there on" is so many calls: a server that cannot accept and a write
 * that has no room are tried again for as long as it takes. */
enum { LATER_CALLS = 10 };

typedef struct way_list {
  const char *call;
  int kind;
  int errors[MOST_WAYS + 1];
} way_list;

/* In which ways calls fail. What is not here never does, and this is left out
 * for a reason:
 *
 *   epoll_ctl, epoll_wait  libuv aborts, but for EINTR (epoll.c)
 *   eventfd, FIFO, inotify descriptors: read and write but for EINTR and EAGAIN
 *                          libuv aborts: they are its own (async.c, signal.c,
 *                          linux-inotify.c), or the pipe by which a child tells
 *                          that exec failed (process.c)
 *   eventfd, and pipe2 while a loop is opened
 *                          libuv leaks its epoll descriptor (loop.c)
 *   waitpid                libuv aborts, but for EINTR (process.c)
 *   pthread_create         libuv aborts, when it starts its pool (threadpool.c)
 *   mutexes, conditions, pthread_sigmask, sigaction
 *                          libuv aborts (thread.c, signal.c)
 *   fcntl, ioctl           libuv only sets flags by them: nothing can go wrong
 *                          but EINTR
 *   close                  the descriptor is closed all the same, as Linux does */
static const way_list ways[] = {
    {"read",              SOCKET,           {EINTR, EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM, PART}                },
    {"read",              FILE_OR_TERMINAL, {EINTR, EIO, ENOMEM, PART}                                          },
    {"read",              INTERNAL,         {EINTR}                                                             },
    {"readv",             SOCKET,           {EINTR, EAGAIN, ECONNRESET, ENOMEM}                                 },
    {"recvmsg",           SOCKET,           {EINTR, EAGAIN, ECONNREFUSED, ENOMEM}                               },
    {"recv",              SOCKET,           {EINTR, EAGAIN, ECONNRESET, ENOMEM, PART}                           },
    {"recvfrom",          SOCKET,           {EINTR, EAGAIN, ECONNRESET, ENOMEM}                                 },
    {"write",
     SOCKET,                                {EINTR, EAGAIN, EPIPE, ECONNRESET, EHOSTUNREACH, ENOBUFS, PART}     },
    {"write",             FILE_OR_TERMINAL, {EINTR, EIO, ENOSPC, PART}                                          },
    {"write",             INTERNAL,         {EINTR}                                                             },
    {"writev",
     SOCKET,                                {EINTR, EAGAIN, EPIPE, ECONNRESET, EHOSTUNREACH, ENOBUFS, PART}     },
    {"writev",            FILE_OR_TERMINAL, {EINTR, EIO, ENOSPC}                                                },
    {"send",
     SOCKET,                                {EINTR, EAGAIN, EPIPE, ECONNRESET, EHOSTUNREACH, ENOMEM, PART}      },
    {"sendto",            SOCKET,           {EINTR, EAGAIN, EPIPE, ENOBUFS}                                     },
    {"sendmsg",           SOCKET,           {EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS}                         },
    {"sendmmsg",          NONE,             {EINTR, EAGAIN, ENOBUFS, EPERM}                                     },
    {"connect",
     NONE,                                  {EINTR, ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EAGAIN}},
    {"accept4",           NONE,             {EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOMEM}               },
    {"socket",            NONE,             {EMFILE, ENFILE, ENOBUFS, EAFNOSUPPORT}                             },
    {"socketpair",        NONE,             {EMFILE, ENFILE, ENOMEM}                                            },
    {"bind",              NONE,             {EADDRINUSE, EACCES, EADDRNOTAVAIL, ENOMEM}                         },
    {"listen",            NONE,             {EADDRINUSE}                                                        },
    {"shutdown",          NONE,             {ENOTCONN}                                                          },
    {"getsockopt",        NONE,             {ENOBUFS}                                                           },
    {"setsockopt",        NONE,             {ENOMEM, EINVAL}                                                    },
    {"getsockname",       NONE,             {ENOBUFS}                                                           },
    {"getpeername",       NONE,             {ENOTCONN, ENOBUFS}                                                 },
    {"open",              NONE,             {EINTR, EMFILE, ENFILE, ENOMEM, EACCES, ENOSPC, EIO}                },
    {"close",             SOCKET,           {EINTR, EIO}                                                        },
    {"close",             FILE_OR_TERMINAL, {EINTR, EIO, ENOSPC}                                                },
    {"close",             INTERNAL,         {EINTR, EIO}                                                        },
    {"pipe2",             NONE,             {EMFILE, ENFILE}                                                    },
    {"eventfd",           NONE,             {EMFILE, ENFILE, ENOMEM}                                            },
    {"epoll_create1",     NONE,             {EMFILE, ENFILE, ENOMEM}                                            },
    {"epoll_wait",        NONE,             {EINTR}                                                             },
    {"poll",              NONE,             {EINTR, ENOMEM}                                                     },
    {"fork",              NONE,             {EAGAIN, ENOMEM}                                                    },
    {"execvp",            NONE,             {EACCES, E2BIG, ENOMEM, ETXTBSY}                                    }, /* in the child */
    {"dup2",              NONE,             {EMFILE, EBUSY}                                                     }, /* likewise */
    {"waitpid",           NONE,             {EINTR}                                                             },
    {"kill",              NONE,             {EPERM}                                                             },
    {"fcntl",             NONE,             {EINTR}                                                             },
    {"ioctl",             NONE,             {EINTR}                                                             },
    {"statx",             NONE,             {EACCES, EIO, ENOMEM, ENOSYS}                                       },
    {"fstat",             NONE,             {EIO}                                                               },
    {"lseek",             NONE,             {EINVAL}                                                            },
    {"pread",             NONE,             {EINTR, EIO, PART}                                                  },
    {"pwrite",            NONE,             {EINTR, EIO, ENOSPC, EDQUOT, PART}                                  },
    {"ftruncate",         NONE,             {EIO, ENOSPC}                                                       },
    {"fsync",             NONE,             {EIO, ENOSPC, EINTR}                                                },
    {"rename",            NONE,             {EACCES, ENOSPC, EIO}                                               },
    {"unlink",            NONE,             {EACCES, EIO, EBUSY}                                                },
    {"mkdir",             NONE,             {EACCES, ENOSPC, EMLINK}                                            },
    {"mkdtemp",           NONE,             {EACCES, ENOSPC}                                                    },
    {"rmdir",             NONE,             {EACCES, EBUSY, ENOTEMPTY}                                          },
    {"symlink",           NONE,             {EACCES, ENOSPC}                                                    },
    {"readlink",          NONE,             {EACCES, EIO}                                                       },
    {"realpath",          NONE,             {EACCES, ENOMEM}                                                    },
    {"chmod",             NONE,             {EPERM, EROFS}                                                      },
    {"scandir",           NONE,             {EACCES, EMFILE, ENOMEM}                                            },
    {"sendfile",          NONE,             {EINTR, EAGAIN, EIO, ENOSPC, EINVAL}                                },
    {"copy_file_range",   NONE,             {EIO, ENOSPC, EXDEV, ENOSYS}                                        },
    {"inotify_init1",     NONE,             {EMFILE, ENFILE, ENOMEM}                                            },
    {"inotify_add_watch", NONE,             {EACCES, ENOSPC, ENOMEM}                                            },
    {"getaddrinfo",       NONE,             {EAI_AGAIN, EAI_FAIL, EAI_NONAME, EAI_MEMORY}                       },
    {"getnameinfo",       NONE,             {EAI_AGAIN, EAI_FAIL, EAI_MEMORY}                                   },
    {"close_range",       NONE,             {ENOSYS, EPERM}                                                     },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile bool armed;
static pid_t owner;           /* the process that counts */
static long count;            /* of calls */
static long failing_call;     /* the number of the one that fails */
static int failing_way;       /* how */
static bool on;               /* and all later ones */
static bool opening;          /* a loop */
static bool recording;        /* a run in which nothing fails */
static const way_list *stuck; /* the function that fails from now on */
static int stuck_error;
static int stuck_calls;      /* how often still */
static const char *in_child; /* what fails in the next child, and how */
static int in_child_error;

static int count_ways(const way_list *list) {
  int n = 0;
  while (list->errors[n] != 0) {
    n++;
  }
  return n;
}

/* A program can go on trying what fails in these ways, and often does. */
static bool is_passing(int error) {
  return error == EINTR || error == EAGAIN || error == PART ||
         error == ETXTBSY || error == ENOSYS || error == EINVAL;
}

static const way_list *find_ways(const char *call, int kind) {
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    if (ways[i].kind == kind && strcmp(ways[i].call, call) == 0) {
      return &ways[i];
    }
  }
  return NULL;
}

static int kind_of(int fd) {
  struct stat st;
  if (syscall(SYS_fstat, fd, &st) != 0) {
    return NONE;
  }
  if (S_ISSOCK(st.st_mode)) {
    return SOCKET;
  }
  return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) || S_ISDIR(st.st_mode)
             ? FILE_OR_TERMINAL
             : INTERNAL;
}

static void tell(const char *call, int error) {
  snprintf(sweep_shared->what, sizeof sweep_shared->what, "%s: %s", call,
           error == PART ? "a part" : strerror(error));
}

/* Under the lock. Returns the error with which this call fails, or 0. */
static int next_error(const char *call, const way_list *list) {
  long n = count++;
  int nways = count_ways(list);
  if (recording && n < MAX_CALLS_COUNTED) {
    sweep_shared->ways[n] = (unsigned char)nways;
  }
  if (stuck == list && stuck_calls > 0) {
    stuck_calls--;
    return stuck_error;
  }
  if (n != failing_call) {
    return 0;
  }
  int error = list->errors[failing_way % nways];
  if (on && is_passing(error)) {
    return 0;
  }
  tell(call, error);
  stuck = on ? list : NULL;
  stuck_error = error;
  stuck_calls = LATER_CALLS;
  return error;
}

/* Whether the call, of a descriptor of that kind, fails: the error, or 0. */
static int failure(const char *call, int kind) {
  const way_list *list;
  int wanted = sweep_wanted_error(call);
  if (wanted != 0) {
    return wanted;
  }
  if (!armed || (list = find_ways(call, kind)) == NULL || getpid() != owner) {
    return 0;
  }
  pthread_mutex_lock(&lock);
  int error = next_error(call, list);
  pthread_mutex_unlock(&lock);
  return error;
}

/* Likewise, of this descriptor. What says that a connection is broken breaks
 * it: there is no peer that goes on waiting. */
static int failure_of(int fd, const char *call, int kind) {
  int error = failure(call, kind);
  if (error == EPIPE || error == ECONNRESET || error == ETIMEDOUT ||
      error == ENOTCONN) {
    syscall(SYS_shutdown, fd, SHUT_RDWR);
  }
  return error;
}

static bool fails(const char *call, int kind) {
  int error = failure(call, kind);
  if (error > 0) {
    errno = error;
  }
  return error > 0;
}

static bool fails_in_child(const char *call) {
  if (in_child == NULL || strcmp(in_child, call) != 0) {
    return false;
  }
  errno = in_child_error;
  return true;
}

void sweep_calls_arm(long point, bool from_there_on, bool while_opening) {
  sweep_fail_none();
  opening = while_opening;
  owner = getpid();
  recording = point == 0;
  failing_call = -1;
  for (long n = 0; n < sweep_shared->calls && point > 0; n++) {
    failing_call = n;
    failing_way = (int)point - 1;
    point -= sweep_shared->ways[n];
  }
  on = from_there_on;
  stuck = NULL;
  in_child = NULL;
  count = 0;
  sweep_shared->what[0] = '\0';
  armed = true;
}

void sweep_calls_disarm(void) {
  armed = false;
  sweep_fail_none();
}

long sweep_calls_total(void) {
  long total = 0;
  sweep_shared->calls = count < MAX_CALLS_COUNTED ? count : MAX_CALLS_COUNTED;
  for (long n = 0; n < sweep_shared->calls; n++) {
    total += sweep_shared->ways[n];
  }
  return total;
}

/* ---- the functions ---- */

static void *next(void **found, const char *name) {
  if (*found == NULL) {
    *found = dlsym(RTLD_NEXT, name);
  }
  return *found;
}

/* The function that would have been called without this one. */
#define NEXT(name)                                                             \
  static void *found_##name;                                                   \
  __typeof__(name) *next_##name = (__typeof__(name) *)next(&found_##name, #name)

/* All of a call, which fails as `as` does. */
#define CALL(result, name, as, kind, parameters, arguments)                    \
  EXPORT result name parameters;                                               \
  EXPORT result name parameters {                                              \
    NEXT(name);                                                                \
    if (fails(as, kind)) {                                                     \
      return (result)-1;                                                       \
    }                                                                          \
    return next_##name arguments;                                              \
  }

/* Likewise, of a connection `fd`. */
#define CALL_OF(result, name, as, kind, parameters, arguments)                 \
  EXPORT result name parameters;                                               \
  EXPORT result name parameters {                                              \
    NEXT(name);                                                                \
    int error = failure_of(fd, as, kind);                                      \
    if (error != 0) {                                                          \
      errno = error;                                                           \
      return (result)-1;                                                       \
    }                                                                          \
    return next_##name arguments;                                              \
  }

/* Likewise, of `size` bytes, of which it may do a part. */
#define TRANSFER(name, as, kind, parameters, arguments)                        \
  EXPORT ssize_t name parameters;                                              \
  EXPORT ssize_t name parameters {                                             \
    NEXT(name);                                                                \
    int error = failure_of(fd, as, kind);                                      \
    if (error > 0) {                                                           \
      errno = error;                                                           \
      return -1;                                                               \
    }                                                                          \
    size = error == PART && size > 1 ? size / 2 : size;                        \
    return next_##name arguments;                                              \
  }

TRANSFER(read, "read", kind_of(fd), (int fd, void *data, size_t size),
         (fd, data, size))
TRANSFER(write, "write", kind_of(fd), (int fd, const void *data, size_t size),
         (fd, data, size))
TRANSFER(recv, "recv", SOCKET, (int fd, void *data, size_t size, int flags),
         (fd, data, size, flags))
TRANSFER(send, "send", SOCKET,
         (int fd, const void *data, size_t size, int flags),
         (fd, data, size, flags))
TRANSFER(pread64, "pread", NONE,
         (int fd, void *data, size_t size, __off64_t offset),
         (fd, data, size, offset))
TRANSFER(pwrite64, "pwrite", NONE,
         (int fd, const void *data, size_t size, __off64_t offset),
         (fd, data, size, offset))
CALL_OF(ssize_t, readv, "readv", kind_of(fd),
        (int fd, const struct iovec *v, int n), (fd, v, n))
CALL_OF(ssize_t, recvmsg, "recvmsg", SOCKET,
        (int fd, struct msghdr *message, int flags), (fd, message, flags))
CALL_OF(ssize_t, sendmsg, "sendmsg", SOCKET,
        (int fd, const struct msghdr *message, int flags), (fd, message, flags))
CALL(int, connect, "connect", NONE,
     (int fd, const struct sockaddr *address, socklen_t size),
     (fd, address, size))
CALL(int, accept4, "accept4", NONE,
     (int fd, struct sockaddr *address, socklen_t *size, int flags),
     (fd, address, size, flags))
CALL(int, socket, "socket", NONE, (int domain, int type, int protocol),
     (domain, type, protocol))
CALL(int, socketpair, "socketpair", NONE,
     (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
CALL(int, bind, "bind", NONE,
     (int fd, const struct sockaddr *address, socklen_t size),
     (fd, address, size))
CALL(int, listen, "listen", NONE, (int fd, int backlog), (fd, backlog))
CALL_OF(int, shutdown, "shutdown", NONE, (int fd, int how), (fd, how))
CALL(int, getsockopt, "getsockopt", NONE,
     (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size))
CALL(int, setsockopt, "setsockopt", NONE,
     (int fd, int level, int name, const void *value, socklen_t size),
     (fd, level, name, value, size))
CALL(int, getsockname, "getsockname", NONE,
     (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
CALL(int, getpeername, "getpeername", NONE,
     (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
CALL(int, pipe2, opening ? "" : "pipe2", NONE, (int fds[2], int flags),
     (fds, flags))
CALL(int, epoll_create1, "epoll_create1", NONE, (int flags), (flags))
CALL(int, epoll_wait, "epoll_wait", NONE,
     (int fd, struct epoll_event *events, int n, int timeout),
     (fd, events, n, timeout))
CALL(int, epoll_pwait, "epoll_wait", NONE,
     (int fd, struct epoll_event *events, int n, int timeout,
      const sigset_t *mask),
     (fd, events, n, timeout, mask))
CALL(int, poll, "poll", NONE, (struct pollfd * fds, nfds_t n, int timeout),
     (fds, n, timeout))
CALL(pid_t, waitpid, "waitpid", NONE, (pid_t pid, int *status, int options),
     (pid, status, options))
CALL(int, kill, "kill", NONE, (pid_t pid, int number), (pid, number))
CALL(__off64_t, lseek64, "lseek", NONE, (int fd, __off64_t offset, int whence),
     (fd, offset, whence))
CALL(int, ftruncate64, "ftruncate", NONE, (int fd, __off64_t size), (fd, size))
CALL(int, fsync, "fsync", NONE, (int fd), (fd))
CALL(int, rename, "rename", NONE, (const char *from, const char *to),
     (from, to))
CALL(int, unlink, "unlink", NONE, (const char *path), (path))
CALL(int, mkdir, "mkdir", NONE, (const char *path, mode_t mode), (path, mode))
CALL(int, rmdir, "rmdir", NONE, (const char *path), (path))
CALL(int, symlink, "symlink", NONE, (const char *to, const char *path),
     (to, path))
CALL(ssize_t, readlink, "readlink", NONE,
     (const char *path, char *data, size_t size), (path, data, size))
CALL(int, chmod, "chmod", NONE, (const char *path, mode_t mode), (path, mode))
CALL(ssize_t, sendfile64, "sendfile", NONE,
     (int out, int in, __off64_t *offset, size_t size), (out, in, offset, size))
CALL(int, inotify_init1, "inotify_init1", NONE, (int flags), (flags))
CALL(int, inotify_add_watch, "inotify_add_watch", NONE,
     (int fd, const char *path, uint32_t mask), (fd, path, mask))
CALL(ssize_t, sendto, "sendto", SOCKET,
     (int fd, const void *data, size_t size, int flags,
      const struct sockaddr *address, socklen_t address_size),
     (fd, data, size, flags, address, address_size))
CALL(ssize_t, recvfrom, "recvfrom", SOCKET,
     (int fd, void *data, size_t size, int flags, struct sockaddr *address,
      socklen_t *address_size),
     (fd, data, size, flags, address, address_size))
CALL(int, fstat64, "fstat", NONE, (int fd, struct stat64 *st), (fd, st))

EXPORT ssize_t writev(int fd, const struct iovec *v, int n) {
  NEXT(writev);
  int error = failure_of(fd, "writev", kind_of(fd));
  if (error > 0) {
    errno = error;
    return -1;
  }
  if (error == PART) {
    return write(fd, v->iov_base, v->iov_len > 1 ? v->iov_len / 2 : 1);
  }
  return next_writev(fd, v, n);
}

/* The descriptor is gone in any case, as Linux has it. */
EXPORT int close(int fd) {
  NEXT(close);
  int error = failure("close", kind_of(fd));
  int result = next_close(fd);
  if (error != 0) {
    errno = error;
    return -1;
  }
  return result;
}

EXPORT int open64(const char *path, int flags, ...) {
  NEXT(open64);
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t); /* read, but not used, without O_CREAT */
  va_end(rest);
  return fails("open", NONE) ? -1 : next_open64(path, flags, mode);
}

int __open64_2(const char *path, int flags);

EXPORT int __open64_2(const char *path, int flags) {
  return open64(path, flags);
}

/* libuv reads of most files by system call itself. */
static const char *name_of_call(long number) {
  switch (number) {
  case SYS_statx:
    return "statx";
  case SYS_sendmmsg:
    return "sendmmsg";
  case SYS_copy_file_range:
    return "copy_file_range";
#ifdef SYS_close_range
  case SYS_close_range:
    return "close_range";
#endif
  default:
    return "";
  }
}

EXPORT long syscall(long number, ...) {
  NEXT(syscall);
  va_list rest;
  long a[6];
  va_start(rest, number);
  for (int i = 0; i < 6; i++) {
    a[i] = va_arg(rest, long);
  }
  va_end(rest);
  if (number != SYS_fstat && fails(name_of_call(number), NONE)) {
    return -1;
  }
  return next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

EXPORT int fcntl64(int fd, int command, ...) {
  NEXT(fcntl64);
  va_list rest;
  va_start(rest, command);
  long argument = va_arg(rest, long);
  va_end(rest);
  return fails("fcntl", NONE) ? -1 : next_fcntl64(fd, command, argument);
}

EXPORT int ioctl(int fd, unsigned long request, ...) {
  NEXT(ioctl);
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  return fails("ioctl", NONE) ? -1 : next_ioctl(fd, request, argument);
}

/* Also decides what fails in the child, where nothing is counted. */
EXPORT pid_t fork(void) {
  NEXT(fork);
  static const char *const names[] = {"execvp", "dup2"};
  if (fails("fork", NONE)) {
    return -1;
  }
  in_child = NULL;
  for (int i = 0; i < 2 && in_child == NULL; i++) {
    in_child_error = failure(names[i], NONE);
    in_child = in_child_error != 0 ? names[i] : NULL;
  }
  return next_fork();
}

EXPORT int execvp(const char *file, char *const arguments[]) {
  NEXT(execvp);
  return fails_in_child("execvp") ? -1 : next_execvp(file, arguments);
}

EXPORT int dup2(int from, int to) {
  NEXT(dup2);
  return fails_in_child("dup2") ? -1 : next_dup2(from, to);
}

EXPORT char *realpath(const char *path, char *resolved) {
  NEXT(realpath);
  return fails("realpath", NONE) ? NULL : next_realpath(path, resolved);
}

EXPORT char *mkdtemp(char *template) {
  NEXT(mkdtemp);
  return fails("mkdtemp", NONE) ? NULL : next_mkdtemp(template);
}

EXPORT int scandir64(const char *path, struct dirent64 ***entries,
                     int (*filter)(const struct dirent64 *),
                     int (*compare)(const struct dirent64 **,
                                    const struct dirent64 **)) {
  NEXT(scandir64);
  return fails("scandir", NONE)
             ? -1
             : next_scandir64(path, entries, filter, compare);
}

EXPORT int getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found) {
  NEXT(getaddrinfo);
  int error = failure("getaddrinfo", NONE);
  return error != 0 ? error : next_getaddrinfo(host, service, hints, found);
}

EXPORT int getnameinfo(const struct sockaddr *address, socklen_t size,
                       char *host, socklen_t host_size, char *service,
                       socklen_t service_size, int flags) {
  NEXT(getnameinfo);
  int error = failure("getnameinfo", NONE);
  return error != 0 ? error
                    : next_getnameinfo(address, size, host, host_size, service,
                                       service_size, flags);
}
