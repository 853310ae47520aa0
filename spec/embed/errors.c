/* SPDX-License-Identifier: MIT */
/* errors.c - what a host does wrong, and what it gets: a line for each. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include <neap.h>

static void show(const char *what, int code) {
  printf("%s: %s\n", what, code < 0 ? uv_err_name(code) : "ok");
}

/* ---- opening ---- */

/* After a runtime that was opened: libuv aborts if it cannot make its first
 * pipe. */
static void without_descriptors(void) {
  struct rlimit before;
  struct rlimit few = {4, 4};
  neap_runtime *rt;
  neap_options options;
  getrlimit(RLIMIT_NOFILE, &before);
  few.rlim_max = before.rlim_max;
  setrlimit(RLIMIT_NOFILE, &few);
  show("open without descriptors", neap_open(NULL, &rt));
  neap_options_init(&options);
  options.state = luaL_newstate();
  show("open in a state without descriptors", neap_open(&options, &rt));
  setrlimit(RLIMIT_NOFILE, &before);
  show("open in it with descriptors", neap_open(&options, &rt));
  neap_close(rt);
  lua_close(options.state);
}

static int l_raise(lua_State *L) {
  return luaL_error(L, "no libraries");
}

static void opening(void) {
  neap_runtime *rt;
  neap_runtime *second;
  neap_options options;
  show("open without a place for it", neap_open(NULL, NULL));
  memset(&options, 0, sizeof options);
  show("open without initialized options", neap_open(&options, &rt));
  printf("the runtime is %s\n", rt == NULL ? "NULL" : "something");
  neap_options_init(&options);
  options.libraries = l_raise;
  show("open with libraries that fail", neap_open(&options, &rt));
  neap_options_init(&options);
  options.state = luaL_newstate();
  luaL_openlibs(options.state);
  show("open in a state", neap_open(&options, &rt));
  show("open in it again", neap_open(&options, &second));
  show("close", neap_close(rt));
  show("close again", neap_close(rt));
  show("poll when closed", neap_poll(rt, 0));
  show("open after close", neap_open(&options, &second));
  lua_close(options.state);
  without_descriptors();
}

/* ---- NULL ---- */

static int push_nothing(lua_State *L, void *ud) {
  (void)L;
  (void)ud;
  return 0;
}

static void ignore(lua_State *L, neap_ref *ref, void *ud) {
  (void)L;
  (void)ref;
  (void)ud;
}

/* Of functions that take a runtime or a mailbox. */
static void null_runtimes(void) {
  neap_mailbox *mailbox;
  show("close", neap_close(NULL));
  show("poll", neap_poll(NULL, 0));
  show("descriptor", neap_backend_fd(NULL));
  printf("timeout: %d\n", neap_backend_timeout(NULL));
  show("cancel all", neap_cancel_all(NULL));
  show("mailbox", neap_mailbox_open(NULL, &mailbox));
  show("post", neap_post(NULL, NULL, NULL));
  printf("state: %s\n", neap_state(NULL) == NULL ? "NULL" : "something");
  neap_interrupt(NULL, NEAP_STOP);
  neap_mailbox_release(NULL);
  neap_release(NULL);
}

/* Of functions that take a reference, or a place for one. */
static void null_references(lua_State *L, neap_runtime *rt) {
  neap_ref *ref;
  int n;
  show("mailbox without a place for it", neap_mailbox_open(rt, NULL));
  show("future without a place for it", neap_create_future(L, NULL));
  show("reference without a place for it", neap_ref_at(L, 1, NULL));
  show("limits", neap_set_limits(L, NULL));
  show("push", neap_push_ref(L, NULL));
  show("state of a reference", neap_ref_state(NULL));
  show("results", neap_ref_results(L, NULL, &n));
  show("cancel", neap_cancel(NULL));
  show("watch", neap_on_done(NULL, ignore, NULL));
  show("complete", neap_complete(NULL, push_nothing, NULL));
  show("future", neap_create_future(L, &ref));
  show("watch without a function", neap_on_done(ref, NULL, NULL));
  show("complete without a function", neap_complete(ref, NULL, NULL));
  neap_poll(rt, 0);
  int state = neap_ref_results(L, ref, NULL);
  printf("state %d, %d value on the stack\n", state, lua_gettop(L));
  neap_release(ref);
}

/* In a state without a runtime. */
static void no_runtime(void) {
  neap_limits limits = {0};
  neap_ref *ref;
  lua_State *L = luaL_newstate();
  show("limits", neap_set_limits(L, &limits));
  show("future", neap_create_future(L, &ref));
  lua_pushcfunction(L, l_raise);
  show("task", neap_create_task(L, 0, &ref));
  neap_use_virtual_clock(L);
  neap_set_debug(L, 1);
  neap_run_status status = neap_run_string(L, "return 1", NULL);
  printf("run: %d, %s\n", (int)status, lua_tostring(L, -1));
  neap_push_error_text(L, -1);
  printf("text: %s\n", lua_tostring(L, -1));
  lua_close(L);
}

