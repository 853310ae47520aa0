/* SPDX-License-Identifier: MIT */
/* file.c - neap.fs.open: files that stay open, one operation at a time. */
#include <stdio.h>
#include <string.h>

#include "bindings/arg.h"
#include "bindings/neap.h"
#include "runtime/file_request.h"
#include "runtime/object.h"

static const char *const TYPE_NAME = "neap.File";

enum { PATH_VALUE = 1, DEFAULT_READ = 65536, MOST_PERMISSIONS = 07777 };

static neap_open_file *check_file(lua_State *L) {
  return neap_object_check(L, TYPE_NAME);
}

static neap_open_file *check_open(lua_State *L) {
  neap_open_file *f = check_file(L);
  if (f->fd < 0 || f->closing) {
    luaL_error(L, "attempt to use a closed file");
  }
  return f;
}

/* ---- turns ---- */

/* Somebody else may go on. */
static void abandon_turn(neap_wait *wait) {
  neap_open_file *f = wait->target;
  if (!f->busy) {
    neap_wake_first(&f->turns);
  }
}

static const neap_wait_kind turn_kind = {"a turn at a file", NULL, abandon_turn,
                                         NULL, NULL};

/* The method begins anew, with its arguments as they were. */
static int k_turn(lua_State *L, int status, lua_KContext method) {
  (void)status;
  return ((lua_CFunction)method)(L);
}

/* [-?, +?, v] Another operation is under way: waits for its end. */
static int wait_turn(lua_State *L, neap_open_file *f, lua_CFunction method) {
  neap_task *task = neap_check_wait(L, neap_runtime_up(L));
  neap_list_append(&f->turns, &task->wait.job.link);
  return neap_park(L, task, &turn_kind, f, k_turn, (lua_KContext)method);
}

/* [-0, +1, v] A request about the file at 1. */
static neap_file_request *file_request(lua_State *L, neap_open_file *f,
                                       const neap_file_operation *op) {
  neap_file_request *r = neap_file_request_new(L, op);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, NEAP_FILE_VALUE);
  lua_getiuservalue(L, 1, PATH_VALUE);
  r->base.subject = lua_tostring(L, -1);
  lua_pop(L, 1);
  r->file = f;
  r->work.fd = f->fd;
  return r;
}

static int push_nothing(lua_State *L, neap_file_request *r) {
  (void)L;
  (void)r;
  return 0;
}

/* ---- open ---- */

/* The descriptor passes from the request to the file, its third user value. */
static int push_file(lua_State *L, neap_file_request *r) {
  lua_getiuservalue(L, (int)lua_absindex(L, -1), NEAP_FILE_VALUE);
  neap_open_file *f = lua_touserdata(L, -1);
  f->fd = r->work.owned_fd;
  r->work.owned_fd = -1;
  return 1;
}

static const neap_file_operation open_file = {"fs.open", neap_file_open,
                                              push_file};

/* [-0, +0, v] The flags of a mode such as "r+", "wx" or "ab". */
static int check_flags(lua_State *L, int arg) {
  const char *mode = luaL_optstring(L, arg, "r");
  const char *rest = mode + strcspn(mode, "rwa") + 1;
  bool update = strchr(mode, '+') != NULL;
  int flags = update ? UV_FS_O_RDWR : UV_FS_O_WRONLY;
  luaL_argcheck(L,
                *mode != '\0' && rest == mode + 1 &&
                    strspn(rest, "+bx") == strlen(rest),
                arg, "not a mode");
  if (*mode == 'r') {
    return update ? UV_FS_O_RDWR : UV_FS_O_RDONLY;
  }
  flags |= UV_FS_O_CREAT | (*mode == 'w' ? UV_FS_O_TRUNC : UV_FS_O_APPEND);
  return strchr(rest, 'x') == NULL ? flags : flags | UV_FS_O_EXCL;
}

/* open(path[, mode[, permissions]]) -> File
 * mode         as of io.open: "r" (default), "w", "a", each with "+" for both
 *              directions; "x" after "w" or "a": fails if the file is there
 * permissions  of a new file, less the umask (0666)
 * raises       OSError
 * waits        always. */
static int l_open(lua_State *L) {
  lua_settop(L, 3);
  int flags = check_flags(L, 2);
  lua_Integer mode = luaL_optinteger(L, 3, 0666);
  luaL_argcheck(L, mode >= 0 && mode <= MOST_PERMISSIONS, 3, "not permissions");
  neap_open_file *f = neap_object_new(L, TYPE_NAME, sizeof *f, 1);
  memset(f, 0, sizeof *f);
  f->fd = -1;
  neap_list_init(&f->turns);
  neap_file_request *r = neap_file_request_new(L, &open_file);
  r->work.path = r->base.subject = neap_file_check_path(L, 1, NEAP_FIRST_VALUE);
  r->work.flags = flags;
  r->work.mode = (int)mode;
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 4, PATH_VALUE);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, -2, NEAP_FILE_VALUE);
  return neap_file_request_start(L, r);
}

/* ---- read, write and the like ---- */

/* Nothing is the end, unless all was asked for. */
static int push_read(lua_State *L, neap_file_request *r) {
  if (r->work.size == 0 && !r->work.whole) {
    lua_pushnil(L);
  } else {
    lua_pushlstring(L, r->work.data == NULL ? "" : r->work.data, r->work.size);
  }
  return 1;
}

static const neap_file_operation read_file = {"file:read", neap_file_read,
                                              push_read};

/* file:read([max]) -> string or nil
 * What comes next, or nil at the end of the file.
 * max     bytes at most (64 KiB); "a": all up to the end, "" if that is nothing
 * raises  OSError
 * waits   always. */
