/* SPDX-License-Identifier: MIT */
#include "runtime/file_request.h"

#include <string.h>

#include <lauxlib.h>

#include "runtime/object.h"
#include "runtime/os_error.h"
#include "runtime/task.h"

/* ---- the request ---- */

void neap_file_close_now(neap_open_file *f) {
  uv_fs_t fs;
  if (f->fd >= 0) {
    uv_fs_close(NULL, &fs, f->fd, NULL);
    uv_fs_req_cleanup(&fs);
    f->fd = -1;
  }
}

static void dispose(neap_uv_request *base) {
  neap_file_work_dispose(&((neap_file_request *)base)->work);
}

static void ended(neap_uv_request *base) {
  neap_open_file *f = ((neap_file_request *)base)->file;
  if (f != NULL && f->busy) {
    f->busy = false;
    if (f->closing) {
      neap_file_close_now(f);
      neap_wake_all(&f->turns); /* to be told */
    } else {
      neap_wake_first(&f->turns);
    }
  }
}

static const neap_uv_request_kind file_kind = {dispose, ended};

static void on_pool(uv_work_t *work) {
  neap_file_request *r =
      NEAP_CONTAINER_OF(work, neap_file_request, base.uv.work);
  r->op->work(&r->work);
}

neap_file_request *neap_file_request_new(lua_State *L,
                                         const neap_file_operation *op) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_check_wait(L, rt);
  neap_file_request *r = (neap_file_request *)neap_uv_request_new(
      L, rt, &file_kind, sizeof *r, NEAP_FILE_VALUE);
  neap_file_work_init(&r->work);
  r->op = op;
  r->base.name = op->name;
  return r;
}

static int k_request(lua_State *L, int status, lua_KContext ctx) {
  neap_file_request *r = lua_touserdata(L, (int)ctx);
  (void)status;
  int64_t result = r->base.status < 0 ? r->base.status : r->work.status;
  if (result < 0) {
    const char *syscall = r->work.syscall == NULL ? "open" : r->work.syscall;
    return neap_raise_os_error(L, r->base.rt, (int)result, syscall,
                               r->base.subject);
  }
  int n = r->op->push(L, r);
  dispose(&r->base);
  return n;
}

/* [-?, +?, v] Hands the request, on the top, to the pool and waits. */
int neap_file_request_start(lua_State *L, neap_file_request *r) {
  neap_runtime *rt = r->base.rt;
  neap_uv_request_prepare(L, &r->base);
  int err =
      uv_queue_work(&rt->uv, &r->base.uv.work, on_pool, neap_uv_request_worked);
  if (err != 0) {
    return neap_raise_os_error(L, rt, err, r->op->name, r->base.subject);
  }
  if (r->file != NULL) {
    r->file->busy = true;
  }
  return neap_uv_request_park(L, rt->current, &r->base, lua_gettop(L),
                              k_request);
}

/* [-0, +0, v] The string at `arg`, kept by the request on the top. */
const char *neap_file_keep(lua_State *L, int arg, int value, size_t *length) {
  const char *text = luaL_checklstring(L, arg, length);
  lua_pushvalue(L, arg);
  lua_setiuservalue(L, -2, value);
  return text;
}

/* [-0, +0, v] A path: any bytes but zero. */
const char *neap_file_check_path(lua_State *L, int arg, int value) {
  size_t length;
  const char *path = neap_file_keep(L, arg, value, &length);
  luaL_argcheck(L, strlen(path) == length, arg, "a path without NUL expected");
  return path;
}

/* ---- results ---- */

enum { ALL_PERMISSIONS = 07777 };

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void set_time(lua_State *L, const char *name, uv_timespec_t at) {
  lua_pushnumber(L, (lua_Number)at.tv_sec + (lua_Number)at.tv_nsec / 1e9);
  lua_setfield(L, -2, name);
}

static const char *type_name(uint64_t mode) {
  switch (mode & (uint64_t)S_IFMT) {
  case S_IFREG:
    return "file";
  case S_IFDIR:
    return "directory";
  case S_IFLNK:
    return "link";
  case S_IFIFO:
    return "fifo";
  case S_IFSOCK:
    return "socket";
  case S_IFCHR:
    return "char";
  case S_IFBLK:
    return "block";
  default:
    return "unknown";
  }
}

int neap_file_push_stat(lua_State *L, neap_file_request *r) {
  const uv_stat_t *st = &r->work.fs.statbuf;
  lua_createtable(L, 0, 13);
  lua_pushstring(L, type_name(st->st_mode));
  lua_setfield(L, -2, "type");
  set_integer(L, "size", st->st_size);
  set_integer(L, "mode", st->st_mode & ALL_PERMISSIONS);
  set_integer(L, "uid", st->st_uid);
  set_integer(L, "gid", st->st_gid);
  set_integer(L, "ino", st->st_ino);
  set_integer(L, "dev", st->st_dev);
  set_integer(L, "nlink", st->st_nlink);
  set_integer(L, "blocks", st->st_blocks);
  set_time(L, "atime", st->st_atim);
  set_time(L, "mtime", st->st_mtim);
  set_time(L, "ctime", st->st_ctim);
  set_time(L, "birthtime", st->st_birthtim);
  return 1;
}
