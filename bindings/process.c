/* SPDX-License-Identifier: MIT */
/* process.c - children: what neap/process.lua is made of. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/anchor.h"
#include "runtime/file_request.h"
#include "runtime/loop.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/signals.h"
#include "runtime/stream.h"
#include "runtime/wait.h"

static const char *const TYPE_NAME = "neap.Child";

enum { STDIO_COUNT = 3, NAME_VALUE = 1 };

/* Owner: Lua's collector; anchored from its start until it has ended and libuv
 * has let go of its handles. User value 1: the name of the program. */
typedef struct child {
  uv_process_t process;
  uv_timer_t timer; /* the time to end by itself; open only meanwhile */
  neap_job job;     /* lets go of the anchor */
  neap_runtime *rt;
  neap_list waiters;
  int anchor;
  unsigned handles; /* that libuv has */
  bool timed;
  bool ended;
  int64_t code;
  int signum; /* what ended it, or 0 */
} child;

/* ---- its end ---- */

static void release(neap_runtime *rt, neap_job *job) {
  neap_unanchor(rt->L, rt, NEAP_CONTAINER_OF(job, child, job)->anchor);
}

static void handle_closed(child *c) {
  c->handles--;
  if (c->handles == 0 && !c->rt->closed) {
    neap_loop_append(c->rt, &c->job);
  }
}

static void on_process_closed(uv_handle_t *handle) {
  handle_closed(NEAP_CONTAINER_OF((uv_process_t *)handle, child, process));
}

static void on_timer_closed(uv_handle_t *handle) {
  handle_closed(NEAP_CONTAINER_OF((uv_timer_t *)handle, child, timer));
}

static void on_exit_status(uv_process_t *process, int64_t code, int signum) {
  child *c = NEAP_CONTAINER_OF(process, child, process);
  c->ended = true;
  c->code = code;
  c->signum = signum;
  uv_close((uv_handle_t *)process, on_process_closed);
  if (c->timed) {
    c->timed = false;
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
  }
  if (!c->rt->closed) {
    neap_wake_all(&c->waiters);
  }
}

/* ---- descriptors ---- */

static void set_cloexec(int fd) {
  int flags = fcntl(fd, F_GETFD);
  if (flags >= 0 && (flags & FD_CLOEXEC) == 0) {
    fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  }
}

/* Children get what they are given, not also what io.open has opened. */
static void close_others_on_exec(void) {
  enum { CLOSE_RANGE_CLOEXEC_FLAG = 4 };

#ifdef SYS_close_range
  if (syscall(SYS_close_range, STDIO_COUNT, ~0U, CLOSE_RANGE_CLOEXEC_FLAG) ==
      0) {
    return;
  }
#endif
  DIR *directory = opendir("/dev/fd");
  struct dirent *entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL) {
    long fd = strtol(entry->d_name, NULL, 10);
    if (fd >= STDIO_COUNT) {
      set_cloexec((int)fd);
    }
  }
  if (directory != NULL) {
    closedir(directory);
  }
}

/* ---- spawn ---- */

/* [-0, +1, m] Pushes an array of the strings of the sequence at `index`, which
 * must stay. */
static char **push_strings(lua_State *L, int index) {
  lua_Integer n = luaL_len(L, index);
  char **strings = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *strings, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    strings[i - 1] = (char *)luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  strings[n] = NULL;
  return strings;
}

/* [-0, +1, v] A new stream, at one end of a pipe. */
static neap_stream *push_pipe(lua_State *L, neap_runtime *rt) {
  int err = 0;
  neap_stream *stream = neap_stream_new(L, rt);
  neap_transport *transport = neap_uv_transport_new(rt, NEAP_PIPE, -1, &err);
  if (transport == NULL) {
    neap_raise_os_error(L, rt, err, "pipe", NULL);
  }
  neap_stream_attach(stream, transport);
  return stream;
}

/* [-0, +1, v] What the child gets as descriptor `fd`; pushes the stream at the
 * other end, or nil. `index`: "pipe", "inherit", "null", a File, a number. */
