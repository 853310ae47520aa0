-- In a clone: luarocks --lua-version 5.4 make
rockspec_format = "3.0"
package = "neap"
version = "scm-1"

source = {
  url = "git+file://.", -- `make` takes the folder that it is called in
}

description = {
  summary = "asyncio-like tasks for Lua 5.4 on libuv",
  detailed = [[
Runs Lua functions as tasks, the way Python's asyncio runs coroutines: create,
await, cancel, bound by timeouts, in groups, with locks, queues and a virtual
clock for tests.]],
  license = "MIT",
}

supported_platforms = { "unix" }

dependencies = { "lua >= 5.4, < 5.5" }

-- The module is compiled against the libuv of the system, found by pkg-config.
external_dependencies = {
  LIBUV = { header = "uv.h" },
}

build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    NEAP_MODULE_ONLY = "ON",
    NEAP_LUA_INCLUDE_DIR = "$(LUA_INCDIR)",
    NEAP_LUA_CMODDIR = "$(LIBDIR)",
  },
}