static void nulls(void) {
  neap_runtime *rt;
  null_runtimes();
  neap_open(NULL, &rt);
  neap_run_status status = neap_run_string(neap_state(rt), NULL, NULL);
  printf("run: %d, %s\n", (int)status, lua_tostring(neap_state(rt), -1));
  lua_settop(neap_state(rt), 0);
  null_references(neap_state(rt), rt);
  neap_close(rt);
  no_runtime();
}

/* ---- inside of tasks and callbacks ---- */

static int l_inside(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  show("close inside a task", neap_close(rt));
  show("poll inside a task", neap_poll(rt, 0));
  lua_pushcfunction(L, l_inside);
  int status = (int)neap_run_main(L, 0);
  printf("run inside a task: %d, %s\n", status, lua_tostring(L, -1));
  return 0;
}

static int l_close(lua_State *L) {
  show("close inside a function", neap_close(neap_runtime_of(L)));
  return 0;
}

static int l_wait_nowhere(lua_State *L) {
  return neap_await_ref(L, neap_begin(L), NULL, NULL);
}

static void in_post(lua_State *L, void *ud) {
  if (L == NULL) {
    printf("post: told of the end\n");
    return;
  }
  show("close inside a post", neap_close(ud));
  luaL_error(L, "raised in a post");
}

static void on_error(void *ud, const char *text) {
  (void)ud;
  printf("reported: %.*s\n", (int)strcspn(text, "\n"), text);
}

static void inside(void) {
  neap_runtime *rt;
  neap_mailbox *mailbox;
  neap_options options;
  neap_options_init(&options);
  options.on_error = on_error;
  neap_open(&options, &rt);
  lua_State *L = neap_state(rt);
  lua_pushcfunction(L, l_inside);
  neap_run_main(L, 0);
  lua_settop(L, 0);
  lua_pushcfunction(L, l_close);
  lua_pcall(L, 0, 0, 0);
  lua_pushcfunction(L, l_wait_nowhere);
  lua_pcall(L, 0, 0, 0);
  printf("wait outside of a task: %s\n", lua_tostring(L, -1));
  neap_mailbox_open(rt, &mailbox);
  show("post", neap_post(mailbox, in_post, rt));
  neap_poll(rt, 0);
  show("post", neap_post(mailbox, in_post, rt));
  show("post nothing", neap_post(mailbox, NULL, rt));
  show("close", neap_close(rt));
  show("post after close", neap_post(mailbox, in_post, rt));
  neap_mailbox_release(mailbox);
  neap_mailbox_release(NULL);
}

/* ---- references ---- */

static int push_seven(lua_State *L, void *ud) {
  if (L == NULL) {
    printf("%s: nobody waits\n", (const char *)ud);
    return 0;
  }
  lua_pushinteger(L, 7);
  return 1;
}

static int push_error(lua_State *L, void *ud) {
  (void)ud;
  return L == NULL ? 0 : luaL_error(L, "it failed");
}

static void done(lua_State *L, neap_ref *ref, void *ud) {
  printf("%s is done: %s, %d\n", (const char *)ud,
         L == NULL ? "the runtime closes" : "called", neap_ref_state(ref));
}

static void in_thread(void *arg) {
  neap_ref *ref = arg;
  show("state in another thread", neap_ref_state(ref));
  show("cancel in another thread", neap_cancel(ref));
  show("watch in another thread", neap_on_done(ref, done, "nothing"));
  show("complete in another thread", neap_complete(ref, push_seven, "7"));
  show("complete again", neap_complete(ref, push_seven, "7"));
}

static void completions(lua_State *L, neap_runtime *rt) {
  neap_ref *ref;
  uv_thread_t thread;
  int n;
  show("future", neap_create_future(L, &ref));
  show("watch", neap_on_done(ref, done, "the future"));
  show("watch twice", neap_on_done(ref, done, "the future"));
  uv_thread_create(&thread, in_thread, ref);
  uv_thread_join(&thread);
  neap_poll(rt, -1);
  neap_poll(rt, 0);
  int state = neap_ref_results(L, ref, &n);
  printf("state %d, %d result: %s\n", state, n, lua_tostring(L, -1));
  show("cancel what is done", neap_cancel(ref));
  neap_release(ref);
  lua_settop(L, 0);
  neap_create_future(L, &ref);
  neap_complete(ref, push_error, NULL);
  neap_poll(rt, 0);
  state = neap_ref_results(L, ref, &n);
  printf("state %d, %d error: %s\n", state, n, lua_tostring(L, -1));
  neap_release(ref);
  lua_settop(L, 0);
  neap_create_future(L, &ref);
  show("cancel", neap_cancel(ref));
  show("complete what was cancelled", neap_complete(ref, push_seven, "late"));
  neap_poll(rt, 0);
  neap_release(ref);
  lua_settop(L, 0);
}

