/* SPDX-License-Identifier: MIT */
/* fs.c - neap.fs: files by their paths, and directories, on the thread pool. */
#include <stdio.h>
#include <string.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/file_request.h"

enum { ALL_PERMISSIONS = 07777 };

/* ---- arguments ---- */

/* [-0, +0, v] A request about the path at 1. */
static neap_file_request *path_request(lua_State *L,
                                       const neap_file_operation *op) {
  luaL_checkstring(L, 1); /* before the request is where it would be */
  neap_file_request *r = neap_file_request_new(L, op);
  r->work.path = r->base.subject = neap_file_check_path(L, 1, NEAP_FIRST_VALUE);
  return r;
}

/* [-0, +0, v] Permissions; `otherwise` if absent. */
static int check_mode(lua_State *L, int arg, int otherwise) {
  lua_Integer mode = luaL_optinteger(L, arg, otherwise);
  luaL_argcheck(L, mode >= -1 && mode <= ALL_PERMISSIONS, arg,
                "not permissions");
  return (int)mode;
}

/* [-0, +0, v] A field of the table of options at `arg`, if there is one. */
static bool get_flag(lua_State *L, int arg, const char *name) {
  bool set = false;
  if (lua_istable(L, arg)) {
    lua_getfield(L, arg, name);
    set = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  return set;
}

static int get_mode(lua_State *L, int arg) {
  int mode = -1;
  if (!lua_isnoneornil(L, arg)) {
    luaL_checktype(L, arg, LUA_TTABLE);
    if (lua_getfield(L, arg, "mode") != LUA_TNIL) {
      int is_integer;
      lua_Integer number = lua_tointegerx(L, -1, &is_integer);
      luaL_argcheck(L, is_integer && number >= 0 && number <= ALL_PERMISSIONS,
                    arg, "mode: not permissions");
      mode = (int)number;
    }
    lua_pop(L, 1);
  }
  return mode;
}

/* ---- results ---- */

static int push_nothing(lua_State *L, neap_file_request *r) {
  (void)L;
  (void)r;
  return 0;
}

static int push_data(lua_State *L, neap_file_request *r) {
  lua_pushlstring(L, r->work.data == NULL ? "" : r->work.data, r->work.size);
  return 1;
}

static int push_pointed(lua_State *L, neap_file_request *r) {
  lua_pushstring(L, r->work.fs.ptr);
  return 1;
}

static int push_path(lua_State *L, neap_file_request *r) {
  lua_pushstring(L, r->work.fs.path);
  return 1;
}

static int push_names(lua_State *L, neap_file_request *r) {
  uv_dirent_t entry;
  lua_createtable(L, (int)r->work.status, 0);
  for (lua_Integer i = 1; uv_fs_scandir_next(&r->work.fs, &entry) != UV_EOF;
       i++) {
    lua_pushstring(L, entry.name);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* ---- operations on paths ---- */

static const neap_file_operation read_file = {"fs.read_file",
                                              neap_file_read_path, push_data};
static const neap_file_operation write_file = {
    "fs.write_file", neap_file_write_path, push_nothing};
static const neap_file_operation append_file = {
    "fs.append_file", neap_file_write_path, push_nothing};
static const neap_file_operation stat_path = {"fs.stat", neap_file_stat,
                                              neap_file_push_stat};
static const neap_file_operation lstat_path = {"fs.lstat", neap_file_lstat,
                                               neap_file_push_stat};
static const neap_file_operation read_directory = {
    "fs.readdir", neap_file_readdir, push_names};
static const neap_file_operation make_directory = {"fs.mkdir", neap_file_mkdir,
                                                   push_nothing};
static const neap_file_operation make_temporary = {
    "fs.mkdtemp", neap_file_mkdtemp, push_path};
static const neap_file_operation remove_directory = {
    "fs.rmdir", neap_file_rmdir, push_nothing};
static const neap_file_operation unlink_path = {"fs.unlink", neap_file_unlink,
                                                push_nothing};
static const neap_file_operation rename_path = {"fs.rename", neap_file_rename,
                                                push_nothing};
static const neap_file_operation copy_file = {"fs.copy", neap_file_copy,
                                              push_nothing};
static const neap_file_operation make_link = {"fs.symlink", neap_file_symlink,
                                              push_nothing};
static const neap_file_operation read_link = {"fs.readlink", neap_file_readlink,
                                              push_pointed};
static const neap_file_operation change_mode = {"fs.chmod", neap_file_chmod,
                                                push_nothing};
static const neap_file_operation real_path = {"fs.realpath", neap_file_realpath,
                                              push_data};

/* read_file(path) -> string
 * The whole file.
 * raises  OSError
 * waits   always. */
static int l_read_file(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &read_file));
}

static int write_path(lua_State *L, const neap_file_operation *op, int flags) {
  lua_settop(L, 3);
  neap_file_request *r = path_request(L, op);
  r->work.text = neap_file_keep(L, 2, NEAP_SECOND_VALUE, &r->work.length);
  r->work.mode = get_mode(L, 3);
  r->work.flags = UV_FS_O_WRONLY | UV_FS_O_CREAT | flags;
  return neap_file_request_start(L, r);
}

/* write_file(path, data[, options])
 * Makes the file, or replaces what is in it.
 * options  mode: permissions of a new file, less the umask (0666); atomic:
 *          whoever reads it finds the old text or the new, never a part
 * raises   OSError
 * waits    always. */
static int l_write_file(lua_State *L) {
  bool atomic = get_flag(L, 3, "atomic");
  lua_settop(L, 3);
  neap_file_request *r = path_request(L, &write_file);
  r->work.text = neap_file_keep(L, 2, NEAP_SECOND_VALUE, &r->work.length);
  r->work.mode = get_mode(L, 3);
  r->work.flags = UV_FS_O_WRONLY | UV_FS_O_CREAT | UV_FS_O_TRUNC;
  r->work.atomic = atomic;
  r->work.unique = (unsigned)(uv_hrtime() >> 10);
  return neap_file_request_start(L, r);
}

/* append_file(path, data[, options])
 * Adds to the end of the file, which is made if it is missing.
 * options  mode: as for write_file
 * raises   OSError
 * waits    always. */
static int l_append_file(lua_State *L) {
  return write_path(L, &append_file, UV_FS_O_APPEND);
}

/* stat(path) -> table
 * What the system knows of the file: type, size, mode, mtime ...
 * raises  OSError
 * waits   always. */
static int l_stat(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &stat_path));
}