static void push_stdio(lua_State *L, neap_runtime *rt, int index, int fd,
                       uv_stdio_container_t *stdio) {
  neap_open_file *file = luaL_testudata(L, index, "neap.File");
  stdio->flags = UV_INHERIT_FD;
  if (file != NULL) {
    luaL_argcheck(L, file->fd >= 0, index, "the file is closed");
    stdio->data.fd = file->fd;
  } else if (lua_isinteger(L, index)) {
    stdio->data.fd = (int)lua_tointeger(L, index);
  } else {
    const char *how = luaL_checkstring(L, index);
    if (strcmp(how, "pipe") == 0) {
      neap_stream *stream = push_pipe(L, rt);
      stdio->data.stream = neap_uv_transport_stream(stream->transport);
      stdio->flags = UV_CREATE_PIPE |
                     (fd == STDIN_FILENO ? UV_READABLE_PIPE : UV_WRITABLE_PIPE);
      return;
    }
    stdio->data.fd = fd;
    if (strcmp(how, "null") == 0) {
      stdio->flags = UV_IGNORE;
    }
  }
  lua_pushnil(L);
}

/* For the tree of tasks. */
static void name_streams(lua_State *L, int first, int pid) {
  static const char *const names[] = {"stdin", "stdout", "stderr"};
  for (int fd = 0; fd < STDIO_COUNT; fd++) {
    neap_stream *stream = lua_touserdata(L, first + fd);
    if (stream != NULL) {
      stream->role = names[fd];
      stream->pid = pid;
    }
  }
}

static void close_streams(lua_State *L, int first) {
  for (int i = first; i < first + STDIO_COUNT; i++) {
    if (!lua_isnil(L, i)) {
      neap_stream_close(lua_touserdata(L, i));
    }
  }
}

/* [-0, +0, v] Raises what uv_spawn answered; it does not tell a missing program
 * from a missing directory. */
static int raise_spawn_error(lua_State *L, neap_runtime *rt, int err,
                             const uv_process_options_t *options) {
  if (err == UV_ENOENT || err == UV_ENOTDIR || err == UV_EACCES) {
    uv_fs_t fs;
    int found = options->cwd == NULL
                    ? 0
                    : uv_fs_access(NULL, &fs, options->cwd, X_OK, NULL);
    if (options->cwd != NULL) {
      uv_fs_req_cleanup(&fs);
    }
    if (found < 0) {
      return neap_raise_os_error(L, rt, err, "chdir", options->cwd);
    }
  }
  return neap_raise_os_error(L, rt, err, "spawn", options->file);
}

static child *push_child(lua_State *L, neap_runtime *rt) {
  child *c = neap_object_new(L, TYPE_NAME, sizeof *c, 1);
  memset(c, 0, sizeof *c);
  c->rt = rt;
  c->job.run = release;
  neap_list_init(&c->waiters);
  return c;
}

/* spawn(arguments, environment, cwd, stdin, stdout, stderr) -> child, pid,
 * stdin, stdout, stderr
 * arguments    sequence of strings, the program first
 * environment  sequence of "NAME=value", or nil: as this process
 * stdin ...    as of push_stdio; the results are streams, or nil */
static int l_spawn(lua_State *L) {
  enum { ARGUMENTS = 1, ENVIRONMENT, CWD, STDIO, CHILD = 7, STREAMS };

  neap_runtime *rt = neap_runtime_up(L);
  uv_stdio_container_t stdio[STDIO_COUNT];
  uv_process_options_t options = {0};
  lua_settop(L, CHILD - 1);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  neap_check_running(L, rt);
  child *c = push_child(L, rt);
  for (int fd = 0; fd < STDIO_COUNT; fd++) {
    push_stdio(L, rt, STDIO + fd, fd, &stdio[fd]);
  }
  options.args = push_strings(L, ARGUMENTS);
  options.file = options.args[0];
  options.env = lua_isnil(L, ENVIRONMENT) ? NULL : push_strings(L, ENVIRONMENT);
  options.cwd = lua_tostring(L, CWD);
  options.stdio = stdio;
  options.stdio_count = STDIO_COUNT;
  options.exit_cb = on_exit_status;
  lua_rawgeti(L, ARGUMENTS, 1);
  lua_setiuservalue(L, CHILD, NAME_VALUE);
  neap_anchors_reserve(L, rt, 1);
  close_others_on_exec();
  int err = uv_spawn(&rt->uv, &c->process, &options);
  c->handles = 1;
  c->anchor = neap_anchor(L, rt, CHILD);
  if (err != 0) {
    c->ended = true;
    uv_close((uv_handle_t *)&c->process, on_process_closed);
    close_streams(L, STREAMS);
    return raise_spawn_error(L, rt, err, &options);
  }
  lua_settop(L, STREAMS + STDIO_COUNT - 1);
  name_streams(L, STREAMS, c->process.pid);
  lua_pushinteger(L, c->process.pid);
  lua_insert(L, STREAMS);
  return STDIO_COUNT + 2;
}