static int l_read(lua_State *L) {
  neap_open_file *f = check_open(L);
  lua_settop(L, 2);
  bool whole =
      lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "a") == 0;
  lua_Integer max = whole ? 1 : luaL_optinteger(L, 2, DEFAULT_READ);
  luaL_argcheck(L, max > 0, 2, "a positive number expected");
  if (f->busy) {
    return wait_turn(L, f, l_read);
  }
  neap_file_request *r = file_request(L, f, &read_file);
  r->work.max = (size_t)max;
  r->work.whole = whole;
  return neap_file_request_start(L, r);
}

static const neap_file_operation write_file = {"file:write", neap_file_write,
                                               push_nothing};

/* file:write(...)
 * Writes strings, all of them, one after the other.
 * raises  OSError; some of it may then have been written
 * waits   always. */
static int l_write(lua_State *L) {
  neap_open_file *f = check_open(L);
  for (int i = lua_gettop(L); i >= 2; i--) {
    luaL_checkstring(L, i);
  }
  if (f->busy) {
    return wait_turn(L, f, l_write);
  }
  lua_concat(L, lua_gettop(L) - 1);
  neap_file_request *r = file_request(L, f, &write_file);
  r->work.text = neap_file_keep(L, 2, NEAP_SECOND_VALUE, &r->work.length);
  return neap_file_request_start(L, r);
}

static int push_position(lua_State *L, neap_file_request *r) {
  lua_pushinteger(L, (lua_Integer)r->work.status);
  return 1;
}

static const neap_file_operation seek_file = {"file:seek", neap_file_seek,
                                              push_position};

/* file:seek([whence[, offset]]) -> position
 * As of Lua's own files: "set", "cur" (default) or "end"; offset 0.
 * raises  OSError
 * waits   always. */
static int l_seek(lua_State *L) {
  static const char *const names[] = {"set", "cur", "end", NULL};
  static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
  neap_open_file *f = check_open(L);
  lua_settop(L, 3);
  int whence = whences[luaL_checkoption(L, 2, "cur", names)];
  lua_Integer offset = luaL_optinteger(L, 3, 0);
  if (f->busy) {
    return wait_turn(L, f, l_seek);
  }
  neap_file_request *r = file_request(L, f, &seek_file);
  r->work.whence = whence;
  r->work.offset = offset;
  return neap_file_request_start(L, r);
}

static const neap_file_operation stat_file = {"file:stat", neap_file_fstat,
                                              neap_file_push_stat};

/* file:stat() -> table
 * As neap.fs.stat.
 * raises  OSError
 * waits   always. */
static int l_stat(lua_State *L) {
  neap_open_file *f = check_open(L);
  lua_settop(L, 1);
  if (f->busy) {
    return wait_turn(L, f, l_stat);
  }
  return neap_file_request_start(L, file_request(L, f, &stat_file));
}

static const neap_file_operation sync_file = {"file:sync", neap_file_sync,
                                              push_nothing};

/* file:sync()
 * What was written is on the disk when it returns.
 * raises  OSError
 * waits   always. */
static int l_sync(lua_State *L) {
  neap_open_file *f = check_open(L);
  lua_settop(L, 1);
  if (f->busy) {
    return wait_turn(L, f, l_sync);
  }
  return neap_file_request_start(L, file_request(L, f, &sync_file));
}

/* ---- close ---- */

static const neap_file_operation close_file = {"file:close", neap_file_close,
                                               push_nothing};

/* file:close()
 * Again: nothing. An operation that is under way, such as one whose task was
 * cancelled, ends first; then the file is closed without anybody's waiting.
 * raises  OSError
 * waits   always, unless that is so; blocks outside of tasks. */
static int l_close(lua_State *L) {
  neap_runtime *rt = neap_runtime_up(L);
  neap_open_file *f = check_file(L);
  lua_settop(L, 1);
  if (f->busy) {
    f->closing = true;
  } else if (f->fd >= 0 && neap_can_wait(L, rt)) {
    neap_file_request *r = file_request(L, f, &close_file);
    r->file = NULL; /* not busy: it is closed */
    r->work.owned_fd = f->fd;
    f->fd = -1;
    neap_wake_all(&f->turns);
    return neap_file_request_start(L, r);
  } else {
    neap_file_close_now(f);
  }
  return 0;
}

/* The collector, or the end of the state. */
static int l_gc(lua_State *L) {
  neap_open_file *f = check_file(L);
  if (f->busy) {
    f->closing = true;
  } else {
    neap_file_close_now(f);
  }
  return 0;
}

static int l_tostring(lua_State *L) {
  neap_open_file *f = check_file(L);
  lua_getiuservalue(L, 1, PATH_VALUE);
  lua_pushfstring(L, "<File '%s'%s>", lua_tostring(L, -1),
                  f->fd < 0 ? " closed" : "");
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__close",    l_close   },
    {"__gc",       l_gc      },
    {"__tostring", l_tostring},
    {NULL,         NULL      },
};

static const luaL_Reg methods[] = {
    {"read",  l_read }, /* waits */
    {"write", l_write}, /* waits */
    {"seek",  l_seek }, /* waits */
    {"stat",  l_stat }, /* waits */
    {"sync",  l_sync }, /* waits */
    {"close", l_close}, /* waits */
    {NULL,    NULL   },
};

static const luaL_Reg functions[] = {
    {"open", l_open}, /* waits */
    {NULL,   NULL  },
};

void neap_bind_file(lua_State *L, neap_runtime *rt) {
  neap_object_open(L, rt, TYPE_NAME, metamethods, methods, functions);
}
