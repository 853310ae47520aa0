/* SPDX-License-Identifier: MIT */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/alloc.h"

/* read(2) and write(2) take no more than this at once. */
enum { MOST_AT_ONCE = 0x7ffff000, ANY_MODE = 0666 };

/* Bytes. */
enum { FIRST_SIZE = 4096, MUCH = 1 << 20 };

void neap_file_work_init(neap_file_work *w) {
  memset(w, 0, sizeof *w);
  w->fd = w->owned_fd = w->mode = -1;
}

/* Frees what the last call holds. */
static void clean_up(neap_file_work *w) {
  if (w->made) {
    w->made = false;
    uv_fs_req_cleanup(&w->fs);
  }
}

void neap_file_work_dispose(neap_file_work *w) {
  clean_up(w);
  if (w->owned_fd >= 0) {
    uv_fs_close(NULL, &w->fs, w->owned_fd, NULL);
    uv_fs_req_cleanup(&w->fs);
    w->owned_fd = -1;
  }
  neap_realloc(w->data, w->capacity, 0);
  w->data = NULL;
  w->capacity = 0;
}

/* Notes how a call went; false if it failed. */
static bool note(neap_file_work *w, const char *syscall, int64_t status) {
  w->made = true;
  w->status = status;
  w->syscall = syscall;
  return status >= 0;
}

/* ---- one call each ---- */

void neap_file_stat(neap_file_work *w) {
  note(w, "stat", uv_fs_stat(NULL, &w->fs, w->path, NULL));
}

void neap_file_lstat(neap_file_work *w) {
  note(w, "lstat", uv_fs_lstat(NULL, &w->fs, w->path, NULL));
}

void neap_file_fstat(neap_file_work *w) {
  note(w, "fstat", uv_fs_fstat(NULL, &w->fs, w->fd, NULL));
}

void neap_file_sync(neap_file_work *w) {
  note(w, "fsync", uv_fs_fsync(NULL, &w->fs, w->fd, NULL));
}

void neap_file_readdir(neap_file_work *w) {
  note(w, "scandir", uv_fs_scandir(NULL, &w->fs, w->path, 0, NULL));
}

void neap_file_mkdtemp(neap_file_work *w) {
  note(w, "mkdtemp", uv_fs_mkdtemp(NULL, &w->fs, w->path, NULL));
}

void neap_file_rmdir(neap_file_work *w) {
  note(w, "rmdir", uv_fs_rmdir(NULL, &w->fs, w->path, NULL));
}

void neap_file_unlink(neap_file_work *w) {
  note(w, "unlink", uv_fs_unlink(NULL, &w->fs, w->path, NULL));
}

void neap_file_rename(neap_file_work *w) {
  note(w, "rename", uv_fs_rename(NULL, &w->fs, w->path, w->path2, NULL));
}

void neap_file_copy(neap_file_work *w) {
  note(w, "copyfile",
       uv_fs_copyfile(NULL, &w->fs, w->path, w->path2, w->flags, NULL));
}

void neap_file_symlink(neap_file_work *w) {
  note(w, "symlink", uv_fs_symlink(NULL, &w->fs, w->path2, w->path, 0, NULL));
}

void neap_file_readlink(neap_file_work *w) {
  note(w, "readlink", uv_fs_readlink(NULL, &w->fs, w->path, NULL));
}

void neap_file_chmod(neap_file_work *w) {
  note(w, "chmod", uv_fs_chmod(NULL, &w->fs, w->path, w->mode, NULL));
}

/* ---- directories and those above them ---- */

static bool make_directory(neap_file_work *w, const char *path) {
  int mode = w->mode < 0 ? 0777 : w->mode;
  clean_up(w);
  return note(w, "mkdir", uv_fs_mkdir(NULL, &w->fs, path, mode, NULL));
}

static bool is_directory(neap_file_work *w, const char *path) {
  uv_fs_t fs;
  (void)w;
  bool found = uv_fs_stat(NULL, &fs, path, NULL) >= 0 &&
               (fs.statbuf.st_mode & (uint64_t)S_IFMT) == (uint64_t)S_IFDIR;
  uv_fs_req_cleanup(&fs);
  return found;
}

