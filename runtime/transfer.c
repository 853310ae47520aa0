/* SPDX-License-Identifier: MIT */
#ifdef NEAP_CURL_FILE

#include "runtime/transfer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "runtime/alloc.h"
#include "runtime/io.h"
#include "runtime/loop.h"
#include "runtime/object.h"

/* Connections at once, and kept; lists of sockets. */
enum { MAX_CONNECTIONS = 256, WATCH_LISTS = 64 };

/* Owner: a userdata in the registry until neap_http_close, then the loop, until
 * the timer is closed. */
struct neap_http {
  neap_runtime *rt;
  CURLM *multi;
  neap_io io;
  uv_timer_t timer;
  neap_job kick; /* ready while libcurl wants to be called at once */
  neap_list transfers;
  neap_list connecting; /* those of them that may wait for others to connect */
  struct watch *watches[WATCH_LISTS]; /* by the rest of the socket's number */
  size_t sockets;                     /* in them */
  size_t running;
  bool broken;  /* a callback had to fail: libcurl gives up this multi handle */
  bool closing; /* no timer is set any more */
};

/* A socket that libcurl watches. One that is connected is watched until it is
 * closed, though libcurl says remove after each transfer: to take it out of
 * epoll and to put it back would be five system calls for each. Without a
 * transfer it keeps no loop alive.
 * Owner: the neap_http, until the socket is closed; then the loop, until the
 * handle is. */
typedef struct watch {
  uv_poll_t poll;
  neap_http *http;
  struct watch *next;
  curl_socket_t fd;
  int wanted;     /* events libcurl wants */
  int armed;      /* events libuv reports: all that are wanted, or more */
  bool connected; /* libcurl will close it by close_socket */
} watch;

/* ---- the end of a transfer ---- */

static bool holds_clock(neap_io *io) {
  return NEAP_CONTAINER_OF(io, neap_http, io)->running > 0;
}

/* Without transfers its timer keeps no loop alive. */
static void count_running(neap_http *http, bool more) {
  http->running = more ? http->running + 1 : http->running - 1;
  if (http->running == 0) {
    uv_unref((uv_handle_t *)&http->timer);
  } else {
    uv_ref((uv_handle_t *)&http->timer);
  }
}

static int os_error_of(CURL *easy) {
  long os_error = 0;
  neap_curl.curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
  return (int)os_error;
}

static void finish(neap_transfer *t, CURLcode result) {
  if (result == CURLE_BAD_FUNCTION_ARGUMENT || /* its first header is folded */
      (result == CURLE_OK && !t->has_head)) {  /* its status line is none */
    result = CURLE_WEIRD_SERVER_REPLY;
  }
  if (neap_tls_end_is_missing(&t->end) && result == CURLE_OK) {
    result = CURLE_PARTIAL_FILE;
    snprintf(
        t->error, sizeof t->error,
        "the connection was cut off: TLS did not say that this is its end");
  }
  t->result = result;
  t->os_error = os_error_of(t->easy);
  t->running = false;
  neap_list_remove(&t->connecting);
  neap_curl.curl_multi_remove_handle(t->http->multi, t->easy);
  count_running(t->http, false);
  neap_wake_all(&t->waiters);
}

/* After every call that may have ended transfers. */
static void collect(neap_http *http, CURLMcode code) {
  CURLMsg *message;
  int left;
  while ((message = neap_curl.curl_multi_info_read(http->multi, &left)) !=
         NULL) {
    char *t = NULL;
    CURLcode result = message->data.result;
    neap_curl.curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
    finish((neap_transfer *)(void *)t, result);
  }
  if (code == CURLM_ABORTED_BY_CALLBACK) {
    http->broken = true;
    for (neap_link *l = http->transfers.next; l != &http->transfers;
         l = l->next) {
      neap_transfer *t = NEAP_CONTAINER_OF(l, neap_transfer, link);
      if (t->running) {
        finish(t, CURLE_OUT_OF_MEMORY);
      }
    }
  }
}

static void act(neap_http *http, curl_socket_t fd, int events) {
  int running;
  collect(http, neap_curl.curl_multi_socket_action(http->multi, fd, events,
                                                   &running));
}

/* ---- when libcurl is called ---- */

static void kick(neap_runtime *rt, neap_job *job) {
  (void)rt;
  act(NEAP_CONTAINER_OF(job, neap_http, kick), CURL_SOCKET_TIMEOUT, 0);
}

/* It has a connection, and is about to send its request. */
static int on_connected(void *ud, char *peer, char *here, int peer_port,
                        int port) {
  neap_transfer *t = ud;
  (void)peer;
  (void)here;
  (void)peer_port;
  (void)port;
  neap_list_remove(&t->connecting);
  return CURL_PREREQFUNC_OK;
}

/* Who waits to see whether another's connection can be shared has none that
 * libcurl would time, at least before 8.9; when that one fails it connects, and
 * has all of its time again. If all places are taken, it waits for one. */
