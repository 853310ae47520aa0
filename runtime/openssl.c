/* SPDX-License-Identifier: MIT */
#include "runtime/openssl.h"

#ifdef NEAP_OPENSSL_FILE

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <uv.h>

#include "runtime/alloc.h"
#include "runtime/library.h"

#define FUNCTIONS(X)                                                           \
  X(BIO_clear_flags)                                                           \
  X(BIO_free)                                                                  \
  X(BIO_get_data)                                                              \
  X(BIO_get_new_index)                                                         \
  X(BIO_meth_free)                                                             \
  X(BIO_meth_new)                                                              \
  X(BIO_meth_set_ctrl)                                                         \
  X(BIO_meth_set_read)                                                         \
  X(BIO_meth_set_write)                                                        \
  X(BIO_new)                                                                   \
  X(BIO_set_data)                                                              \
  X(BIO_set_flags)                                                             \
  X(BIO_set_init)                                                              \
  X(CRYPTO_free_ex_index)                                                      \
  X(CRYPTO_get_ex_new_index)                                                   \
  X(ERR_clear_error)                                                           \
  X(ERR_peek_error)                                                            \
  X(ERR_reason_error_string)                                                   \
  X(OpenSSL_version)                                                           \
  X(SSL_CIPHER_get_name)                                                       \
  X(SSL_CTX_check_private_key)                                                 \
  X(SSL_CTX_ctrl)                                                              \
  X(SSL_CTX_free)                                                              \
  X(SSL_CTX_load_verify_file)                                                  \
  X(SSL_CTX_new)                                                               \
  X(SSL_CTX_set_alpn_protos)                                                   \
  X(SSL_CTX_set_alpn_select_cb)                                                \
  X(SSL_CTX_set_default_passwd_cb)                                             \
  X(SSL_CTX_set_default_passwd_cb_userdata)                                    \
  X(SSL_CTX_set_default_verify_paths)                                          \
  X(SSL_CTX_set_options)                                                       \
  X(SSL_CTX_set_session_id_context)                                            \
  X(SSL_CTX_set_verify)                                                        \
  X(SSL_CTX_use_PrivateKey_file)                                               \
  X(SSL_CTX_use_certificate_chain_file)                                        \
  X(SSL_ctrl)                                                                  \
  X(SSL_do_handshake)                                                          \
  X(SSL_free)                                                                  \
  X(SSL_get0_alpn_selected)                                                    \
  X(SSL_get0_param)                                                            \
  X(SSL_get_current_cipher)                                                    \
  X(SSL_get_error)                                                             \
  X(SSL_get_ex_data)                                                           \
  X(SSL_get_shutdown)                                                          \
  X(SSL_get_verify_result)                                                     \
  X(SSL_get_version)                                                           \
  X(SSL_new)                                                                   \
  X(SSL_read_ex)                                                               \
  X(SSL_select_next_proto)                                                     \
  X(SSL_set1_host)                                                             \
  X(SSL_set_accept_state)                                                      \
  X(SSL_set_bio)                                                               \
  X(SSL_set_connect_state)                                                     \
  X(SSL_set_ex_data)                                                           \
  X(SSL_set_info_callback)                                                     \
  X(SSL_shutdown)                                                              \
  X(SSL_write_ex)                                                              \
  X(TLS_method)                                                                \
  X(X509_VERIFY_PARAM_set1_ip_asc)                                             \
  X(X509_verify_cert_error_string)

static struct { FUNCTIONS(NEAP_LIBRARY_MEMBER) } ssl;

static const char *const names[] = {FUNCTIONS(NEAP_LIBRARY_NAME) NULL};

static uv_lib_t library;
static uv_once_t loaded = UV_ONCE_INIT;
static const char *load_error;

struct neap_tls_context {
  SSL_CTX *ctx;
  bool is_server;
  bool verify;
  size_t alpn_length;
  unsigned char alpn[]; /* what a server chooses from */
};

struct neap_tls_engine {
  SSL *ssl;
  neap_buffer input; /* from the network, kept */
  const char *fresh; /* and behind it, borrowed */
  size_t fresh_length;
  neap_buffer output; /* to it */
  char error[NEAP_TLS_TEXT];
};

/* ---- between OpenSSL and the buffers ---- */

/* OpenSSL's own BIO in memory fills with zeros what it will write over, and
 * would be a second copy of everything. */
static BIO_METHOD *method;

/* Where an SSL object of another library has its neap_tls_end. */
static int end_index = -1;

