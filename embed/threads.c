/* SPDX-License-Identifier: MIT */
/* threads.c - a C function that suspends the task which calls it while a thread
 * works; the thread completes the wait. Other tasks go on meanwhile. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <uv.h>

#include <neap.h>

/* Owner: the thread, until it has completed the wait; then push_sum. */
typedef struct sum {
  neap_ref *ref;
  lua_Integer upto;
  lua_Integer total;
  atomic_bool cancelled;
} sum;

/* Loop's thread. L is NULL if nobody waits any more. */
static int push_sum(lua_State *L, void *ud) {
  sum *s = ud;
  lua_Integer total = s->total;
  free(s);
  if (L == NULL) {
    return 0;
  }
  lua_pushinteger(L, total);
  return 1;
}

static void cancel_sum(void *ud) {
  sum *s = ud;
  atomic_store(&s->cancelled, true);
}

static void work(void *arg) {
  sum *s = arg;
  neap_ref *ref = s->ref;
  for (lua_Integer i = 1; i <= s->upto && !atomic_load(&s->cancelled); i++) {
    s->total += i;
  }
  if (neap_complete(ref, push_sum, s) != 0) {
    free(s); /* the runtime has closed */
  }
  neap_release(ref);
}

/* sum(upto) -> integer. Waits. */
static int l_sum(lua_State *L) {
  lua_Integer upto = luaL_checkinteger(L, 1);
  neap_ref *ref = neap_begin(L); /* what can raise comes before what cannot */
  sum *s = calloc(1, sizeof *s);
  uv_thread_t thread;
  if (s == NULL) {
    neap_release(ref);
    return luaL_error(L, "not enough memory");
  }
  s->ref = ref;
  s->upto = upto;
  if (uv_thread_create(&thread, work, s) != 0) {
    neap_release(ref);
    free(s);
    return luaL_error(L, "no thread");
  }
  pthread_detach(thread);
  return neap_await_ref(L, ref, cancel_sum, s);
}

static const char script[] =
    "local neap = require 'neap'\n"
    "local endless = neap.create_task(sum, math.maxinteger)\n"
    "local ticks = 0\n"
    "for i = 1, 3 do neap.sleep(0.001) ticks = ticks + 1 end\n"
    "local a, b = neap.gather(function() return sum(1000000) end,\n"
    "  function() return sum(1000) end)\n"
    "local at_work = not endless:done()\n"
    "endless:cancel()\n"
    "return a, b, ticks, at_work\n";

int main(void) {
  neap_runtime *rt;
  if (neap_open(NULL, &rt) != 0) {
    return EXIT_FAILURE;
  }
  lua_State *L = neap_state(rt);
  lua_register(L, "sum", l_sum);
  neap_run_status status = neap_run_string(L, script, "=script");
  if (status == NEAP_RUN_OK) {
    printf("%s %s, %s ticks while a thread is at work: %s\n",
           lua_tostring(L, 1), lua_tostring(L, 2), lua_tostring(L, 3),
           lua_toboolean(L, 4) ? "yes" : "no");
  } else {
    fprintf(stderr, "threads: %s\n", lua_tostring(L, -1));
  }
  neap_close(rt);
  return status == NEAP_RUN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
