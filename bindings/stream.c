/* SPDX-License-Identifier: MIT */
/* stream.c - the methods of streams, whatever carries their bytes. */
#include "runtime/stream.h"

#include <string.h>

#include <lauxlib.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/error.h"
#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/wait.h"

static neap_stream *check_stream(lua_State *L) {
  return neap_object_check(L, neap_stream_type);
}

/* ---- reading ---- */

/* Why a read fails, once what there was has been read: an error. Raises. */
static int fail_read(lua_State *L, neap_stream *s) {
  return neap_raise_os_error(L, s->rt, s->read_status, "read", NULL);
}

/* The running task, which may wait, and is to be the only one that reads. */
static neap_stream *check_reader(lua_State *L) {
  neap_stream *s = check_stream(L);
  neap_check_wait(L, s->rt);
  if (s->busy) {
    luaL_error(L, "another task is reading from this stream");
  }
  return s;
}

/* Waits until `wanted` bytes are there, or the pattern at an index; then k. */
static int wait_for(lua_State *L, neap_stream *s, size_t wanted, int pattern,
                    lua_KFunction k, lua_KContext ctx) {
  s->wanted = wanted;
  s->pattern = NULL;
  if (pattern != 0) {
    s->pattern = lua_tolstring(L, pattern, &s->pattern_length);
  }
  int err = neap_stream_start_reading(s);
  if (err != 0) {
    return neap_raise_os_error(L, s->rt, err, "read", NULL);
  }
  return neap_stream_park_reader(L, s, k, ctx);
}

/* Takes the first bytes as a string. */
static int take(lua_State *L, neap_stream *s, size_t nbytes, size_t kept) {
  lua_pushlstring(L, neap_buffer_bytes(&s->in), kept);
  neap_stream_take(s, nbytes);
  return 1;
}

static int k_read(lua_State *L, int status, lua_KContext max) {
  (void)status;
  neap_stream *s = lua_touserdata(L, 1);
  size_t length = neap_buffer_length(&s->in);
  if (length > 0) {
    size_t n = length < (size_t)max ? length : (size_t)max;
    return take(L, s, n, n);
  }
  if (s->read_status == UV_EOF) {
    lua_pushnil(L);
    return 1;
  }
  return s->read_status != 0 ? fail_read(L, s)
                             : wait_for(L, s, 1, 0, k_read, max);
}

/* stream:read([max]) -> string, or nil at the end
 * What has come in, at most `max` bytes of it.
 * max     integer >= 0; without it, all that is there; 0 reads nothing: ""
 * raises  OSError; another task is reading.
 * waits   until at least one byte has come in. */
static int l_read(lua_State *L) {
  check_reader(L);
  lua_Integer max = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  luaL_argcheck(L, max >= 0, 2, "not a number of bytes to read");
  if (max == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  lua_settop(L, 1);
  return k_read(L, LUA_OK, (lua_KContext)max);
}

/* The end came too early: raises IncompleteReadError with what there was. */
static int fail_incomplete(lua_State *L, neap_stream *s, lua_Integer expected) {
  size_t length = neap_buffer_length(&s->in);
  if (expected >= 0) {
    lua_pushfstring(L, "%I bytes of %I", (LUAI_UACINT)length,
                    (LUAI_UACINT)expected);
  } else {
    lua_pushfstring(L, "%I bytes without the separator", (LUAI_UACINT)length);
  }
  neap_error_new(L, s->rt, NEAP_INCOMPLETE_READ_ERROR);
  if (expected >= 0) {
    lua_pushinteger(L, expected);
    lua_setfield(L, -2, "expected");
  }
  take(L, s, length, length);
  lua_setfield(L, -2, "partial");
  return lua_error(L);
}

static int k_read_exactly(lua_State *L, int status, lua_KContext n) {
  (void)status;
  neap_stream *s = lua_touserdata(L, 1);
  if (neap_buffer_length(&s->in) >= (size_t)n) {
    return take(L, s, (size_t)n, (size_t)n);
  }
  if (s->read_status == UV_EOF) {
    return fail_incomplete(L, s, (lua_Integer)n);
  }
  return s->read_status != 0 ? fail_read(L, s)
                             : wait_for(L, s, (size_t)n, 0, k_read_exactly, n);
}

/* stream:read_exactly(n) -> string of n bytes
 * raises  IncompleteReadError (partial, expected) if the end comes before;
 *         OSError; another task is reading.
 * waits   until they have come in. */
static int l_read_exactly(lua_State *L) {
  check_reader(L);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 0, 2, "not a number of bytes");
  lua_settop(L, 1);
  return k_read_exactly(L, LUA_OK, (lua_KContext)n);
}

