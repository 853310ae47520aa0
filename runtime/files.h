/* SPDX-License-Identifier: MIT */
/* files.h - what neap.fs does on the thread pool: plain C over libuv's blocking
 * calls. One piece of work is whole, so reading a file costs one trip to the
 * pool, not four.
 *
 * Every function takes its arguments from the struct and leaves its result
 * there; none knows Lua. */
#ifndef NEAP_FILES_H
#define NEAP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

typedef struct neap_file_work {
  /* Arguments; the strings belong to the caller. */
  const char *path;
  const char *path2;
  const char *text; /* to be written */
  size_t length;
  int64_t offset;  /* of seek */
  int whence;      /* of seek */
  int fd;          /* an open file */
  int flags;       /* of open, of copy */
  int mode;        /* permissions of what is made; negative: the default */
  size_t max;      /* bytes to read */
  bool whole;      /* read to the end of the file */
  bool parents;    /* mkdir: make those, too; what is there is no error */
  bool atomic;     /* write: to another file, which then takes its place */
  unsigned unique; /* for the name of that */

  /* Results. */
  int64_t status;      /* negative: libuv's error code */
  const char *syscall; /* what failed */
  uv_fs_t fs;          /* of the last call, if `made` */
  bool made;
  int owned_fd; /* to be closed by whoever disposes of this; -1: none */
  char *data;   /* what was read, or a path */
  size_t size;
  size_t capacity;
} neap_file_work;

void neap_file_work_init(neap_file_work *w);

/* Frees the results. May be called again. */
void neap_file_work_dispose(neap_file_work *w);

void neap_file_open(neap_file_work *w); /* owned_fd */
void neap_file_close(neap_file_work *w);
void neap_file_read(neap_file_work *w);  /* data, size */
void neap_file_write(neap_file_work *w); /* all of text */
void neap_file_seek(neap_file_work *w);  /* status: the position */
void neap_file_fstat(neap_file_work *w); /* fs.statbuf */
void neap_file_sync(neap_file_work *w);

void neap_file_read_path(neap_file_work *w);  /* data, size */
void neap_file_write_path(neap_file_work *w); /* flags say how to open it */
void neap_file_stat(neap_file_work *w);       /* fs.statbuf */
void neap_file_lstat(neap_file_work *w);
void neap_file_readdir(neap_file_work *w); /* uv_fs_scandir_next(&fs) */
void neap_file_mkdir(neap_file_work *w);
void neap_file_mkdtemp(neap_file_work *w); /* fs.path */
void neap_file_rmdir(neap_file_work *w);
void neap_file_unlink(neap_file_work *w);
void neap_file_rename(neap_file_work *w);
void neap_file_copy(neap_file_work *w);
void neap_file_symlink(neap_file_work *w);
void neap_file_readlink(neap_file_work *w); /* fs.ptr */
void neap_file_chmod(neap_file_work *w);
void neap_file_realpath(neap_file_work *w); /* data, size */

#endif
