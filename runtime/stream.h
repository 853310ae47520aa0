/* SPDX-License-Identifier: MIT */
/* stream.h - bytes in and out for tasks, whatever carries them.
 *
 * What comes in is put into one buffer, by C alone, until a task that waits for
 * it has all it asked for. While nobody reads, no more than a fixed amount is
 * taken in. What goes out is tried at once; a task waits only if the other side
 * is slow, and its bytes stay on its own stack meanwhile. */
#ifndef NEAP_STREAM_H
#define NEAP_STREAM_H

#include <lua.h>

#include "runtime/buffer.h"
#include "runtime/io.h"
#include "runtime/list.h"
#include "runtime/openssl.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "runtime/transport.h"

/* Bytes that are read ahead, and the longest line unless told otherwise. */
enum { NEAP_STREAM_READ_AHEAD = 65536, NEAP_STREAM_LIMIT = 65536 };

/* Its address is the registry key of the metatable of streams. */
extern const char neap_stream_type[];

/* Owner: Lua's collector. Its transport lives on its own. */
typedef struct neap_stream {
  neap_sink sink; /* first */
  neap_runtime *rt;
  neap_transport *transport; /* NULL once closed */
  neap_io io;
  neap_buffer in;
  size_t limit;     /* of lines */
  int read_status;  /* 0, or why nothing more comes in: UV_EOF, an error */
  int write_status; /* 0, or why nothing more goes out */
  int status;       /* of the operation that a task waited for */
  int broken;       /* 0, or the error by which the peer has ended it */
  bool reading;     /* the transport delivers */
  bool fast;        /* it has filled a small chunk: the next is a large one */
  bool writing;     /* the transport has bytes, or a shutdown, under way */
  bool turn;        /* the next writer has been woken, but did not run yet */
  bool busy;        /* a task waits to read, or was woken and did not run yet */
  neap_list readers; /* at most one */
  neap_list writers; /* first: the one whose bytes are under way */

  /* What the reader waits for: so many bytes, or a pattern (on its stack). */
  size_t wanted;
  const char *pattern;
  size_t pattern_length;
  size_t scanned;
  lua_KFunction k_reader;

  const char *role; /* "stdin", ... of this process or a child; or NULL */
  int pid;          /* of the child */

  neap_task *watcher; /* is cancelled when the peer ends; NULL: nobody */
  neap_job watch;     /* the cancellation, ready */
  bool half_open;     /* a peer that sends nothing more has not ended */
} neap_stream;

/* [-0, +1, m] Pushes a stream without a transport. */
neap_stream *neap_stream_new(lua_State *L, neap_runtime *rt);

/* [-0, +1, v] Pushes one on a new socket or pipe. Raises OSError. */
neap_stream *neap_stream_open(lua_State *L, neap_runtime *rt,
                              neap_uv_type type);

/* [-0, +0, v] The stream at `arg`, open or not. */
neap_stream *neap_stream_check(lua_State *L, int arg);

/* Gives it one; both are open from then on. */
void neap_stream_attach(neap_stream *stream, neap_transport *transport);

/* Ends everything under way with an error and lets go of the transport. */
void neap_stream_close(neap_stream *stream);

/* Makes sure that what comes in arrives. 0, or an error. */
int neap_stream_start_reading(neap_stream *stream);

/* Takes the first bytes out of the buffer. */
void neap_stream_take(neap_stream *stream, size_t nbytes);
/* Puts TLS between the stream and its transport; it then waits, as a writer does,
 * until hands are shaken. Takes the engine over, also when it fails. */
int neap_stream_start_tls(neap_stream *stream, neap_tls_engine *engine);

/* The engine of a TLS transport, or NULL if it is none. */
neap_tls_engine *neap_tls_transport_engine(neap_transport *transport);

/* Cancels `task` when nothing more will come in, unless something is left to be
 * read; with `half_open`, only if that is for an error. One at a time. */
void neap_stream_watch(neap_stream *stream, neap_task *task, bool half_open);
void neap_stream_unwatch(neap_stream *stream);

/* [-?, +?, v] Waits as one of the stream's, which is at index 1 of the stack;
 * `return neap_stream_park_…`. */
int neap_stream_park_reader(lua_State *L, neap_stream *stream, lua_KFunction k,
                            lua_KContext ctx);
int neap_stream_park_writer(lua_State *L, neap_stream *stream, lua_KFunction k);

/* [-?, +?, v] The same, as the one that connects it. */
int neap_stream_park_connecting(lua_State *L, neap_stream *stream,
                                lua_KFunction k);

/* [-?, +?, v] The same until it is this writer's turn. */
int neap_stream_park_turn(lua_State *L, neap_stream *stream, lua_KFunction k);

/* [-?, +?, v] A write went out at once: as if it returned, but after one pass of
 * the others if the task has not waited for long. A fast peer must not keep
 * everybody else from running. */
int neap_stream_wrote(lua_State *L, neap_stream *stream);

/* Lets the next writer go on. */
void neap_stream_next_writer(neap_stream *stream);

#endif
