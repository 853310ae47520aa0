/* SPDX-License-Identifier: MIT */
/* options.c - those of lua.c 5.4, with the same rules, and neap's own. */
#include "runtime/host/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lua.h>

#include "runtime/neap.h"

void host_print_usage(FILE *file) {
  fputs("usage: neap [options] [script [args]]\n"
        "       neap test [--help | options] [files or folders]\n"
        "The script runs as the main task. Options:\n"
        "  -e stat          execute string 'stat'\n"
        "  -i               enter interactive mode after executing 'script'\n"
        "  -l mod           require library 'mod' into global 'mod'\n"
        "  -l g=mod         require library 'mod' into global 'g'\n"
        "  -v, --version    show version information\n"
        "  -E               ignore environment variables\n"
        "  -W               turn warnings on\n"
        "  --virtual-clock  jump to the next deadline instead of waiting\n"
        "  --debug          report slow steps and lost tasks\n"
        "  --sandbox        run a script that is not trusted, within limits\n"
        "  --help           show this text\n"
        "  --               stop handling options\n"
        "  -                stop handling options and execute stdin\n",
        file);
}

void host_print_version(void) {
  printf("neap %s (%s)\n", neap_version(), LUA_RELEASE);
  fflush(stdout);
}

static void add_step(host_options *options, host_step_kind kind,
                     const char *text) {
  host_step step = {kind, text};
  options->steps[options->step_count++] = step;
}

static bool parse_long(host_options *options, const char *option) {
  if (strcmp(option, "--virtual-clock") == 0) {
    options->virtual_clock = true;
  } else if (strcmp(option, "--debug") == 0) {
    options->debug = true;
  } else if (strcmp(option, "--sandbox") == 0) {
    options->sandbox = true;
  } else if (strcmp(option, "--version") == 0) {
    options->version = true;
  } else if (strcmp(option, "--help") == 0) {
    options->help = true;
  } else {
    return false;
  }
  return true;
}

/* The operand may follow at once or be the next argument. */
static bool parse_operand(host_options *options, int *index) {
  const char *option = options->argv[*index];
  const char *operand = option + 2;
  if (*operand == '\0') {
    operand = options->argv[*index + 1];
    if (operand == NULL || *operand == '-') {
      return false;
    }
    ++*index;
  }
  add_step(options, option[1] == 'e' ? HOST_CODE : HOST_MODULE, operand);
  return true;
}

static bool parse_flag(host_options *options, const char *option) {
  if (option[2] != '\0') {
    return false;
  }
  switch (option[1]) {
  case 'i':
    options->interactive = options->version = true;
    return true;
  case 'v':
    options->version = true;
    return true;
  case 'E':
    options->ignore_environment = true;
    return true;
  case 'W':
    add_step(options, HOST_WARNINGS, NULL);
    return true;
  default:
    return false;
  }
}

/* Reads options up to the script; notes one that cannot be. */
static int parse_options(host_options *options) {
  char **argv = options->argv;
  int index = 1;
  for (; index < options->argc; index++) {
    const char *option = argv[index];
    bool ok = false;
    if (option[0] != '-' || option[1] == '\0') {
      break;
    }
    if (strcmp(option, "--") == 0) {
      return index + 1;
    }
    if (option[1] == '-') {
      ok = parse_long(options, option);
    } else if (option[1] == 'e' || option[1] == 'l') {
      ok = parse_operand(options, &index);
    } else {
      ok = parse_flag(options, option);
    }
    if (!ok) {
      options->bad = option;
      break;
    }
  }
  return index < options->argc ? index : options->argc;
}

static bool has_code(const host_options *options) {
  for (size_t i = 0; i < options->step_count; i++) {
    if (options->steps[i].kind == HOST_CODE) {
      return true;
    }
  }
  return false;
}

static void choose_script(host_options *options) {
  int script = options->script;
  char **argv = options->argv;
  if (script < options->argc) {
    bool is_name = strcmp(argv[script - 1], "--") == 0;
    bool is_stdin = strcmp(argv[script], "-") == 0 && !is_name;
    if (strcmp(argv[script], "test") == 0 && !is_name) {
      options->test = true;
      return;
    }
    add_step(options, HOST_SCRIPT, is_stdin ? NULL : argv[script]);
  } else if (!options->version && !has_code(options)) {
    if (isatty(STDIN_FILENO)) {
      options->interactive = options->version = true;
    } else {
      add_step(options, HOST_STDIN, NULL);
    }
  }
}

bool host_options_parse(host_options *options, int argc, char **argv) {
  memset(options, 0, sizeof *options);
  options->argc = argc;
  options->argv = argv;
  /* Each argument is a step at most; one more before and one after. */
  options->steps = calloc((size_t)argc + 2, sizeof *options->steps);
  if (options->steps == NULL) {
    return false;
  }
  add_step(options, HOST_INIT, NULL);
  options->script = parse_options(options);
  choose_script(options);
  return true;
}

void host_options_free(host_options *options) {
  free(options->steps);
  options->steps = NULL;
}
