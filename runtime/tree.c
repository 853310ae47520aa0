/* SPDX-License-Identifier: MIT */
#include "runtime/tree.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/await.h"
#include "runtime/error.h"
#include "runtime/report.h"
#include "runtime/resume.h"
#include "runtime/task.h"

enum { MAX_TASKS = 200, MAX_INDENT = 16, MAX_CHAIN = 100 };

static const char INDENT[] = "                                ";

/* ---- where a task is ---- */

bool neap_push_line(lua_State *L, lua_State *co) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(co, level, &ar); level++) {
    lua_getinfo(co, "Sl", &ar);
    if (ar.currentline > 0 && strncmp(ar.source, "=neap.", 6) != 0) {
      lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
      return true;
    }
  }
  return false;
}

/* [-0, +1, m] Pushes "file:line" of where the task is or will start. */
static void push_place(lua_State *L, neap_task *task) {
  lua_State *co = task->co;
  if (!task->started) {
    lua_Debug ar;
    lua_pushvalue(co, -task->nargs + NEAP_TASK_BODY_INDEX - 1);
    lua_getinfo(co, ">S", &ar);
    if (ar.linedefined > 0) {
      lua_pushfstring(L, "%s:%d", ar.short_src, ar.linedefined);
      return;
    }
  } else {
    lua_State *in = task->phase == NEAP_TASK_RUNNING ? co : task->wait.co;
    if (neap_push_line(L, in) || neap_push_line(L, co)) {
      return;
    }
  }
  lua_pushliteral(L, "[C]");
}

/* [-0, +1, m] The state of a done future: "finished", "failed: message". */
static void push_state(lua_State *L, neap_future *future, int index) {
  switch (future->state) {
  case NEAP_FAILED:
    lua_getiuservalue(L, index, NEAP_OUTCOME_VALUE);
    neap_push_error_message(L, -1);
    lua_pushfstring(L, "failed: %s", lua_tostring(L, -1));
    lua_replace(L, -3);
    lua_pop(L, 1);
    break;
  case NEAP_FUTURE_CANCELLED:
    lua_pushliteral(L, "cancelled");
    break;
  case NEAP_FINISHED:
    lua_pushliteral(L, "finished");
    break;
  default:
    lua_pushliteral(L, "pending");
  }
}

void neap_push_future_text(lua_State *L, neap_future *future, int index) {
  neap_task *task = neap_future_task(future);
  index = lua_absindex(L, index);
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  push_state(L, future, index);
  if (task == NULL) {
    lua_pushfstring(L, "<%s %s>", future->kind->name, lua_tostring(L, -1));
    lua_replace(L, -2);
    return;
  }
  neap_push_task_name(L, task, index);
  if (future->state == NEAP_PENDING) {
    push_place(L, task);
    lua_pushfstring(L, "<Task \"%s\" pending at %s>", lua_tostring(L, -2),
                    lua_tostring(L, -1));
    lua_replace(L, -4);
    lua_pop(L, 2);
  } else {
    lua_pushfstring(L, "<Task \"%s\" %s>", lua_tostring(L, -1),
                    lua_tostring(L, -2));
    lua_replace(L, -3);
    lua_pop(L, 1);
  }
}

/* [-0, +1, m] Pushes the text of an anchored future. */
static void push_text(lua_State *L, neap_future *future) {
  neap_push_future(L, future);
  neap_push_future_text(L, future, -1);
  lua_replace(L, -2);
}

/* ---- tracebacks ---- */

/* The coroutine that `co`, which is parked, waits inside of, or NULL. Its
 * parked frame is coroutine.resume's or wrap's, with it as first value. */
static lua_State *inner_coroutine(lua_State *co) {
  lua_Debug ar;
  lua_State *inner = NULL;
  if (lua_getstack(co, 0, &ar) && lua_getlocal(co, &ar, 1) != NULL) {
    inner = lua_tothread(co, -1);
    lua_pop(co, 1);
  }
  return inner != NULL && neap_is_parked(inner) ? inner : NULL;
}

