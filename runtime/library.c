/* SPDX-License-Identifier: MIT */
#include "runtime/library.h"

#include <stddef.h>
#include <string.h>

const char *neap_library_load(uv_lib_t *lib, const char *file,
                              const char *const *names, void *table) {
  if (uv_dlopen(file, lib) != 0) {
    return uv_dlerror(lib);
  }
  char *member = table;
  for (const char *const *name = names; *name != NULL; name++) {
    void *function = NULL;
    if (uv_dlsym(lib, *name, &function) != 0) {
      return uv_dlerror(lib);
    }
    memcpy(member, &function, sizeof function);
    member += sizeof function;
  }
  return NULL;
}