/* The stack is: stream, separator, limit. */
static size_t find(lua_State *L, neap_stream *s, size_t *length) {
  const char *separator = lua_tolstring(L, 2, length);
  size_t limit = (size_t)lua_tointeger(L, 3);
  s->pattern = NULL;
  size_t at = neap_buffer_find(&s->in, separator, *length, &s->scanned);
  size_t shortest = at == (size_t)-1 ? s->scanned : at;
  if (shortest > limit) {
    neap_raise(L, s->rt, NEAP_LIMIT_OVERRUN_ERROR,
               "the separator is not among the first %I bytes",
               (LUAI_UACINT)limit);
  }
  return at;
}

/* In so many bytes the separator is, or it is not within the limit. */
static size_t most_wanted(lua_State *L, size_t length) {
  return (size_t)lua_tointeger(L, 3) + length;
}

static int k_read_until(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *s = lua_touserdata(L, 1);
  size_t length = 0;
  size_t at = find(L, s, &length);
  if (at != (size_t)-1) {
    return take(L, s, at + length, at + length);
  }
  if (s->read_status == UV_EOF) {
    return fail_incomplete(L, s, -1);
  }
  return s->read_status != 0
             ? fail_read(L, s)
             : wait_for(L, s, most_wanted(L, length), 2, k_read_until, 0);
}

/* Argument 3 of read_until, 2 of read_line, becomes the limit at index 3. */
static void check_limit(lua_State *L, neap_stream *s, int arg) {
  lua_Integer limit = luaL_optinteger(L, arg, (lua_Integer)s->limit);
  luaL_argcheck(L, limit >= 1, arg, "not a limit");
  lua_settop(L, 2);
  lua_pushinteger(L, limit);
  s->scanned = 0;
}

/* stream:read_until(separator[, limit]) -> string that ends in the separator
 * separator  string, not empty
 * limit      bytes before it, at most; without it, the stream's: 65536
 * raises     IncompleteReadError (partial) if the end comes before;
 *            LimitOverrunError, and nothing is read; OSError; another task is
 *            reading.
 * waits      until it has come in. */
static int l_read_until(lua_State *L) {
  neap_stream *s = check_reader(L);
  size_t length = 0;
  luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, length > 0, 2, "the separator is empty");
  check_limit(L, s, 3);
  return k_read_until(L, LUA_OK, 0);
}

static int k_read_line(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *s = lua_touserdata(L, 1);
  size_t length = 0;
  size_t at = find(L, s, &length);
  if (at != (size_t)-1) {
    const char *bytes = neap_buffer_bytes(&s->in);
    return take(L, s, at + 1, at > 0 && bytes[at - 1] == '\r' ? at - 1 : at);
  }
  if (s->read_status == UV_EOF) {
    length = neap_buffer_length(&s->in);
    if (length == 0) {
      lua_pushnil(L);
      return 1;
    }
    return take(L, s, length, length);
  }
  return s->read_status != 0
             ? fail_read(L, s)
             : wait_for(L, s, most_wanted(L, 1), 2, k_read_line, 0);
}

/* stream:read_line([limit]) -> string, or nil at the end
 * The next line, without its end: "\n" or "\r\n". The last one may have none.
 * limit   bytes of a line, at most; without it, the stream's: 65536
 * raises  LimitOverrunError, and nothing is read; OSError; another task is
 *         reading.
 * waits   until it has come in. */
static int l_read_line(lua_State *L) {
  neap_stream *s = check_reader(L);
  lua_Integer limit = luaL_optinteger(L, 2, (lua_Integer)s->limit);
  luaL_argcheck(L, limit >= 1, 2, "not a limit");
  lua_settop(L, 1);
  lua_pushliteral(L, "\n");
  lua_pushinteger(L, limit);
  s->scanned = 0;
  return k_read_line(L, LUA_OK, 0);
}

static int k_read_all(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *s = lua_touserdata(L, 1);
  if (s->read_status == UV_EOF) {
    size_t length = neap_buffer_length(&s->in);
    return take(L, s, length, length);
  }
  return s->read_status != 0 ? fail_read(L, s)
                             : wait_for(L, s, (size_t)-1, 0, k_read_all, 0);
}

/* stream:read_all() -> string
 * All that comes in up to the end; "" if nothing does.
 * raises  OSError; another task is reading.
 * waits   until the end. */
static int l_read_all(lua_State *L) {
  check_reader(L);
  lua_settop(L, 1);
  return k_read_all(L, LUA_OK, 0);
}

