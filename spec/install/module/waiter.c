/* A Lua module in C, out of tree, with a function that waits: what somebody
 * writes who has installed neap. */
#include <pthread.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <neap.h>

/* Owner: the thread, then push_double. */
typedef struct work {
  neap_ref *ref;
  lua_Integer value;
} work;

static int push_double(lua_State *L, void *ud) {
  work *w = ud;
  lua_Integer value = w->value;
  free(w);
  if (L == NULL) {
    return 0;
  }
  lua_pushinteger(L, value * 2);
  return 1;
}

static void *run(void *arg) {
  work *w = arg;
  neap_ref *ref = w->ref;
  if (neap_complete(ref, push_double, w) != 0) {
    free(w);
  }
  neap_release(ref);
  return NULL;
}

/* double(n) -> 2 n. Waits for a thread. */
static int l_double(lua_State *L) {
  lua_Integer value = luaL_checkinteger(L, 1);
  neap_ref *ref = neap_begin(L);
  work *w = malloc(sizeof *w);
  pthread_t thread;
  if (w == NULL) {
    neap_release(ref);
    return luaL_error(L, "not enough memory");
  }
  w->ref = ref;
  w->value = value;
  if (pthread_create(&thread, NULL, run, w) != 0) {
    neap_release(ref);
    free(w);
    return luaL_error(L, "no thread");
  }
  pthread_detach(thread);
  return neap_await_ref(L, ref, NULL, NULL);
}

/* never() waits until it is cancelled. */
static int l_never(lua_State *L) {
  neap_ref *ref = neap_begin(L);
  neap_ref **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = ref;
  lua_setfield(L, LUA_REGISTRYINDEX, "waiter.never");
  return neap_await_ref(L, ref, NULL, NULL);
}

/* forget() lets go of what never() waits for. */
static int l_forget(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "waiter.never");
  neap_release(*(neap_ref **)lua_touserdata(L, -1));
  return 0;
}

int luaopen_waiter(lua_State *L);

int luaopen_waiter(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"double", l_double},
      {"never",  l_never },
      {"forget", l_forget},
      {NULL,     NULL    },
  };
  luaL_newlib(L, functions);
  return 1;
}
