/* SPDX-License-Identifier: MIT */
#include "runtime/host_loop.h"

#include "runtime/alloc.h"
#include "runtime/loop.h"

/* Owner: the runtime; from neap_host_loop_close on the host's loop, until the last
 * of the handles has closed. */
struct neap_host_loop {
  neap_runtime *rt; /* NULL once it has closed */
  uv_prepare_t prepare;
  uv_idle_t idle;   /* active while something is ready */
  uv_timer_t timer; /* armed for the earliest deadline */
  uv_poll_t poll;   /* watches the runtime's loop */
  int handles;
};

static void on_closed(uv_handle_t *handle) {
  neap_host_loop *host = handle->data;
  if (--host->handles == 0) {
    neap_realloc(host, sizeof *host, 0);
  }
}

static void on_idle(uv_idle_t *idle) {
  (void)idle; /* on_prepare is next */
}

static void on_timer(uv_timer_t *timer) {
  (void)timer; /* likewise */
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  neap_host_loop *host = poll->data;
  (void)status;
  (void)events;
  uv_idle_start(&host->idle, on_idle); /* likewise, in the next iteration */
}

/* Says to the host's loop what the runtime waits for. */
static void arm(neap_host_loop *host) {
  neap_runtime *rt = host->rt;
  int timeout_ms = neap_loop_timeout(rt);
  uv_timer_stop(&host->timer);
  uv_idle_stop(&host->idle);
  if (timeout_ms == 0) {
    uv_idle_start(&host->idle, on_idle);
  } else if (timeout_ms > 0) {
    uv_timer_start(&host->timer, on_timer, (uint64_t)timeout_ms, 0);
  }
  if (uv_loop_alive(&rt->uv)) {
    uv_ref((uv_handle_t *)&host->poll);
  } else {
    uv_unref((uv_handle_t *)&host->poll);
  }
  rt->nudges = timeout_ms != 0;
}

static void on_prepare(uv_prepare_t *prepare) {
  neap_host_loop *host = prepare->data;
  neap_runtime *rt = host->rt;
  if (rt != NULL && rt->L == NULL) {
    neap_loop_poll(rt->driver, rt, 0);
    arm(host);
  }
}

void neap_loop_nudge(neap_runtime *rt) {
  uv_idle_t *idle = &rt->host_loop->idle;
  rt->nudges = false;
  if (!uv_is_closing((uv_handle_t *)idle)) { /* by the host, with its loop */
    uv_idle_start(idle, on_idle);
  }
}

static void begin(neap_host_loop *host, uv_handle_t *handle) {
  handle->data = host;
  host->handles++;
}

int neap_host_loop_open(neap_runtime *rt, uv_loop_t *loop) {
  neap_host_loop *host = neap_realloc(NULL, 0, sizeof *host);
  if (host == NULL) {
    return UV_ENOMEM;
  }
  /* The one that can fail comes first. */
  int err = uv_poll_init(loop, &host->poll, uv_backend_fd(&rt->uv));
  if (err != 0) {
    neap_realloc(host, sizeof *host, 0);
    return err;
  }
  host->rt = rt;
  host->handles = 0;
  uv_prepare_init(loop, &host->prepare);
  uv_idle_init(loop, &host->idle);
  uv_timer_init(loop, &host->timer);
  begin(host, (uv_handle_t *)&host->poll);
  begin(host, (uv_handle_t *)&host->prepare);
  begin(host, (uv_handle_t *)&host->idle);
  begin(host, (uv_handle_t *)&host->timer);
  uv_poll_start(&host->poll, UV_READABLE, on_readable);
  uv_prepare_start(&host->prepare, on_prepare);
  uv_unref((uv_handle_t *)&host->poll);
  uv_unref((uv_handle_t *)&host->prepare);
  rt->host_loop = host;
  neap_loop_nudge(rt);
  return 0;
}

int neap_host_loop_close(neap_runtime *rt) {
  neap_host_loop *host = rt->host_loop;
  if (host == NULL) {
    return 0;
  }
  rt->host_loop = NULL;
  rt->nudges = false;
  host->rt = NULL;
  if (uv_is_closing((uv_handle_t *)&host->prepare)) {
    return UV_ECANCELED; /* the memory may be in the queue of that loop */
  }
  uv_close((uv_handle_t *)&host->prepare, on_closed);
  uv_close((uv_handle_t *)&host->idle, on_closed);
  uv_close((uv_handle_t *)&host->timer, on_closed);
  uv_close((uv_handle_t *)&host->poll, on_closed);
  return 0;
}
