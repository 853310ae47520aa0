/* SPDX-License-Identifier: MIT */
/* hello.c - the smallest host: opens a runtime, runs a script to its end. */
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include <neap.h>

static const char script[] = "local neap = require 'neap'\n"
                             "local task = neap.create_task(function(name)\n"
                             "  neap.sleep(0.01)\n"
                             "  return 'hello, ' .. name\n"
                             "end, 'world')\n"
                             "return task:await()\n";

int main(void) {
  neap_runtime *rt;
  int err = neap_open(NULL, &rt);
  if (err != 0) {
    fprintf(stderr, "hello: %s\n", uv_strerror(err));
    return EXIT_FAILURE;
  }
  lua_State *L = neap_state(rt);
  neap_run_status status = neap_run_string(L, script, "=script");
  /* The text of a result, or of an error with its traceback. */
  printf("%s\n", lua_tostring(L, -1));
  neap_close(rt);
  return status == NEAP_RUN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
