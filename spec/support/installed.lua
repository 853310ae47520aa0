-- neap as it is after installation, for specs of what users find there.
--
--   installed.prefix()       the folder; installed at the first call, then moved, so that
--                            nothing in it may know where it was made
--   installed.run(command)   runs a shell command in which `cc`, `c++` and `pkg-config` find
--                            the installed package; the same result as of process.run
--   installed.flags          for both compilers: what a build with sanitizers or counters asks for
--   installed.scratch()      a new folder; all are removed when the process ends
local process = require "spec.support.process"

local installed = {}

local build = os.getenv "NEAP_BUILD"
local sanitizers = os.getenv "NEAP_SANITIZE"
installed.flags = sanitizers ~= "" and "-fsanitize=" .. sanitizers
  or build:find "coverage" and "--coverage" or ""

local root -- holds all folders
local count = 0

local function must(words, options)
  local result = process.run(words, options)
  if result.code ~= 0 then
    error(table.concat(words, " ") .. "\n" .. result.stdout .. result.stderr, 2)
  end
  return result.stdout
end

function installed.scratch()
  if not root then
    root = setmetatable({ path = must { "mktemp", "-d" }:gsub("\n", "") }, {
      __gc = function(self) os.execute("unset LD_PRELOAD; rm -rf " .. self.path) end,
    })
  end
  count = count + 1
  local path = root.path .. "/" .. count
  must { "mkdir", path }
  return path
end

local prefix

function installed.prefix()
  if not prefix then
    local base = installed.scratch()
    must { "cmake", "--install", build, "--prefix", base .. "/made" }
    must { "mv", base .. "/made", base .. "/moved" }
    prefix = base .. "/moved"
  end
  return prefix
end

function installed.run(command)
  local libraries = installed.prefix() .. "/lib"
  return process.run({ "sh", "-euc", command }, {
    env = {
      PKG_CONFIG_PATH = libraries .. "/pkgconfig",
      LD_LIBRARY_PATH = libraries,
    },
  })
end

return installed