/* The iterator of lines; upvalues 3 and 4: the stream, the limit. */
static int l_next_line(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_pushvalue(L, lua_upvalueindex(4));
  return l_read_line(L);
}

/* stream:lines([limit]) -> iterator
 * for line in stream:lines() do: as read_line, until the end. */
static int l_lines(lua_State *L) {
  check_stream(L);
  luaL_optinteger(L, 2, 1);
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_rotate(L, 1, 2);
  lua_pushcclosure(L, l_next_line, 4);
  return 1;
}

/* ---- writing ---- */

static int fail_write(lua_State *L, neap_stream *s, int err) {
  return neap_raise_os_error(L, s->rt, err, "write", NULL);
}

/* Buffers for the strings from index 2 on, without the first `skip` bytes. */
static unsigned fill(lua_State *L, uv_buf_t *bufs, size_t skip) {
  unsigned count = 0;
  for (int i = 2; i <= lua_gettop(L); i++) {
    size_t length = 0;
    const char *bytes = lua_tolstring(L, i, &length);
    if (length <= skip) {
      skip -= length;
      continue;
    }
    bufs[count].base = (char *)bytes + skip;
    bufs[count++].len = length - skip; /* uv_buf_init takes less than 4 GiB */
    skip = 0;
  }
  return count;
}

static int k_written(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *s = lua_touserdata(L, 1);
  return s->status != 0 ? fail_write(L, s, s->status) : 0;
}

static int k_turn(lua_State *L, int status, lua_KContext ctx);

/* It is this task's turn. */
static int write_now(lua_State *L, neap_stream *s) {
  uv_buf_t bufs[NEAP_MAX_BUFS];
  unsigned count = fill(L, bufs, 0);
  if (s->write_status != 0) {
    return fail_write(L, s, s->write_status);
  }
  if (count == 0) {
    return 0;
  }
  ssize_t taken = s->transport->kind->try_write(s->transport, bufs, count);
  int err = taken < 0 ? (int)taken : 0;
  if (err == 0) {
    count = fill(L, bufs, (size_t)taken);
    if (count == 0) {
      neap_stream_next_writer(s);
      return neap_stream_wrote(L, s);
    }
    err = s->transport->kind->write(s->transport, bufs, count);
  }
  if (err != 0) {
    s->write_status = s->broken = err;
    neap_stream_next_writer(s);
    return fail_write(L, s, err);
  }
  s->writing = true;
  return neap_stream_park_writer(L, s, k_written);
}

static int k_turn(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *s = lua_touserdata(L, 1);
  s->turn = false;
  return write_now(L, s);
}

/* stream:write(...)
 * Sends strings and numbers, one after the other. Tasks that write at the same
 * time do so in turn. If it is cancelled while it waits, a part may have gone,
 * so the stream is closed.
 * raises  OSError.
 * waits   while the other side takes nothing more. */
static int l_write(lua_State *L) {
  neap_stream *s = check_stream(L);
  neap_check_wait(L, s->rt);
  int top = lua_gettop(L);
  for (int i = 2; i <= top; i++) {
    luaL_checkstring(L, i);
  }
  if (top > NEAP_MAX_BUFS) {
    lua_concat(L, top - 1);
  }
  if (s->writing || s->turn || !neap_list_empty(&s->writers)) {
    return neap_stream_park_turn(L, s, k_turn);
  }
  return write_now(L, s);
}

/* Nobody is there to be told any more: that is no error. */
static int k_shut_down(lua_State *L, int status, lua_KContext ctx) {
  neap_stream *s = lua_touserdata(L, 1);
  return s->status == UV_ENOTCONN ? 0 : k_written(L, status, ctx);
}

static int shut_down_now(lua_State *L, neap_stream *s) {
  if (s->write_status != 0) {
    return s->write_status == UV_EPIPE ? 0 : fail_write(L, s, s->write_status);
  }
  s->write_status = UV_EPIPE;
  int err = s->transport->kind->shutdown(s->transport);
  if (err != 0) {
    neap_stream_next_writer(s);
    return err == UV_ENOTCONN
               ? 0
               : neap_raise_os_error(L, s->rt, err, "shutdown", NULL);
  }
  s->writing = true;
  return neap_stream_park_writer(L, s, k_shut_down);
}

static int k_shutdown_turn(lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  neap_stream *s = lua_touserdata(L, 1);
  s->turn = false;
  return shut_down_now(L, s);
}

/* stream:shutdown()
 * Says that nothing more will be written; the other side reads an end. Reading
 * goes on. Again: nothing.
 * raises  OSError.
 * waits   for what is being written, and until it has been said. */
