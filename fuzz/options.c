/* SPDX-License-Identifier: MIT */
/* options.c - the command line of the program: any arguments, each up to a
 * line end. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "runtime/host/options.h"

enum { MOST = 32 };

static bool is_argument(const host_options *options, const char *text) {
  for (int i = 1; i < options->argc; i++) {
    const char *argument = options->argv[i];
    if (text >= argument && text <= argument + strlen(argument)) {
      return true;
    }
  }
  return false;
}

static void check_steps(const host_options *options) {
  size_t scripts = 0;
  FUZZ_CHECK(options->step_count >= 1 &&
                 options->step_count <= (size_t)options->argc + 2,
             "as many steps as there is room for");
  FUZZ_CHECK(options->steps[0].kind == HOST_INIT, "LUA_INIT comes first");
  for (size_t i = 1; i < options->step_count; i++) {
    const host_step *step = &options->steps[i];
    bool may_lack = step->kind == HOST_SCRIPT || step->kind == HOST_STDIN ||
                    step->kind == HOST_WARNINGS;
    FUZZ_CHECK(step->text == NULL ? may_lack : is_argument(options, step->text),
               "a step's text is of the command line");
    scripts += step->kind == HOST_SCRIPT || step->kind == HOST_STDIN;
  }
  FUZZ_CHECK(scripts <= 1, "one script");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *argv[MOST + 1] = {(char[]){"neap"}};
  char *text = malloc(size + 1);
  FUZZ_CHECK(text != NULL, "no memory");
  memcpy(text, data, size);
  text[size] = '\0';
  int argc = 1;
  char *end = text + size;
  for (char *at = text; at < end && argc < MOST; argc++) {
    argv[argc] = at;
    char *line_end = memchr(at, '\n', (size_t)(end - at));
    at = line_end == NULL ? end : line_end + 1;
    if (line_end != NULL) {
      *line_end = '\0';
    }
  }
  host_options options;
  FUZZ_CHECK(host_options_parse(&options, argc, argv), "no memory");
  FUZZ_CHECK(options.script >= 1 && options.script <= argc, "where it begins");
  FUZZ_CHECK(options.bad == NULL || is_argument(&options, options.bad),
             "what is bad is an argument");
  check_steps(&options);
  host_options_free(&options);
  free(text);
  return 0;
}