static void end_late(neap_http *http) {
  uint64_t now = uv_hrtime();
  neap_link *next;
  for (neap_link *l = http->connecting.next; l != &http->connecting; l = next) {
    neap_transfer *t = NEAP_CONTAINER_OF(l, neap_transfer, connecting);
    next = l->next;
    if (now >= t->connect_by_ns && http->sockets < MAX_CONNECTIONS) {
      snprintf(t->error, sizeof t->error, "Connection timeout");
      finish(t, CURLE_OPERATION_TIMEDOUT);
    }
  }
}

/* libcurl has set one for the time that each may take to connect. */
static void on_timer(uv_timer_t *timer) {
  neap_http *http = NEAP_CONTAINER_OF(timer, neap_http, timer);
  act(http, CURL_SOCKET_TIMEOUT, 0);
  end_late(http);
}

/* At once means the ready queue: a timer of 0 ms, set by its own callback,
 * would starve libuv's sockets. */
static int on_set_timer(CURLM *multi, long timeout_ms, void *ud) {
  neap_http *http = ud;
  (void)multi;
  uv_timer_stop(&http->timer);
  neap_list_remove(&http->kick.link);
  if (timeout_ms == 0 && !http->closing) {
    neap_loop_append(http->rt, &http->kick);
  } else if (timeout_ms > 0 && !http->closing) {
    uv_update_time(&http->rt->uv);
    uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0);
  }
  return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* What nobody wants may stay armed until it happens. */
static int arm(watch *w, int events) {
  int err = 0;
  if ((events & ~w->armed) != 0) {
    err = uv_poll_start(&w->poll, events, on_poll);
    w->armed = err == 0 ? events : 0;
  }
  return err;
}

static void disarm(watch *w) {
  uv_poll_stop(&w->poll);
  w->armed = 0;
}

/* libuv stops to watch a socket in error. There may be bytes to read before it,
 * so libcurl is told that there is something to do: it will find the error. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  watch *w = NEAP_CONTAINER_OF(poll, watch, poll);
  int flags = 0;
  if (status < 0) {
    w->armed = 0;
    events = w->wanted;
  } else if ((events & ~w->wanted) != 0) {
    disarm(w);
  }
  arm(w, w->wanted);
  flags |= (events & w->wanted & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
  flags |= (events & w->wanted & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
  if (flags != 0) {
    act(w->http, w->fd, flags);
  }
}

static watch **find_watch(neap_http *http, curl_socket_t fd) {
  watch **place = &http->watches[(unsigned)fd % WATCH_LISTS];
  while (*place != NULL && (*place)->fd != fd) {
    place = &(*place)->next;
  }
  return place;
}

static void on_watch_closed(uv_handle_t *handle) {
  neap_realloc(NEAP_CONTAINER_OF((uv_poll_t *)handle, watch, poll),
               sizeof(watch), 0);
}

static void close_watch(watch **place) {
  watch *w = *place;
  if (w != NULL) {
    *place = w->next;
    w->http->sockets--;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
  }
}

static watch *watch_new(neap_http *http, curl_socket_t fd) {
  watch *w = neap_realloc(NULL, 0, sizeof *w);
  if (w == NULL) {
    return NULL;
  }
  memset(w, 0, sizeof *w);
  if (uv_poll_init_socket(&http->rt->uv, &w->poll, fd) != 0) {
    neap_realloc(w, sizeof *w, 0);
    return NULL;
  }
  w->http = http;
  w->fd = fd;
  http->sockets++;
  return w;
}

/* libcurl is done with a socket for now. It closes some without a word, those
 * to its own threads and those that did not connect; not one whose connection
 * it keeps. */
static void release(CURL *easy, watch **place) {
  watch *w = *place;
  curl_socket_t active = CURL_SOCKET_BAD;
  if (w == NULL) {
    return;
  }
  if (!w->connected) {
    neap_curl.curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &active);
    w->connected = active == w->fd;
  }
  if (w->connected) {
    w->wanted = 0;
    uv_unref((uv_handle_t *)&w->poll);
  } else {
    close_watch(place);
  }
}

static int on_set_socket(CURL *easy, curl_socket_t fd, int what, void *ud,
                         void *assigned) {
  neap_http *http = ud;
  watch **place = find_watch(http, fd);
  (void)assigned;
  if (what == CURL_POLL_REMOVE) {
    release(easy, place);
    return 0;
  }
  if (*place == NULL) {
    *place = watch_new(http, fd);
    if (*place == NULL) {
      return -1;
    }
  }
  watch *w = *place;
  w->wanted = 0;
  w->wanted |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
  w->wanted |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
  uv_ref((uv_handle_t *)&w->poll);
  return arm(w, w->wanted) == 0 ? 0 : -1;
}

/* Before the number can be another socket's. */
static int close_socket(void *ud, curl_socket_t fd) {
  neap_http *http = ud;
  close_watch(find_watch(http, fd));
  return close(fd);
}

/* ---- the multi handle ---- */

