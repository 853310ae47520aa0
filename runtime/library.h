/* SPDX-License-Identifier: MIT */
/* library.h - shared libraries that are loaded when first needed, and stay.
 *
 * A large library that few programs use should cost the others nothing, and be
 * missing without harm. Its functions are listed once:
 *
 *   #define ZLIB(X) X(deflate) X(inflate)
 *   static struct { ZLIB(NEAP_LIBRARY_MEMBER) } zlib;
 *   static const char *const names[] = {ZLIB(NEAP_LIBRARY_NAME) NULL};
 *   static uv_lib_t library;
 *   ... neap_library_load(&library, "libz.so.1", names, &zlib) == NULL ...
 *   ... zlib.inflate(...) ...
 *
 * The idea, and its form, are systemd's. */
#ifndef NEAP_LIBRARY_H
#define NEAP_LIBRARY_H

#include <uv.h>

/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares a member. */
#define NEAP_LIBRARY_MEMBER(function) __typeof__(function) *function;
#define NEAP_LIBRARY_NAME(function) #function,

/* Loads the library and puts the functions, in the order of their names, into
 * `table`, a struct of function pointers. Returns NULL, or why it could not: a
 * text that lives as long as `lib`. All three are the process's: call it once,
 * with uv_once. */
const char *neap_library_load(uv_lib_t *lib, const char *file,
                              const char *const *names, void *table);

#endif