/* lstat(path) -> table
 * The same of a link itself. */
static int l_lstat(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &lstat_path));
}

/* readdir(path) -> sequence of names, sorted
 * raises  OSError
 * waits   always. */
static int l_readdir(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &read_directory));
}

/* mkdir(path[, options])
 * options  mode: permissions, less the umask (0777); parents: makes those above
 *          it as well, and a directory that is there is no error. Or the mode.
 * raises   OSError
 * waits    always. */
static int l_mkdir(lua_State *L) {
  lua_settop(L, 2);
  neap_file_request *r = path_request(L, &make_directory);
  r->work.parents = get_flag(L, 2, "parents");
  r->work.mode = lua_isinteger(L, 2) ? check_mode(L, 2, -1) : get_mode(L, 2);
  return neap_file_request_start(L, r);
}

/* [-1, +1, m] Replaces a prefix by a template for mkdtemp. */
static void make_template(lua_State *L) {
  static const char suffix[] = "XXXXXX";
  size_t length;
  const char *prefix = lua_tolstring(L, -1, &length);
  size_t n = sizeof suffix - 1;
  if (length < n || strcmp(prefix + length - n, suffix) != 0) {
    lua_pushfstring(L, "%s%s", prefix, suffix);
    lua_replace(L, -2);
  }
}

/* mkdtemp([prefix]) -> path
 * Makes a directory of a new name: the prefix and six letters, in place of
 * XXXXXX at its end if that is there. Nobody else may look into it.
 * prefix  $TMPDIR/neap- by default
 * raises  OSError
 * waits   always. */
static int l_mkdtemp(lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    char directory[4096];
    size_t size = sizeof directory;
    int err = uv_os_tmpdir(directory, &size);
    lua_pushfstring(L, "%s/neap-", err == 0 ? directory : "/tmp");
    lua_replace(L, 1);
  }
  size_t length;
  const char *prefix = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(prefix) == length, 1, "a path without NUL expected");
  make_template(L);
  return neap_file_request_start(L, path_request(L, &make_temporary));
}

/* rmdir(path)
 * raises  OSError
 * waits   always. */