/* From the top down; what is there is there. */
static void make_parents(neap_file_work *w, char *path) {
  for (char *p = path + 1; *p != '\0'; p++) {
    if (*p == '/') {
      *p = '\0';
      make_directory(w, path);
      *p = '/';
    }
  }
}

void neap_file_mkdir(neap_file_work *w) {
  if (!w->parents) {
    make_directory(w, w->path);
    return;
  }
  w->capacity = strlen(w->path) + 1;
  w->data = neap_realloc(NULL, 0, w->capacity);
  if (w->data == NULL) {
    w->capacity = 0;
    note(w, "mkdir", UV_ENOMEM);
    w->made = false;
    return;
  }
  memcpy(w->data, w->path, w->capacity);
  if (w->capacity > 1) {
    make_parents(w, w->data);
  }
  if (!make_directory(w, w->path) && is_directory(w, w->path)) {
    w->status = 0;
  }
}

/* ---- open files ---- */

void neap_file_open(neap_file_work *w) {
  int mode = w->mode < 0 ? ANY_MODE : w->mode;
  clean_up(w);
  if (note(w, "open",
           uv_fs_open(NULL, &w->fs, w->path, w->flags, mode, NULL))) {
    w->owned_fd = (int)w->status;
  }
}

void neap_file_close(neap_file_work *w) {
  int fd = w->owned_fd;
  w->owned_fd = -1;
  clean_up(w);
  note(w, "close", uv_fs_close(NULL, &w->fs, fd, NULL));
}

void neap_file_seek(neap_file_work *w) {
  w->syscall = "lseek";
  w->status = lseek(w->fd, (off_t)w->offset, w->whence);
  if (w->status < 0) {
    w->status = uv_translate_sys_error(errno);
  }
}

/* Room for `size` bytes in all. */
static bool reserve(neap_file_work *w, size_t size) {
  if (size > w->capacity) {
    char *data = neap_realloc(w->data, w->capacity, size);
    if (data == NULL) {
      w->syscall = "read";
      w->status = UV_ENOMEM;
      return false;
    }
    w->data = data;
    w->capacity = size;
  }
  return true;
}

/* Not uv_fs_realpath, which frees what the C library has allocated by libuv's
 * allocator. */
void neap_file_realpath(neap_file_work *w) {
  char *path = realpath(w->path, NULL);
  w->syscall = "realpath";
  w->status = path == NULL ? uv_translate_sys_error(errno) : 0;
  if (path != NULL && reserve(w, strlen(path) + 1)) {
    w->size = strlen(path);
    memcpy(w->data, path, w->size);
  }
  free(path);
}

/* Reads up to `size` bytes; false at the end, or if it failed. */
static bool read_some(neap_file_work *w, size_t size) {
  size_t most = size > MOST_AT_ONCE ? MOST_AT_ONCE : size;
  uv_buf_t buf = uv_buf_init(w->data + w->size, (unsigned)most);
  clean_up(w);
  do {
    note(w, "read", uv_fs_read(NULL, &w->fs, w->fd, &buf, 1, -1, NULL));
  } while (w->status == UV_EINTR);
  if (w->status > 0) {
    w->size += (size_t)w->status;
  }
  return w->status > 0;
}

/* `hint`: what is probably there. One byte more than that shows the end. */
static void read_whole(neap_file_work *w, size_t hint) {
  size_t room = hint < FIRST_SIZE ? FIRST_SIZE : hint + 1;
  do {
    if (w->size == w->capacity &&
        !reserve(w, w->capacity == 0 ? room : w->capacity + w->capacity / 2)) {
      return;
    }
  } while (read_some(w, w->capacity - w->size));
}

/* Bytes from the position to the end, as far as the system knows. */
static size_t bytes_left(neap_file_work *w) {
  uv_fs_t fs;
  size_t size = 0;
  if (uv_fs_fstat(NULL, &fs, w->fd, NULL) >= 0) {
    off_t at = lseek(w->fd, 0, SEEK_CUR);
    uint64_t from = at < 0 ? 0 : (uint64_t)at;
    size = from < fs.statbuf.st_size ? (size_t)(fs.statbuf.st_size - from) : 0;
  }
  uv_fs_req_cleanup(&fs);
  return size;
}