static int l_shutdown(lua_State *L) {
  neap_stream *s = check_stream(L);
  neap_check_wait(L, s->rt);
  lua_settop(L, 1);
  if (s->writing || s->turn || !neap_list_empty(&s->writers)) {
    return neap_stream_park_turn(L, s, k_shutdown_turn);
  }
  return shut_down_now(L, s);
}

/* ---- the rest ---- */

/* stream:close()
 * Closes it at once; tasks that read or write get an error. Again: nothing. */
static int l_close(lua_State *L) {
  neap_stream_close(check_stream(L));
  return 0;
}

static int push_name(lua_State *L, bool of_peer, const char *syscall) {
  neap_stream *s = check_stream(L);
  int count = s->transport == NULL
                  ? UV_EBADF
                  : s->transport->kind->push_name(s->transport, L, of_peer);
  return count < 0 ? neap_raise_os_error(L, s->rt, count, syscall, NULL)
                   : count;
}

/* stream:peername() -> host, port; or path
 * raises  OSError */
static int l_peername(lua_State *L) {
  return push_name(L, true, "getpeername");
}

/* stream:sockname() -> host, port; or path
 * raises  OSError */
static int l_sockname(lua_State *L) {
  return push_name(L, false, "getsockname");
}

/* stream:set_nodelay(on)
 * Whether small writes are sent at once; they are from the start. Nothing for
 * what is no TCP connection.
 * raises  OSError */
static int l_set_nodelay(lua_State *L) {
  neap_stream *s = check_stream(L);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  int err =
      s->transport == NULL
          ? UV_EBADF
          : s->transport->kind->set_nodelay(s->transport, lua_toboolean(L, 2));
  return err == 0 ? 0 : neap_raise_os_error(L, s->rt, err, "setsockopt", NULL);
}

static int l_tostring(lua_State *L) {
  neap_stream *s = check_stream(L);
  lua_pushfstring(L, "<Stream %s%p>", s->transport == NULL ? "closed " : "",
                  (void *)s);
  return 1;
}

/* memory_stream([limit]) -> Stream, Stream
 * Two ends in this process: what is written to one is read from the other. They
 * do not hold a virtual clock.
 * limit  bytes that may wait in between before a writer waits: 65536 */
static int l_memory_stream(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  lua_Integer limit = luaL_optinteger(L, 1, NEAP_STREAM_READ_AHEAD);
  luaL_argcheck(L, limit >= 1, 1, "not a number of bytes");
  neap_stream *a = neap_stream_new(L, rt);
  neap_stream *b = neap_stream_new(L, rt);
  neap_transport *ends[2];
  if (!neap_memory_transport_pair(rt, (size_t)limit, ends)) {
    return luaL_error(L, "not enough memory");
  }
  neap_stream_attach(a, ends[0]);
  neap_stream_attach(b, ends[1]);
  return 2;
}

static const luaL_Reg metamethods[] = {
    {"__close",    l_close   },
    {"__gc",       l_close   },
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"read",         l_read        }, /* waits */
    {"read_exactly", l_read_exactly}, /* waits */
    {"read_until",   l_read_until  }, /* waits */
    {"read_line",    l_read_line   }, /* waits */
    {"read_all",     l_read_all    }, /* waits */
    {"lines",        l_lines       },
    {"write",        l_write       }, /* waits */
    {"shutdown",     l_shutdown    }, /* waits */
    {"close",        l_close       },
    {"peername",     l_peername    },
    {"sockname",     l_sockname    },
    {"set_nodelay",  l_set_nodelay },
    {NULL,           NULL          },
};

/* watch(stream, on[, half_open]): cancels the running task when the peer has
 * gone, until it is turned off. half_open: one that only says that it sends
 * nothing more has not. */
int neap_watch_stream(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_stream *s = neap_stream_check(L, 1);
  if (lua_toboolean(L, 2) && s->transport != NULL) {
    neap_stream_watch(s, neap_check_current(L, rt), lua_toboolean(L, 3));
  } else {
    neap_stream_unwatch(s);
  }
  return 0;
}

void neap_push_memory_stream(lua_State *L, neap_runtime *rt) {
  neap_open_streams(L, rt);
  neap_push_function(L, rt, l_memory_stream);
}

void neap_open_streams(lua_State *L, neap_runtime *rt) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, neap_stream_type) == LUA_TNIL) {
    static const luaL_Reg none = {NULL, NULL};
    lua_newtable(L);
    neap_object_open(L, rt, neap_stream_type, metamethods, methods, &none);
    luaL_getmetatable(L, neap_stream_type);
    lua_rawsetp(L, LUA_REGISTRYINDEX, neap_stream_type);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}