static int on_output(BIO *bio, const char *data, int length) {
  neap_tls_engine *engine = ssl.BIO_get_data(bio);
  char *room = neap_buffer_room(&engine->output, (size_t)length);
  ssl.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  if (room == NULL) {
    return -1;
  }
  memcpy(room, data, (size_t)length);
  neap_buffer_add(&engine->output, (size_t)length);
  return length;
}

/* At most `size` bytes of what has come in; it is used up. */
static size_t use_input(neap_tls_engine *engine, char *out, size_t size) {
  size_t kept = neap_buffer_length(&engine->input);
  if (kept > 0) {
    size_t n = kept < size ? kept : size;
    memcpy(out, neap_buffer_bytes(&engine->input), n);
    neap_buffer_drop(&engine->input, n);
    return n;
  }
  size_t n = engine->fresh_length < size ? engine->fresh_length : size;
  if (n > 0) {
    memcpy(out, engine->fresh, n);
    engine->fresh += n;
    engine->fresh_length -= n;
  }
  return n;
}

static int on_input(BIO *bio, char *out, int size) {
  neap_tls_engine *engine = ssl.BIO_get_data(bio);
  size_t n = size > 0 ? use_input(engine, out, (size_t)size) : 0;
  ssl.BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  if (n == 0) {
    ssl.BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
    return -1;
  }
  return (int)n;
}

static long on_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* Lua unloads its modules when a state closes. */
__attribute__((destructor)) static void unload(void) {
  if (method != NULL) {
    ssl.BIO_meth_free(method);
    ssl.CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL, end_index);
  }
}

static void on_end_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index,
                         long number, void *pointer);

static void load(void) {
  load_error = neap_library_load(&library, NEAP_OPENSSL_FILE, names, &ssl);
  if (load_error != NULL) {
    return;
  }
  int type = ssl.BIO_get_new_index() | BIO_TYPE_SOURCE_SINK;
  method = ssl.BIO_meth_new(type, "neap");
  if (method == NULL) {
    load_error = "OpenSSL cannot start";
    return;
  }
  end_index = ssl.CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL, 0, NULL, NULL,
                                          NULL, on_end_freed);
  ssl.BIO_meth_set_write(method, on_output);
  ssl.BIO_meth_set_read(method, on_input);
  ssl.BIO_meth_set_ctrl(method, on_control);
}

const char *neap_openssl_load(void) {
  uv_once(&loaded, load);
  return load_error;
}

/* ---- contexts ---- */

/* The oldest error of the queue is the cause of the others. */
static const char *reason(void) {
  unsigned long error = ssl.ERR_peek_error();
  if (ERR_SYSTEM_ERROR(error)) {
    return uv_strerror(uv_translate_sys_error(ERR_GET_REASON(error)));
  }
  const char *text = ssl.ERR_reason_error_string(error);
  return text != NULL ? text : "unknown error";
}

/* Instead of OpenSSL's own, which asks on the terminal. */
static int on_password(char *buffer, int size, int writing, void *password) {
  (void)writing;
  size_t length = password != NULL ? strlen(password) : 0;
  if (length == 0 || length > (size_t)size) {
    return -1;
  }
  /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): it wants no zero. */
  memcpy(buffer, password, length);
  return (int)length;
}

static int on_alpn(SSL *connection, const unsigned char **out,
                   unsigned char *out_length, const unsigned char *in,
                   unsigned int in_length, void *data) {
  (void)connection;
  const neap_tls_context *context = data;
  int found = ssl.SSL_select_next_proto(
      (unsigned char **)out, out_length, context->alpn,
      (unsigned)context->alpn_length, in, in_length);
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                         : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool fail(char *text, const char *what, const char *name) {
  snprintf(text, NEAP_TLS_TEXT, "%s '%s': %s", what, name, reason());
  return false;
}

static bool set_certificate(SSL_CTX *ctx, const neap_tls_options *o,
                            char *text) {
  if (o->cert_file == NULL) {
    return true;
  }
  const char *key = o->key_file != NULL ? o->key_file : o->cert_file;
  ssl.SSL_CTX_set_default_passwd_cb(ctx, on_password);
  ssl.SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)o->key_password);
  bool good =
      ssl.SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) == 1
          ? ssl.SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 ||
                fail(text, "key_file", key)
          : fail(text, "cert_file", o->cert_file);
  ssl.SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
  return good && (ssl.SSL_CTX_check_private_key(ctx) == 1 ||
                  fail(text, "key_file", key));
}

static bool set_trust(SSL_CTX *ctx, const neap_tls_options *o, char *text) {
  if (o->ca_file != NULL) {
    return ssl.SSL_CTX_load_verify_file(ctx, o->ca_file) == 1 ||
           fail(text, "ca_file", o->ca_file);
  }
  return !o->verify || ssl.SSL_CTX_set_default_verify_paths(ctx) == 1 ||
         fail(text, "certificates of the system", "");
}