/* Somebody who asks for very much wants what is there. */
static size_t most_to_read(neap_file_work *w) {
  if (w->max <= MUCH) {
    return w->max;
  }
  size_t left = bytes_left(w);
  size_t size = left < MUCH ? MUCH : left;
  return size < w->max ? size : w->max;
}

void neap_file_read(neap_file_work *w) {
  if (w->whole) {
    read_whole(w, bytes_left(w));
    return;
  }
  size_t size = most_to_read(w);
  if (reserve(w, size)) {
    read_some(w, size);
  }
}

/* A pipe without a reader is an error of the write's, no signal. The thread is
 * the pool's, and stays so. */
static void block_sigpipe(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void neap_file_write(neap_file_work *w) {
  const char *from = w->text;
  size_t left = w->length;
  block_sigpipe();
  w->status = 0;
  while (left > 0 && w->status >= 0) {
    size_t most = left > MOST_AT_ONCE ? MOST_AT_ONCE : left;
    uv_buf_t buf = uv_buf_init((char *)from, (unsigned)most);
    clean_up(w);
    do {
      note(w, "write", uv_fs_write(NULL, &w->fs, w->fd, &buf, 1, -1, NULL));
    } while (w->status == UV_EINTR);
    if (w->status > 0) {
      from += w->status;
      left -= (size_t)w->status;
    }
  }
}

/* ---- whole files ---- */

/* Closes the file that was opened, and keeps the first error. */
static void close_after(neap_file_work *w) {
  int64_t status = w->status;
  const char *syscall = w->syscall;
  neap_file_close(w);
  if (status < 0) {
    w->status = status;
    w->syscall = syscall;
  }
}

void neap_file_read_path(neap_file_work *w) {
  w->flags = UV_FS_O_RDONLY;
  neap_file_open(w);
  if (w->status >= 0) {
    w->fd = w->owned_fd;
    read_whole(w, bytes_left(w));
    close_after(w);
  }
}

/* Another file's name, in the same directory: PATH.neap-PID-N-M */
static bool name_beside(neap_file_work *w, const char *path, unsigned attempt) {
  size_t size = strlen(path) + 64;
  if (!reserve(w, size)) {
    w->syscall = "open";
    return false;
  }
  snprintf(w->data, size, "%s.neap-%ld-%x-%x", path, (long)uv_os_getpid(),
           w->unique, attempt);
  return true;
}

static void open_beside(neap_file_work *w, const char *path) {
  enum { ATTEMPTS = 100 };

  w->flags = UV_FS_O_WRONLY | UV_FS_O_CREAT | UV_FS_O_EXCL;
  for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (!name_beside(w, path, attempt)) {
      return;
    }
    w->path = w->data;
    neap_file_open(w);
    if (w->status != UV_EEXIST) {
      return;
    }
  }
}

/* The file that is replaced passes its permissions on. */
static void copy_permissions(neap_file_work *w, const char *path) {
  uv_fs_t fs;
  int mode = uv_fs_stat(NULL, &fs, path, NULL) < 0
                 ? -1
                 : (int)(fs.statbuf.st_mode & 07777);
  uv_fs_req_cleanup(&fs);
  if (mode >= 0) {
    clean_up(w);
    note(w, "fchmod", uv_fs_fchmod(NULL, &w->fs, w->fd, mode, NULL));
  }
}

static void replace(neap_file_work *w, const char *path) {
  w->fd = w->owned_fd;
  neap_file_write(w);
  if (w->status >= 0 && w->mode < 0) {
    copy_permissions(w, path);
  }
  if (w->status >= 0) {
    clean_up(w);
    neap_file_sync(w);
  }
  close_after(w);
  if (w->status >= 0) {
    clean_up(w);
    note(w, "rename", uv_fs_rename(NULL, &w->fs, w->data, path, NULL));
  }
  if (w->status < 0) {
    uv_fs_t fs;
    uv_fs_unlink(NULL, &fs, w->data, NULL);
    uv_fs_req_cleanup(&fs);
  }
}

void neap_file_write_path(neap_file_work *w) {
  if (w->atomic) {
    const char *path = w->path;
    open_beside(w, path);
    if (w->status >= 0) {
      replace(w, path);
    }
    return;
  }
  neap_file_open(w);
  if (w->status >= 0) {
    w->fd = w->owned_fd;
    neap_file_write(w);
    close_after(w);
  }
}
