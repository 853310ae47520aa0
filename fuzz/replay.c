/* SPDX-License-Identifier: MIT */
/* replay.c - a target without libFuzzer: NAME FILE_OR_FOLDER... gives it the
 * files one after the other. Any compiler will do, so the corpus is part of the
 * suite. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"

static size_t count;
static const char *current;

/* Which input it was, if it is the last one. */
static void say_current(void) {
  if (current != NULL) {
    fprintf(stderr, "fuzz: while %s was replayed\n", current);
  }
}

static uint8_t *read_file(const char *path, size_t size) {
  FILE *file = fopen(path, "rb");
  /* Of just this size, so that AddressSanitizer sees what is beyond. */
  uint8_t *data = malloc(size > 0 ? size : 1);
  if (file == NULL || data == NULL || fread(data, 1, size, file) != size) {
    perror(path);
    exit(2);
  }
  fclose(file);
  return data;
}

static void replay(const char *path);

static int is_visible(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static void replay_folder(const char *path) {
  struct dirent **entries = NULL;
  int n = scandir(path, &entries, is_visible, alphasort);
  for (int i = 0; i < n; i++) {
    char child[4096];
    snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
    replay(child);
    free(entries[i]);
  }
  free(entries);
}

static void replay(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) {
    perror(path);
    exit(2);
  }
  if (S_ISDIR(status.st_mode)) {
    replay_folder(path);
    return;
  }
  uint8_t *data = read_file(path, (size_t)status.st_size);
  current = path;
  LLVMFuzzerTestOneInput(data, (size_t)status.st_size);
  current = NULL;
  free(data);
  count++;
}

int main(int argc, char **argv) {
  atexit(say_current);
  for (int i = 1; i < argc; i++) {
    replay(argv[i]);
  }
  if (fuzz_end != NULL) {
    fuzz_end();
  }
  printf("%zu inputs\n", count);
  return count > 0 ? 0 : 2;
}