static int l_rmdir(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &remove_directory));
}

/* unlink(path)
 * raises  OSError
 * waits   always. */
static int l_unlink(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &unlink_path));
}

/* rename(from, to)
 * raises  OSError
 * waits   always. */
static int l_rename(lua_State *L) {
  luaL_checkstring(L, 2);
  neap_file_request *r = path_request(L, &rename_path);
  r->work.path2 = neap_file_check_path(L, 2, NEAP_SECOND_VALUE);
  return neap_file_request_start(L, r);
}

/* copy(from, to[, options])
 * Copies a file's text and permissions.
 * options  exclusive: fails if `to` is there
 * raises   OSError
 * waits    always. */
static int l_copy(lua_State *L) {
  lua_settop(L, 3);
  if (!lua_isnil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
  }
  neap_file_request *r = path_request(L, &copy_file);
  r->work.path2 = neap_file_check_path(L, 2, NEAP_SECOND_VALUE);
  r->work.flags = get_flag(L, 3, "exclusive") ? UV_FS_COPYFILE_EXCL : 0;
  return neap_file_request_start(L, r);
}

/* symlink(target, path)
 * raises  OSError
 * waits   always. */
static int l_symlink(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  neap_file_request *r = neap_file_request_new(L, &make_link);
  r->work.path2 = neap_file_check_path(L, 1, NEAP_FIRST_VALUE);
  r->work.path = r->base.subject =
      neap_file_check_path(L, 2, NEAP_SECOND_VALUE);
  return neap_file_request_start(L, r);
}

/* readlink(path) -> target
 * raises  OSError
 * waits   always. */
static int l_readlink(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &read_link));
}

/* chmod(path, mode)
 * raises  OSError
 * waits   always. */
static int l_chmod(lua_State *L) {
  luaL_checkinteger(L, 2);
  neap_file_request *r = path_request(L, &change_mode);
  r->work.mode = check_mode(L, 2, -1);
  luaL_argcheck(L, r->work.mode >= 0, 2, "not permissions");
  return neap_file_request_start(L, r);
}

/* realpath(path) -> path
 * Absolute, and without links.
 * raises  OSError
 * waits   always. */
static int l_realpath(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &real_path));
}

static int push_true(lua_State *L, neap_file_request *r) {
  (void)r;
  lua_pushboolean(L, 1);
  return 1;
}

/* Nothing there is an answer. */
static void work_exists(neap_file_work *w) {
  neap_file_stat(w);
  if (w->status == UV_ENOENT || w->status == UV_ENOTDIR) {
    w->size = 1;
    w->status = 0;
  }
}

static int push_exists(lua_State *L, neap_file_request *r) {
  push_true(L, r);
  lua_pushboolean(L, r->work.size == 0);
  return 1;
}

static const neap_file_operation exists = {"fs.exists", work_exists,
                                           push_exists};

/* exists(path) -> boolean
 * raises  OSError if that cannot be known
 * waits   always. */
static int l_exists(lua_State *L) {
  return neap_file_request_start(L, path_request(L, &exists));
}

static const luaL_Reg functions[] = {
    {"read_file",   l_read_file  }, /* waits */
    {"write_file",  l_write_file }, /* waits */
    {"append_file", l_append_file}, /* waits */
    {"stat",        l_stat       }, /* waits */
    {"lstat",       l_lstat      }, /* waits */
    {"readdir",     l_readdir    }, /* waits */
    {"mkdir",       l_mkdir      }, /* waits */
    {"mkdtemp",     l_mkdtemp    }, /* waits */
    {"rmdir",       l_rmdir      }, /* waits */
    {"unlink",      l_unlink     }, /* waits */
    {"rename",      l_rename     }, /* waits */
    {"copy",        l_copy       }, /* waits */
    {"symlink",     l_symlink    }, /* waits */
    {"readlink",    l_readlink   }, /* waits */
    {"chmod",       l_chmod      }, /* waits */
    {"realpath",    l_realpath   }, /* waits */
    {"exists",      l_exists     }, /* waits */
    {NULL,          NULL         },
};

void neap_push_fs(lua_State *L, neap_runtime *rt) {
  lua_createtable(L, 0, 20);
  neap_set_functions(L, rt, functions);
  neap_bind_file(L, rt);
  neap_bind_watch(L, rt);
}
