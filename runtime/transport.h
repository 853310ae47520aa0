/* SPDX-License-Identifier: MIT */
/* transport.h - what carries the bytes of a stream: a socket, a pipe, the other
 * end of a pair in memory, TLS over one of them.
 *
 * A transport gives what it receives to its sink, which is a stream, or another
 * transport on top of it. Neither side calls Lua: all of this runs in uv
 * callbacks as well. */
#ifndef NEAP_TRANSPORT_H
#define NEAP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>
#include <uv.h>

#include "runtime/runtime.h"

typedef struct neap_transport neap_transport;
typedef struct neap_sink neap_sink;

/* The most buffers of one write. */
enum { NEAP_MAX_BUFS = 16 };

typedef struct neap_sink_kind {
  /* These bytes have come in; they are the transport's. False: no memory. */
  bool (*received)(neap_sink *sink, const char *bytes, size_t nbytes);
  /* Nothing more will be received: UV_EOF, or an error. */
  void (*ended)(neap_sink *sink, int status);
  /* The write, the shutdown, the handshake that was begun has been done: 0, or
   * an error. */
  void (*written)(neap_sink *sink, int status);
  void (*shut_down)(neap_sink *sink, int status);
  void (*connected)(neap_sink *sink, int status);
} neap_sink_kind;

struct neap_sink {
  const neap_sink_kind *kind;
  /* Where the transport may put what it receives, and how much fits; `received`
   * then gets the same address. NULL: it has no memory. The function may be
   * NULL too: the sink has no such place. */
  char *(*room)(neap_sink *sink, size_t *size);
};

/* Functions that return an int return 0 or an error of libuv's. */
typedef struct neap_transport_kind {
  const char *name; /* "tcp" */
  /* The sink gets nothing before this has returned. */
  int (*start_reading)(neap_transport *transport);
  void (*stop_reading)(neap_transport *transport);
  /* Writes what can be written without waiting: how many bytes, or an error. */
  ssize_t (*try_write)(neap_transport *transport, const uv_buf_t *bufs,
                       unsigned count);
  /* Begins to write all; `written` follows. The bytes stay where they are until
   * then, or until the transport is closed. One at a time. */
  int (*write)(neap_transport *transport, const uv_buf_t *bufs, unsigned count);
  /* Begins to say that nothing more will be written; `shut_down` follows. */
  int (*shutdown)(neap_transport *transport);
  /* Lets go of the sink and of all bytes at once; the transport frees itself
   * when it can. */
  void (*close)(neap_transport *transport);
  /* [-0, +?, m] Pushes host and port, or a path: how many values, or an error. */
  int (*push_name)(neap_transport *transport, lua_State *L, bool of_peer);
  int (*set_nodelay)(neap_transport *transport, bool on);
} neap_transport_kind;

struct neap_transport {
  const neap_transport_kind *kind;
  neap_sink *sink; /* NULL once it is closed */
};

/* A stream of libuv's, of a type that `neap_uv_transport_new` was given. */
typedef enum neap_uv_type { NEAP_TCP, NEAP_PIPE, NEAP_TTY } neap_uv_type;

/* An unconnected socket or pipe; NEAP_TTY opens `fd`. `*err` tells why it
 * returns NULL. */
neap_transport *neap_uv_transport_new(neap_runtime *rt, neap_uv_type type,
                                      int fd, int *err);

/* Where a runtime's transports put what they receive before they hand it on,
 * which they do at once. NULL: no memory. */
enum { NEAP_SCRATCH_SIZE = 65536 };

char *neap_scratch(neap_runtime *rt);
void neap_scratch_free(neap_runtime *rt);

/* Its handle, or NULL if it is no stream of libuv's: for uv_accept, uv_spawn and the like. */
uv_stream_t *neap_uv_transport_stream(neap_transport *transport);

/* Begins to connect; `connected` follows. */
int neap_uv_transport_connect(neap_transport *transport,
                              const struct sockaddr *address);
int neap_uv_transport_connect_pipe(neap_transport *transport, const char *path);

/* It is connected: its peer's name is known from now on, also when the peer has
 * gone. */
void neap_uv_transport_connected(neap_transport *transport);

/* Lets others be bound to the same address and share what comes in. The system
 * must have made the socket. 0, or an error. */
int neap_reuse_port(const uv_handle_t *handle);

/* What an open descriptor of a file leads to; it is not closed. NULL: no memory. */
neap_transport *neap_file_transport_new(neap_runtime *rt, int fd);

/* Two ends, of which each receives what the other writes; at most `limit` bytes
 * wait in between. False: no memory. */
bool neap_memory_transport_pair(neap_runtime *rt, size_t limit,
                                neap_transport *ends[2]);

/* [-0, +2, m] or an error: the host and the port of an address. */
int neap_push_address(lua_State *L, const struct sockaddr *address);

#endif