static void references(void) {
  neap_runtime *rt;
  neap_ref *task;
  neap_ref *future;
  neap_open(NULL, &rt);
  lua_State *L = neap_state(rt);
  completions(L, rt);
  lua_pushinteger(L, 1);
  show("reference to a number", neap_ref_at(L, 1, &task));
  show("task of a number", neap_create_task(L, 0, &task));
  luaL_loadstring(L, "require 'neap'.sleep(1e9)");
  show("task", neap_create_task(L, 0, &task));
  show("complete a task", neap_complete(task, push_seven, "7"));
  neap_on_done(task, done, "the task");
  neap_create_future(L, &future);
  neap_on_done(future, done, "the other future");
  neap_poll(rt, 0);
  show("cancel all", neap_cancel_all(rt));
  show("close", neap_close(rt));
  show("state after close", neap_ref_state(task));
  show("complete after close", neap_complete(future, push_seven, "7"));
  neap_release(task);
  neap_release(future);
  neap_release(NULL);
}

/* ---- a loop of the host's ---- */

/* The memory of these is left to the host. */
static uv_handle_t *left[8];
static int nleft;

static void close_any(uv_handle_t *handle, void *arg) {
  (void)arg;
  uv_close(handle, NULL);
  left[nleft++] = handle;
}

static void loops(void) {
  uv_loop_t loop;
  neap_runtime *rt;
  neap_options options;
  uv_loop_init(&loop);
  neap_options_init(&options);
  options.loop = &loop;
  show("open on a loop", neap_open(&options, &rt));
  show("close the loop first", uv_loop_close(&loop));
  neap_close(rt);
  uv_run(&loop, UV_RUN_DEFAULT);
  show("close the loop then", uv_loop_close(&loop));
}

/* The loop is gone when the runtime is used and closed. */
static void loop_gone(void) {
  uv_loop_t *loop = malloc(sizeof *loop);
  neap_runtime *rt;
  neap_options options;
  uv_loop_init(loop);
  neap_options_init(&options);
  options.loop = loop;
  neap_open(&options, &rt);
  uv_run(loop, UV_RUN_NOWAIT);
  uv_walk(loop, close_any, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  show("close the loop under the runtime", uv_loop_close(loop));
  free(loop);
  lua_State *L = neap_state(rt);
  luaL_loadstring(L, "require 'neap'.sleep(0.001) print 'a task ended'");
  show("task", neap_create_task(L, 0, NULL));
  while (neap_poll(rt, -1) > 0) {
  }
  show("close", neap_close(rt));
}

/* What the host may not do: the memory of the handles is left to it. */
static void stolen(void) {
  static uv_loop_t loop;
  static neap_runtime *rt;
  neap_options options;
  uv_loop_init(&loop);
  neap_options_init(&options);
  options.loop = &loop;
  neap_open(&options, &rt);
  uv_walk(&loop, close_any, NULL);
  show("close after the handles", neap_close(rt));
}

/* ---- another thread ---- */

static neap_runtime *other;
static uv_sem_t spinning;

static int l_spins(lua_State *L) {
  (void)L;
  uv_sem_post(&spinning);
  return 0;
}

static void elsewhere(void *arg) {
  lua_State *L = arg;
  neap_mailbox *mailbox;
  show("close", neap_close(other));
  show("poll", neap_poll(other, 0));
  show("descriptor", neap_backend_fd(other));
  show("cancel all", neap_cancel_all(other));
  show("mailbox", neap_mailbox_open(other, &mailbox));
  lua_pushcfunction(L, l_spins);
  show("task", neap_create_task(L, 0, NULL));
  neap_run_status status = neap_run_string(L, "return 1", "=one");
  printf("run: %d, %s\n", (int)status, lua_tostring(L, -1));
  lua_settop(L, 0);
}

static void interrupt(void *arg) {
  (void)arg;
  uv_sem_wait(&spinning);
  neap_interrupt(other, NEAP_CANCEL_MAIN);
}

static void other_thread(void) {
  static const neap_limits limits = {.step_ms = 60000};
  uv_thread_t thread;
  neap_options options;
  neap_options_init(&options);
  options.limits = &limits;
  uv_sem_init(&spinning, 0);
  neap_open(&options, &other);
  lua_State *L = neap_state(other);
  lua_register(L, "spins", l_spins);
  uv_thread_create(&thread, elsewhere, L);
  uv_thread_join(&thread);
  uv_thread_create(&thread, interrupt, NULL);
  neap_run_string(L, "spins() while true do end", "=spin");
  uv_thread_join(&thread);
  printf("interrupted: %.14s\n", lua_tostring(L, -1));
  show("close", neap_close(other));
  uv_sem_destroy(&spinning);
}

int main(int argc, char **argv) {
  const char *part = argc > 1 ? argv[1] : "";
  switch (*part) {
  case 'o':
    opening();
    break;
  case 'i':
    inside();
    break;
  case 'r':
    references();
    break;
  case 'l':
    loops();
    break;
  case 'n':
    nulls();
    break;
  case 'g':
    loop_gone();
    break;
  case 't':
    other_thread();
    break;
  case 's':
    stolen();
    break;
  default:
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
