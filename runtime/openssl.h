/* SPDX-License-Identifier: MIT */
/* openssl.h - OpenSSL, loaded when TLS is first used, and what we ask of it:
 * contexts, and an engine that turns bytes of the network into bytes of the
 * program and back, without knowing where either come from. */
#ifndef NEAP_OPENSSL_H
#define NEAP_OPENSSL_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/buffer.h"

typedef struct neap_tls_context neap_tls_context;
typedef struct neap_tls_engine neap_tls_engine;

/* What a context is made of. Strings are NULL where not given. */
typedef struct neap_tls_options {
  const char *ca_file;   /* PEM, instead of the system's */
  const char *cert_file; /* PEM, the certificate and its chain */
  const char *key_file;  /* PEM; NULL: in cert_file */
  const char *key_password;
  const unsigned char *alpn; /* each protocol after a byte with its length */
  size_t alpn_length;
  bool is_server;
  bool verify; /* the peer must show a certificate that is trusted */
  bool tls13;  /* nothing older than TLS 1.3; else than 1.2 */
} neap_tls_options;

/* Room for a text that says what went wrong. */
enum { NEAP_TLS_TEXT = 256 };

/* Returns NULL, or why OpenSSL cannot be used. May be called again. */
const char *neap_openssl_load(void);

/* Returns NULL and fills `text` if it cannot be made. After neap_openssl_load. */
neap_tls_context *neap_tls_context_new(const neap_tls_options *options,
                                       char *text);
void neap_tls_context_free(neap_tls_context *context);

/* An engine keeps what it needs of its context. `server_name`: the name or
 * address that the peer's certificate must be for; NULL for servers, and where
 * the context does not verify. NULL: no memory. */
neap_tls_engine *neap_tls_engine_new(const neap_tls_context *context,
                                     const char *server_name);
void neap_tls_engine_free(neap_tls_engine *engine);

typedef enum neap_tls_status {
  NEAP_TLS_OK,
  NEAP_TLS_WANTS_INPUT, /* nothing to be had before more has come in */
  NEAP_TLS_CLOSED,      /* the peer has said that nothing follows */
  NEAP_TLS_FAILED,      /* for good; neap_tls_error says why */
} neap_tls_status;

/* All of them may leave output to be sent, also when they fail: an alert. */
neap_tls_status neap_tls_handshake(neap_tls_engine *engine);
neap_tls_status neap_tls_read(neap_tls_engine *engine, char *out, size_t size,
                              size_t *got);
neap_tls_status neap_tls_write(neap_tls_engine *engine, const char *in,
                               size_t length);
/* Tells the peer that nothing follows. */
void neap_tls_shutdown(neap_tls_engine *engine);

/* What came from the network: borrowed until neap_tls_keep_input, which copies
 * what has not been used. False: no memory. */
void neap_tls_put_input(neap_tls_engine *engine, const char *in, size_t length);
bool neap_tls_keep_input(neap_tls_engine *engine);

/* What is to be sent. Whoever takes it away leaves an empty buffer, with memory
 * or without. */
neap_buffer *neap_tls_output(neap_tls_engine *engine);

const char *neap_tls_error(const neap_tls_engine *engine);
const char *neap_tls_version(const neap_tls_engine *engine);
const char *neap_tls_cipher(const neap_tls_engine *engine);
/* What was agreed on by ALPN; not terminated; length 0 if nothing. */
const char *neap_tls_protocol(const neap_tls_engine *engine, size_t *length);

/* Whether the peer of a connection that another library has made says that
 * nothing follows. All zero: nobody asks. */
typedef struct neap_tls_end {
  void *ssl; /* NULL: none, or it has been freed */
  bool asked;
  bool said;
} neap_tls_end;

#ifdef NEAP_OPENSSL_FILE
/* Asks from now on, of an SSL object of the library whose version is
 * "OpenSSL/3.0.1"; if that is not ours, of none. `end` stays where it is until
 * the answer is fetched. */
void neap_tls_end_watch(neap_tls_end *end, void *ssl, const char *version);

/* Asks no more. True: the peer was asked, and did not say so. */
bool neap_tls_end_is_missing(neap_tls_end *end);
#else
static inline void neap_tls_end_watch(neap_tls_end *end, void *ssl,
                                      const char *version) {
  (void)end;
  (void)ssl;
  (void)version;
}

static inline bool neap_tls_end_is_missing(neap_tls_end *end) {
  (void)end;
  return false;
}
#endif

#endif