static bool set_up(neap_tls_context *context, const neap_tls_options *o,
                   char *text) {
  static const unsigned char id[] = "neap";
  SSL_CTX *ctx = context->ctx;
  ssl.SSL_CTX_ctrl(ctx, SSL_CTRL_SET_MIN_PROTO_VERSION,
                   o->tls13 ? TLS1_3_VERSION : TLS1_2_VERSION, NULL);
  /* Buffers of idle connections are given back. */
  ssl.SSL_CTX_ctrl(ctx, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
  ssl.SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  ssl.SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
  int mode = o->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
  if (o->verify && o->is_server) {
    mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  ssl.SSL_CTX_set_verify(ctx, mode, NULL);
  if (o->alpn_length > 0 && o->is_server) {
    ssl.SSL_CTX_set_alpn_select_cb(ctx, on_alpn, context);
  } else if (o->alpn_length > 0) {
    ssl.SSL_CTX_set_alpn_protos(ctx, o->alpn, (unsigned)o->alpn_length);
  }
  return set_trust(ctx, o, text) && set_certificate(ctx, o, text);
}

neap_tls_context *neap_tls_context_new(const neap_tls_options *options,
                                       char *text) {
  ssl.ERR_clear_error();
  snprintf(text, NEAP_TLS_TEXT, "not enough memory");
  size_t size = sizeof(neap_tls_context) + options->alpn_length;
  neap_tls_context *context = neap_realloc(NULL, 0, size);
  if (context == NULL) {
    return NULL;
  }
  context->is_server = options->is_server;
  context->verify = options->verify;
  context->alpn_length = options->alpn_length;
  if (options->alpn_length > 0) {
    memcpy(context->alpn, options->alpn, options->alpn_length);
  }
  context->ctx = ssl.SSL_CTX_new(ssl.TLS_method());
  if (context->ctx == NULL || !set_up(context, options, text)) {
    neap_tls_context_free(context);
    context = NULL;
  }
  ssl.ERR_clear_error();
  return context;
}

void neap_tls_context_free(neap_tls_context *context) {
  ssl.SSL_CTX_free(context->ctx);
  neap_realloc(context, sizeof *context + context->alpn_length, 0);
}

/* ---- engines ---- */

static bool set_server_name(SSL *s, const char *name, bool verify) {
  X509_VERIFY_PARAM *param = ssl.SSL_get0_param(s);
  bool is_address = ssl.X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
  if (!is_address) {
    if (ssl.SSL_ctrl(s, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                     (void *)name) != 1) {
      return false;
    }
    return !verify || ssl.SSL_set1_host(s, name) == 1;
  }
  return true;
}

neap_tls_engine *neap_tls_engine_new(const neap_tls_context *context,
                                     const char *server_name) {
  neap_tls_engine *engine = neap_realloc(NULL, 0, sizeof *engine);
  if (engine == NULL) {
    return NULL;
  }
  memset(engine, 0, sizeof *engine);
  engine->ssl = ssl.SSL_new(context->ctx);
  BIO *bio = ssl.BIO_new(method);
  if (engine->ssl == NULL || bio == NULL) {
    ssl.BIO_free(bio);
    neap_tls_engine_free(engine);
    return NULL;
  }
  ssl.BIO_set_data(bio, engine);
  ssl.BIO_set_init(bio, 1);
  ssl.SSL_set_bio(engine->ssl, bio, bio);
  if (context->is_server) {
    ssl.SSL_set_accept_state(engine->ssl);
  } else {
    ssl.SSL_set_connect_state(engine->ssl);
  }
  if (server_name != NULL &&
      !set_server_name(engine->ssl, server_name, context->verify)) {
    neap_tls_engine_free(engine);
    return NULL;
  }
  return engine;
}

void neap_tls_engine_free(neap_tls_engine *engine) {
  ssl.SSL_free(engine->ssl);
  neap_buffer_free(&engine->input);
  neap_buffer_free(&engine->output);
  neap_realloc(engine, sizeof *engine, 0);
}

static void note_error(neap_tls_engine *engine) {
  long verified = ssl.SSL_get_verify_result(engine->ssl);
  if (verified != X509_V_OK) {
    snprintf(engine->error, sizeof engine->error, "certificate: %s",
             ssl.X509_verify_cert_error_string(verified));
  } else {
    snprintf(engine->error, sizeof engine->error, "%s", reason());
  }
}

/* What the result of an SSL function means. */
static neap_tls_status status_of(neap_tls_engine *engine, int result) {
  if (result == 1) {
    return NEAP_TLS_OK;
  }
  switch (ssl.SSL_get_error(engine->ssl, result)) {
  case SSL_ERROR_WANT_READ:
    return NEAP_TLS_WANTS_INPUT;
  case SSL_ERROR_ZERO_RETURN:
    return NEAP_TLS_CLOSED;
  default:
    if (engine->error[0] == '\0') { /* the first one is the cause */
      note_error(engine);
    }
    ssl.ERR_clear_error();
    return NEAP_TLS_FAILED;
  }
}

neap_tls_status neap_tls_handshake(neap_tls_engine *engine) {
  ssl.ERR_clear_error();
  return status_of(engine, ssl.SSL_do_handshake(engine->ssl));
}

neap_tls_status neap_tls_read(neap_tls_engine *engine, char *out, size_t size,
                              size_t *got) {
  *got = 0;
  ssl.ERR_clear_error();
  return status_of(engine, ssl.SSL_read_ex(engine->ssl, out, size, got));
}

neap_tls_status neap_tls_write(neap_tls_engine *engine, const char *in,
                               size_t length) {
  size_t written = 0;
  ssl.ERR_clear_error();
  return length == 0 ? NEAP_TLS_OK
                     : status_of(engine, ssl.SSL_write_ex(engine->ssl, in,
                                                          length, &written));
}

void neap_tls_shutdown(neap_tls_engine *engine) {
  ssl.ERR_clear_error();
  ssl.SSL_shutdown(engine->ssl);
  ssl.ERR_clear_error();
}

void neap_tls_put_input(neap_tls_engine *engine, const char *in,
                        size_t length) {
  engine->fresh = in;
  engine->fresh_length = length;
}

bool neap_tls_keep_input(neap_tls_engine *engine) {
  size_t length = engine->fresh_length;
  if (length == 0) {
    return true;
  }
  char *room = neap_buffer_room(&engine->input, length);
  engine->fresh_length = 0;
  if (room == NULL) {
    return false;
  }
  memcpy(room, engine->fresh, length);
  neap_buffer_add(&engine->input, length);
  return true;
}

neap_buffer *neap_tls_output(neap_tls_engine *engine) {
  return &engine->output;
}

const char *neap_tls_error(const neap_tls_engine *engine) {
  return engine->error;
}

const char *neap_tls_version(const neap_tls_engine *engine) {
  return ssl.SSL_get_version(engine->ssl);
}

const char *neap_tls_cipher(const neap_tls_engine *engine) {
  return ssl.SSL_CIPHER_get_name(ssl.SSL_get_current_cipher(engine->ssl));
}

const char *neap_tls_protocol(const neap_tls_engine *engine, size_t *length) {
  const unsigned char *protocol = NULL;
  unsigned int size = 0;
  ssl.SSL_get0_alpn_selected(engine->ssl, &protocol, &size);
  *length = size;
  return (const char *)protocol;
}

/* ---- connections of other libraries ---- */

static void on_end_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index,
                         long number, void *pointer) {
  (void)parent;
  (void)ad;
  (void)index;
  (void)number;
  (void)pointer;
  neap_tls_end *end = ptr;
  if (end != NULL) {
    end->ssl = NULL;
  }
}

static void on_info(const SSL *s, int where, int value) {
  neap_tls_end *end = ssl.SSL_get_ex_data(s, end_index);
  if (end != NULL && where == SSL_CB_READ_ALERT &&
      (value & 0xff) == SSL_AD_CLOSE_NOTIFY) {
    end->said = true;
  }
}

void neap_tls_end_watch(neap_tls_end *end, void *object, const char *version) {
  static const char name[] = "OpenSSL/";
  if (object == NULL || version == NULL || neap_openssl_load() != NULL ||
      strncmp(version, name, sizeof name - 1) != 0 ||
      strcmp(version + sizeof name - 1,
             ssl.OpenSSL_version(OPENSSL_VERSION_STRING)) != 0 ||
      ssl.SSL_set_ex_data(object, end_index, end) != 1) {
    return;
  }
  end->ssl = object;
  end->asked = true;
  end->said = (ssl.SSL_get_shutdown(object) & SSL_RECEIVED_SHUTDOWN) != 0;
  ssl.SSL_set_info_callback(object, on_info);
}

bool neap_tls_end_is_missing(neap_tls_end *end) {
  bool missing = end->asked && !end->said;
  if (end->ssl != NULL) {
    ssl.SSL_set_info_callback(end->ssl, NULL);
    ssl.SSL_set_ex_data(end->ssl, end_index, NULL);
  }
  memset(end, 0, sizeof *end);
  return missing;
}

#endif