/* ---- methods ---- */

static child *check_child(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

static void describe(lua_State *L, neap_wait *wait) {
  child *c = wait->target;
  lua_pushfstring(L, "process %d", (int)c->process.pid);
}

static const neap_wait_kind exit_kind = {"process", NULL, NULL, describe, NULL};

static int k_wait(lua_State *L, int status, lua_KContext ctx) {
  child *c = lua_touserdata(L, 1);
  (void)status;
  (void)ctx;
  if (c->signum == 0) {
    lua_pushinteger(L, (lua_Integer)c->code);
    return 1;
  }
  const char *name = neap_signal_name(c->signum);
  lua_pushnil(L);
  if (name != NULL) {
    lua_pushstring(L, name);
  } else {
    lua_pushfstring(L, "SIG%d", c->signum);
  }
  return 2;
}

/* child:wait() -> code, or nil, signal */
static int l_wait(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  child *c = check_child(L);
  if (c->ended) {
    return k_wait(L, LUA_OK, 0);
  }
  neap_task *task = neap_check_wait(L, rt);
  lua_settop(L, 1);
  neap_list_append(&c->waiters, &task->wait.job.link);
  return neap_park(L, task, &exit_kind, c, k_wait, 0);
}

/* child:ended() -> boolean */
static int l_ended(lua_State *L) {
  lua_pushboolean(L, check_child(L)->ended);
  return 1;
}

static bool is_open(child *c) {
  return !c->ended && !c->rt->closed;
}

/* child:kill(signal) -> boolean: false if it has ended. Its process id cannot
 * be another's before that. */
static int l_kill(lua_State *L) {
  child *c = check_child(L);
  int signum = neap_check_signal(L, 2);
  int err = is_open(c) ? uv_process_kill(&c->process, signum) : UV_ESRCH;
  if (err != 0 && err != UV_ESRCH) {
    return neap_raise_os_error(L, c->rt, err, "kill", NULL);
  }
  lua_pushboolean(L, err == 0);
  return 1;
}

static void on_grace_over(uv_timer_t *timer) {
  child *c = NEAP_CONTAINER_OF(timer, child, timer);
  uv_process_kill(&c->process, SIGKILL);
}

/* child:stop(grace): SIGTERM, and SIGKILL when it has not ended after so many
 * seconds of real time.
 * raises  OSError, EPERM for one that has become another user's. */
static int l_stop(lua_State *L) {
  child *c = check_child(L);
  double grace = neap_check_seconds(L, 2);
  if (!is_open(c)) {
    return 0;
  }
  int err = uv_process_kill(&c->process, grace > 0 ? SIGTERM : SIGKILL);
  if (err != 0 && err != UV_ESRCH) {
    return neap_raise_os_error(L, c->rt, err, "kill", NULL);
  }
  if (grace > 0 && !c->timed) {
    uint64_t ns = neap_clock_from_seconds(grace);
    uv_timer_init(&c->rt->uv, &c->timer); /* cannot fail */
    c->timed = true;
    c->handles++;
    uv_update_time(&c->rt->uv);
    uv_timer_start(&c->timer, on_grace_over, ns / 1000000 + 1, 0);
  }
  return 0;
}

static const luaL_Reg metamethods[] = {
    {NULL, NULL},
};

static const luaL_Reg methods[] = {
    {"wait",  l_wait }, /* waits */
    {"ended", l_ended},
    {"kill",  l_kill },
    {"stop",  l_stop },
    {NULL,    NULL   },
};

static const luaL_Reg functions[] = {
    {"spawn", l_spawn},
    {NULL,    NULL   },
};

void neap_push_process(lua_State *L, neap_runtime *rt) {
  neap_open_streams(L, rt);
  lua_createtable(L, 0, 1);
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
