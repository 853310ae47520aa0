/* SPDX-License-Identifier: MIT */
#include "runtime/limits.h"

#include <lauxlib.h>

#include "runtime/alloc.h"
#include "runtime/interrupt.h"
#include "runtime/runtime.h"

/* Work between two looks at the clock; that of entering a coroutine, so that
 * many short ones are no way around the hook. */
enum { LOOK_EVERY = 20000, ENTER_WORK = 100 };

/* Blocks below are not worth counting; bytes that are as much work as an
 * instruction; bytes of a full collection, which a refusal brings about. */
enum { LARGE_BLOCK = 4096, BYTES_PER_WORK = 32, COLLECTED_PER_WORK = 32 };

/* ---- memory ---- */

/* Stands between Lua and the allocator that its state was made with.
 * Owner: the runtime, until neap_limits_close. */
typedef struct neap_memory {
  lua_Alloc alloc; /* the state's own */
  void *ud;
  neap_runtime *rt;
  size_t used;  /* bytes that Lua holds */
  size_t limit; /* bytes */
} neap_memory;

/* Between steps the kernel may use a little more, so that a script that keeps
 * all there is still ends in an orderly way. */
static size_t limit_now(const neap_memory *memory) {
  size_t reserve = memory->limit / 16 + 65536;
  return memory->rt->executing != NULL ? memory->limit
                                       : memory->limit + reserve;
}

static bool fits(const neap_memory *memory, size_t more) {
  size_t limit = limit_now(memory);
  return memory->used <= limit && more <= limit - memory->used;
}

/* A lua_Alloc. */
static void *limited_alloc(void *ud, void *ptr, size_t osize, size_t nsize) {
  neap_memory *memory = ud;
  size_t old = ptr == NULL ? 0 : osize; /* else it is a type */
  if (nsize > old) {
    if (!fits(memory, nsize - old)) {
      neap_limits_charge(memory->rt, memory->used / COLLECTED_PER_WORK);
      return NULL;
    }
    if (nsize >= LARGE_BLOCK) {
      neap_limits_charge(memory->rt, nsize / BYTES_PER_WORK);
    }
  }
  void *block = memory->alloc(memory->ud, ptr, osize, nsize);
  if (block != NULL || nsize == 0) {
    memory->used = memory->used - old + nsize;
  }
  return block;
}