/* [-0, +1, m] Pushes the stack of one task, innermost coroutine first. */
static void push_stack(lua_State *L, neap_task *task) {
  if (!task->started) {
    lua_pushliteral(L, "stack traceback:\n\t[not started]");
    return;
  }
  lua_State *chain[MAX_CHAIN];
  int n = 0;
  chain[n++] = task->co;
  if (task->phase != NEAP_TASK_RUNNING) {
    lua_State *inner = task->co;
    while (n < MAX_CHAIN && (inner = inner_coroutine(inner)) != NULL) {
      chain[n++] = inner;
    }
  }
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  while (n > 0) {
    lua_State *co = chain[--n];
    lua_checkstack(co, 4);
    luaL_traceback(L, co, NULL, 0);
    luaL_addvalue(&text);
    if (n > 0) {
      luaL_addstring(&text, "\nresumed by:\n");
    }
  }
  luaL_pushresult(&text);
}

void neap_push_task_traceback(lua_State *L, neap_task *task) {
  luaL_Buffer text;
  int count = 0;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luaL_buffinit(L, &text);
  for (;;) {
    push_stack(L, task);
    luaL_addvalue(&text);
    neap_future *next = neap_awaited(task);
    if (next == NULL || ++count == MAX_CHAIN) {
      break;
    }
    luaL_addstring(&text, "\nawaiting ");
    push_text(L, next);
    luaL_addvalue(&text);
    task = neap_future_task(next);
    if (task == NULL || task->phase == NEAP_TASK_ENDED) {
      break;
    }
    luaL_addstring(&text, ":\n");
  }
  luaL_pushresult(&text);
}

void neap_push_ended_traceback(lua_State *L, neap_task *task, int index) {
  if (task->future.state == NEAP_FAILED) {
    lua_getiuservalue(L, index, NEAP_OUTCOME_VALUE);
    neap_push_error_traceback(L, task->future.rt, -1, index);
    if (lua_isstring(L, -1)) {
      return;
    }
  }
  lua_pushliteral(L, "");
}

/* ---- the tree ---- */

/* A tree that is being written: pieces of text in a Lua table. */
typedef struct outline {
  int pieces; /* stack index of the table */
  lua_Integer count;
  int room;   /* tasks that may still be shown */
  int indent; /* of the line to come */
  bool tracebacks;
} outline;

static void add_indent(outline *out, int depth) {
  out->indent = 2 * (depth < MAX_INDENT ? depth : MAX_INDENT);
}

/* [-1, +0, m] Adds the text on the top, after the indentation. */
static void add_line(lua_State *L, outline *out, const char *end) {
  lua_pushfstring(L, "%s%s%s", &INDENT[2 * MAX_INDENT - out->indent],
                  lua_tostring(L, -1), end);
  lua_rawseti(L, out->pieces, ++out->count);
  lua_pop(L, 1);
  out->indent = 0;
}

/* [-0, +1, m] Pushes what a task that waits waits for. */
static void push_what(lua_State *L, neap_task *task) {
  neap_wait *wait = &task->wait;
  neap_future *future = neap_awaited(task);
  if (wait->kind->describe != NULL) {
    wait->kind->describe(L, wait);
    return;
  }
  if (future != NULL && future->anchor != 0) {
    neap_push_future(L, future);
    neap_future_push_extra(L, future, -1, "label");
    lua_replace(L, -2);
    if (lua_isstring(L, -1)) {
      return;
    }
    lua_pop(L, 1);
  }
  lua_pushstring(L, wait->kind->name);
}

