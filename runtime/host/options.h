/* SPDX-License-Identifier: MIT */
/* options.h - what the command line asks for. */
#ifndef NEAP_HOST_OPTIONS_H
#define NEAP_HOST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum host_step_kind {
  HOST_INIT,     /* LUA_INIT, unless the environment is ignored */
  HOST_CODE,     /* -e: `text` is the code */
  HOST_MODULE,   /* -l: `text` is "module" or "global=module" */
  HOST_WARNINGS, /* -W */
  HOST_SCRIPT,   /* `text` is the path, NULL stdin; gets the arguments */
  HOST_STDIN,    /* stdin as a script, when nothing else is asked for */
} host_step_kind;

/* One thing to do, in the order of the command line. */
typedef struct host_step {
  host_step_kind kind;
  const char *text; /* part of argv, or NULL */
} host_step;

/* Owner: main(), from host_options_parse to host_options_free. */
typedef struct host_options {
  int argc;
  char **argv;
  int script;      /* index of the script in argv; argc if there is none */
  const char *bad; /* the option that cannot be; NULL: all can */
  bool help;
  bool version;
  bool interactive;
  bool ignore_environment;
  bool virtual_clock;
  bool test; /* `neap test`: what follows `script` is for busted */
  bool debug;
  bool sandbox;
  host_step *steps;
  size_t step_count;
} host_options;

/* Reads the command line. False without memory. */
bool host_options_parse(host_options *options, int argc, char **argv);

void host_options_free(host_options *options);

void host_print_usage(FILE *file);

void host_print_version(void);

#endif