static size_t bytes_of_state(lua_State *L) {
  return (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 +
         (size_t)lua_gc(L, LUA_GCCOUNTB);
}

static int limit_memory(lua_State *L, neap_runtime *rt, size_t limit) {
  neap_memory *memory = rt->limits.memory;
  if (memory == NULL && limit != 0) {
    memory = neap_realloc(NULL, 0, sizeof *memory);
    if (memory == NULL) {
      return UV_ENOMEM;
    }
    memory->alloc = lua_getallocf(L, &memory->ud);
    memory->rt = rt;
    memory->used = bytes_of_state(L);
    rt->limits.memory = memory;
    lua_setallocf(L, limited_alloc, memory);
  }
  if (memory != NULL) {
    memory->limit = limit != 0 ? limit : SIZE_MAX / 2;
  }
  return 0;
}

void neap_limits_close(neap_runtime *rt) {
  neap_memory *memory = rt->limits.memory;
  rt->limits.on = false;
  rt->limits.memory = NULL;
  if (memory != NULL) {
    lua_setallocf(rt->main, memory->alloc, memory->ud);
    neap_realloc(memory, sizeof *memory, 0);
  }
}

/* ---- work in a step ---- */

void neap_limits_begin(neap_runtime *rt) {
  neap_limiter *limits = &rt->limits;
  limits->spent = false;
  limits->used = 0;
  limits->look = LOOK_EVERY;
  limits->began = uv_hrtime();
}

void neap_limits_begin_callback(neap_runtime *rt, lua_State *L) {
  if (rt->limits.on) {
    neap_limits_begin(rt);
    neap_limits_enter(rt, L);
  }
}

/* ms of this step are over, or its instructions. */
static bool is_over(const neap_limiter *limits, uint64_t used) {
  uint64_t most = limits->set.step_instructions;
  uint64_t ms = limits->set.step_ms;
  return (most != 0 && used > most) ||
         (ms != 0 && uv_hrtime() - limits->began > ms * 1000000);
}

bool neap_limits_spent(neap_runtime *rt) {
  neap_limiter *limits = &rt->limits;
  if (!limits->on) {
    return false;
  }
  if (limits->spent && !neap_is_stubborn(rt) && limits->used < limits->look) {
    return false; /* a grace */
  }
  limits->spent = limits->spent || is_over(limits, limits->used);
  limits->look = limits->used + (limits->spent ? NEAP_GRACE : LOOK_EVERY);
  return limits->spent;
}

void neap_limits_enter(neap_runtime *rt, lua_State *co) {
  neap_limits_charge(rt, ENTER_WORK);
  neap_watch_thread(rt, co, rt->limits.used >= rt->limits.look);
}

void neap_limits_charge(neap_runtime *rt, uint64_t work) {
  neap_limiter *limits = &rt->limits;
  lua_State *executing = rt->executing;
  if (limits->on) {
    limits->used += work;
    if (limits->used >= limits->look && executing != NULL) {
      neap_watch_thread(rt, executing, true);
    }
  }
}

int neap_limits_raise(lua_State *L, neap_runtime *rt) {
  const neap_limits *set = &rt->limits.set;
  luaL_where(L, 0); /* in a hook this is the function of Lua */
  if (lua_rawlen(L, -1) == 0) {
    luaL_where(L, 1);
  }
  if (set->step_ms != 0 && (set->step_instructions == 0 ||
                            rt->limits.used <= set->step_instructions)) {
    lua_pushfstring(L, "step limit exceeded: %d ms without waiting",
                    (int)set->step_ms);
  } else {
    lua_pushfstring(L, "step limit exceeded: %I instructions without waiting",
                    (LUAI_UACINT)set->step_instructions);
  }
  lua_concat(L, 2);
  return lua_error(L);
}

void neap_limits_work(lua_State *L, neap_runtime *rt, uint64_t work) {
  neap_limiter *limits = &rt->limits;
  if (!limits->on) {
    return;
  }
  uint64_t most = limits->set.step_instructions;
  if (most == 0) { /* work takes time: a million is a few ms */
    most = limits->set.step_ms * 1000000;
  }
  if (work > most || limits->used + work > most) {
    limits->spent = true;
    limits->look = limits->used;
  }
  limits->used += work > most ? most : work;
  if (limits->spent || limits->used >= limits->look) {
    neap_interrupt_spent(L, rt);
  }
}

/* ---- tasks ---- */

void neap_limits_check_tasks(lua_State *L, neap_runtime *rt) {
  size_t most = rt->limits.set.tasks;
  if (most != 0 && rt->counters.pending >= most) {
    luaL_error(L, "too many tasks: no more than %d may be pending", (int)most);
  }
}

int neap_limits_check(const neap_limits *limits) {
  bool good = limits != NULL && limits->tasks <= INT32_MAX &&
              limits->step_ms <= INT32_MAX;
  return good ? 0 : UV_EINVAL;
}

int neap_set_limits(lua_State *L, const neap_limits *limits) {
  neap_runtime *rt = neap_runtime_of(L);
  int err = rt == NULL ? UV_EINVAL : neap_limits_check(limits);
  if (err == 0 && rt->running) {
    err = UV_EBUSY;
  }
  if (err != 0) {
    return err;
  }
  err = limit_memory(L, rt, limits->memory);
  if (err != 0) {
    return err;
  }
  rt->limits.set = *limits;
  rt->limits.on = limits->step_instructions != 0 || limits->step_ms != 0;
  neap_update_watch(rt);
  return 0;
}