/* [-0, +1, m] Pushes " waits in sleep for 1.5 s", or what else it does. */
static void push_wait(lua_State *L, neap_task *task) {
  if (!task->started) {
    lua_pushliteral(L, " starts");
  } else if (neap_task_waits(task)) {
    uint64_t now = neap_clock_now(&task->future.rt->clock);
    uint64_t since = task->wait.since < now ? now - task->wait.since : 0;
    push_what(L, task);
    lua_pushfstring(L, " waits in %s for %f s", lua_tostring(L, -1),
                    neap_clock_to_seconds(since / 1000000 * 1000000));
    lua_replace(L, -2);
  } else if (task->phase == NEAP_TASK_RUNNING) {
    lua_pushliteral(L, " runs");
  } else {
    lua_pushliteral(L, " is ready");
  }
}

/* [-0, +0, m] Adds a line for `task`, and its traceback if wanted. */
static void add_task(lua_State *L, outline *out, neap_task *task, int depth) {
  add_indent(out, depth);
  push_text(L, &task->future);
  push_wait(L, task);
  lua_concat(L, 2);
  add_line(L, out, "\n");
  if (out->tracebacks) {
    push_stack(L, task);
    add_line(L, out, "\n");
  }
}

/* [-0, +1, m] Pushes the tasks that a future stands for, or nil. */
static void push_children(lua_State *L, neap_future *future) {
  neap_push_future(L, future);
  neap_future_push_extra(L, future, -1, "children");
  lua_replace(L, -2);
}

static int add_chain(lua_State *L, outline *out, neap_task *task, int depth);

/* [-0, +0, m] Adds what a task awaits if that is no task: a gather, say, and its
 * children. Returns how many tasks were shown. */
static int add_future(lua_State *L, outline *out, neap_future *future,
                      int depth) {
  int shown = 0;
  push_children(L, future);
  if (!lua_istable(L, -1) || depth > MAX_INDENT) {
    lua_pop(L, 1);
    add_indent(out, depth);
    push_text(L, future);
    add_line(L, out, "\n");
    return 0;
  }
  int children = lua_gettop(L);
  lua_Integer count = (lua_Integer)lua_rawlen(L, children);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, children, i);
    neap_task *child = neap_future_task(lua_touserdata(L, -1));
    lua_pop(L, 1);
    if (child != NULL && child->phase != NEAP_TASK_ENDED) {
      shown += add_chain(L, out, child, depth);
    }
  }
  lua_settop(L, children - 1);
  return shown;
}

/* [-0, +0, m] Adds a task and, below it, the chain of what it awaits. Each task
 * is shown once. Returns how many were. */
static int add_chain(lua_State *L, outline *out, neap_task *task, int depth) {
  int shown = 0;
  while (task != NULL && !task->shown && out->room > 0) {
    task->shown = true;
    out->room--;
    shown++;
    add_task(L, out, task, depth++);
    neap_future *next = neap_awaited(task);
    if (next == NULL || next->state != NEAP_PENDING) {
      break;
    }
    task = neap_future_task(next);
    if (task == NULL) {
      shown += add_future(L, out, next, depth);
    } else if (task->shown) {
      add_indent(out, depth);
      push_text(L, next);
      add_line(L, out, " (above)\n");
    }
  }
  return shown;
}

static neap_task *task_of_link(neap_link *link) {
  return NEAP_CONTAINER_OF(link, neap_task, link);
}

/* Whether another task awaits this one, which then shows it. */
static bool is_awaited(neap_task *task) {
  for (neap_link *l = task->future.waiters.next; l != &task->future.waiters;
       l = l->next) {
    if (neap_job_task(NEAP_CONTAINER_OF(l, neap_job, link)) != NULL) {
      return true;
    }
  }
  return false;
}

/* [-1, +1, m] Replaces the table on the top by its texts, one after another. */
static void concat_pieces(lua_State *L, lua_Integer count) {
  luaL_Buffer text;
  int pieces = lua_gettop(L);
  luaL_buffinit(L, &text);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, pieces, i);
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
  lua_replace(L, pieces);
}