static bool open_multi(neap_http *http) {
  http->multi = neap_curl.curl_multi_init();
  if (http->multi == NULL) {
    return false;
  }
  neap_curl.curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION,
                              on_set_socket);
  neap_curl.curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
  neap_curl.curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION,
                              on_set_timer);
  neap_curl.curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
  neap_curl.curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS,
                              (long)MAX_CONNECTIONS);
  neap_curl.curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                              (long)MAX_CONNECTIONS);
  return true;
}

neap_http *neap_http_new(neap_runtime *rt) {
  neap_http *http = neap_realloc(NULL, 0, sizeof *http);
  if (http == NULL) {
    return NULL;
  }
  memset(http, 0, sizeof *http);
  http->rt = rt;
  http->kick.run = kick;
  neap_list_init(&http->transfers);
  neap_list_init(&http->connecting);
  if (!open_multi(http)) {
    neap_realloc(http, sizeof *http, 0);
    return NULL;
  }
  uv_timer_init(&rt->uv, &http->timer);
  uv_unref((uv_handle_t *)&http->timer);
  neap_io_open(rt, &http->io, (uv_handle_t *)&http->timer, holds_clock);
  return http;
}

static void on_http_closed(uv_handle_t *handle) {
  neap_http *http = NEAP_CONTAINER_OF((uv_timer_t *)handle, neap_http, timer);
  neap_realloc(http, sizeof *http, 0);
}

void neap_http_close(neap_http *http) {
  http->closing = true;
  while (!neap_list_empty(&http->transfers)) {
    neap_transfer_close(
        NEAP_CONTAINER_OF(http->transfers.next, neap_transfer, link));
  }
  neap_curl.curl_multi_cleanup(http->multi);
  for (size_t i = 0; i < WATCH_LISTS; i++) {
    while (http->watches[i] != NULL) {
      close_watch(&http->watches[i]);
    }
  }
  neap_list_remove(&http->kick.link);
  neap_io_close(&http->io);
  uv_close((uv_handle_t *)&http->timer, on_http_closed);
}

/* ---- transfers ---- */

/* An easy handle is used once. Before 8.1.0 libcurl keeps a pointer to the last
 * header of the transfer before, which has been freed, and follows it if a
 * response begins with a folded line; before 8.8.0 the errno of a failure. */
bool neap_transfer_open(neap_transfer *t, neap_http *http) {
  CURL *easy = neap_curl.curl_easy_init();
  if (easy == NULL) {
    return false;
  }
  neap_list_init(&t->waiters);
  neap_list_append(&http->transfers, &t->link);
  t->http = http;
  t->easy = easy;
  neap_curl.curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
  neap_curl.curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
  neap_transfer_set_data(t);
  neap_curl.curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
  neap_curl.curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, http);
  neap_curl.curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
  neap_curl.curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
  return true;
}

bool neap_transfer_start(neap_transfer *t) {
  neap_http *http = t->http;
  if (http->broken && http->running == 0) {
    neap_curl.curl_multi_cleanup(http->multi);
    http->broken = !open_multi(http);
    NEAP_CHECK(!http->broken);
  }
  if (neap_curl.curl_multi_add_handle(http->multi, t->easy) != CURLM_OK) {
    return false;
  }
  t->running = true;
  count_running(http, true);
  if (t->connect_ns > 0) {
    t->connect_by_ns = uv_hrtime() + t->connect_ns;
    neap_list_append(&http->connecting, &t->connecting);
  }
  return true;
}

/* What libcurl held back is handed over in this call; if on_body refuses it,
 * nobody but us is told. */
static void unpause(neap_transfer *t) {
  int still = (t->paused ? CURLPAUSE_RECV : 0);
  still |= t->starved ? CURLPAUSE_SEND : 0;
  CURLcode result = neap_curl.curl_easy_pause(t->easy, still);
  if (result != CURLE_OK) {
    finish(t, result);
  }
}

void neap_transfer_feed(neap_transfer *t, const char *input, size_t length) {
  t->input = input;
  t->input_length = length;
  t->input_ended = length == 0;
  if (t->running && t->starved) {
    t->starved = false;
    unpause(t);
  }
}

void neap_transfer_continue(neap_transfer *t) {
  if (t->running && t->paused) {
    t->paused = false;
    unpause(t);
  }
}

void neap_transfer_close(neap_transfer *t) {
  neap_http *http = t->http;
  if (http == NULL) {
    return;
  }
  t->http = NULL;
  neap_list_remove(&t->link);
  if (t->running) {
    t->running = false;
    neap_list_remove(&t->connecting);
    t->result = CURLE_ABORTED_BY_CALLBACK;
    neap_curl.curl_multi_remove_handle(http->multi, t->easy);
    count_running(http, false);
    collect(http, CURLM_OK);
  }
  neap_tls_end_is_missing(&t->end); /* nobody asks any more */
  neap_curl.curl_easy_cleanup(t->easy);
  t->easy = NULL;
  neap_curl.curl_slist_free_all(t->headers);
  t->headers = NULL;
  neap_buffer_free(&t->head);
  neap_buffer_free(&t->body);
}

#else

typedef int neap_no_transfer; /* ISO C wants a declaration */

#endif
