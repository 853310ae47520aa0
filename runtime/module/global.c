/* SPDX-License-Identifier: MIT */
/* global.c - only in the Lua module: C modules that a script requires after it
 * find the functions of neap.h, as they do in the program. The interpreter
 * loads each module for itself alone (RTLD_LOCAL). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>

static const char here;

/* At worst, such a module cannot be loaded. */
__attribute__((constructor)) static void show_to_modules(void) {
  Dl_info info;
  if (dladdr(&here, &info) != 0 && info.dli_fname != NULL) {
    void *self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
    if (self != NULL) {
      dlclose(self); /* it stays loaded, and global */
    }
  }
}