/* [-0, +0, m] Marks the tasks that another one's gather or group will show. */
static void mark_children(lua_State *L, neap_task *task) {
  neap_future *future = neap_awaited(task);
  if (future == NULL || future->state != NEAP_PENDING ||
      neap_future_task(future) != NULL) {
    return;
  }
  push_children(L, future);
  lua_Integer count = lua_istable(L, -1) ? (lua_Integer)lua_rawlen(L, -1) : 0;
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    neap_task *child = neap_future_task(lua_touserdata(L, -1));
    lua_pop(L, 1);
    if (child != NULL) {
      child->below = true;
    }
  }
  lua_pop(L, 1);
}

static void mark_tasks(lua_State *L, neap_runtime *rt) {
  for (neap_link *l = rt->tasks.next; l != &rt->tasks; l = l->next) {
    task_of_link(l)->shown = false;
    task_of_link(l)->below = is_awaited(task_of_link(l));
  }
  for (neap_link *l = rt->tasks.next; l != &rt->tasks; l = l->next) {
    mark_children(L, task_of_link(l));
  }
}

void neap_push_tree(lua_State *L, neap_runtime *rt, bool tracebacks) {
  int shown = 0;
  luaL_checkstack(L, 2 * LUA_MINSTACK + 4 * MAX_INDENT, NULL);
  mark_tasks(L, rt);
  lua_createtable(L, 0, 0);
  outline out = {lua_gettop(L), 0, MAX_TASKS, 0, tracebacks};
  /* First those that stand below nobody, then what is left: children of what
   * there was no room for. */
  for (int round = 0; round < 2; round++) {
    for (neap_link *l = rt->tasks.next; l != &rt->tasks; l = l->next) {
      neap_task *task = task_of_link(l);
      if (round == 1 || !task->below) {
        shown += add_chain(L, &out, task, 0);
      }
    }
  }
  if (rt->counters.pending > (uint64_t)shown) {
    lua_pushfstring(L, "... and %I more",
                    (LUAI_UACINT)(rt->counters.pending - (uint64_t)shown));
    add_line(L, &out, "\n");
  }
  concat_pieces(L, out.count);
}

void neap_push_deadlock(lua_State *L, neap_runtime *rt) {
  lua_pushliteral(L, "every task waits, and nothing can wake any of them:\n");
  neap_push_tree(L, rt, false);
  lua_concat(L, 2);
  neap_error_new(L, rt, NEAP_DEADLOCK_ERROR);
}

/* ---- the dump ---- */

/* Protected. */
static int dump(lua_State *L) {
  neap_runtime *rt = neap_runtime_of(L);
  neap_trace *trace = &rt->trace;
  uint64_t first =
      trace->count > NEAP_TRACE_SIZE ? trace->count - NEAP_TRACE_SIZE : 0;
  luaL_Buffer text;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  lua_pushfstring(L, "neap: %I tasks\n", (LUAI_UACINT)rt->counters.pending);
  neap_write_error(lua_tostring(L, -1));
  neap_push_tree(L, rt, true);
  neap_write_error(lua_tostring(L, -1));
  luaL_buffinit(L, &text);
  luaL_addstring(&text, "last events:\n");
  for (uint64_t i = first; i < trace->count; i++) {
    size_t slot = (size_t)(i % NEAP_TRACE_SIZE);
    lua_pushfstring(L, "  %f Task-%I %s\n",
                    neap_clock_to_seconds(trace->events[slot].at),
                    (LUAI_UACINT)trace->events[slot].task,
                    neap_event_name(trace->events[slot].event));
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
  neap_write_error(lua_tostring(L, -1));
  return 0;
}

void neap_dump_tasks(lua_State *L, neap_runtime *rt) {
  (void)rt;
  if (lua_checkstack(L, 4)) {
    lua_pushcfunction(L, dump);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
      lua_pop(L, 1);
      neap_write_error("neap: not enough memory to show the tasks\n");
    }
  }
}
