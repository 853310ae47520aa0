-- What `cmake --install` puts down, used as users do: from a folder of their own.
local installed = require "spec.support.installed"
local process = require "spec.support.process"

local CLIENT = "spec/install/client"
local OUTPUT = "2 results: 2 1\n"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

--- Runs a shell command that must succeed and write nothing to stderr; returns its output.
local function run(command, ...)
  local result = installed.run(command:format(...))
  assert.are.same({ code = 0, stdout = result.stdout, stderr = "" }, result)
  return result.stdout
end

local function sorted_lines(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

describe("the installed tree", function()
  it("has these files", function()
    local found = run("cd %s && find . -type f -o -type l | sed 's|^./||'", installed.prefix())
    assert.are.same({
      "bin/neap",
      "include/neap.h",
      "lib/cmake/neap/neapConfig.cmake",
      "lib/cmake/neap/neapConfigVersion.cmake",
      "lib/cmake/neap/neapTargets-BUILD.cmake",
      "lib/cmake/neap/neapTargets.cmake",
      "lib/libneap.a",
      "lib/libneap.so",
      "lib/libneap.so.0.1",
      "lib/libneap.so.0.1.0",
      "lib/lua/5.4/neap.so",
      "lib/pkgconfig/neap.pc",
      "share/doc/neap/copyright",
      "share/man/man1/neap.1",
    }, sorted_lines((found:gsub("Targets%-%l+%.", "Targets-BUILD."))))
  end)

  it("nowhere names the folder that it was built or installed in", function()
    local build = os.getenv "NEAP_BUILD"
    local made = installed.prefix():gsub("moved$", "made")
    assert.are.equal("", run("cd %s/lib && grep -rlF -e %s -e %s cmake pkgconfig || :",
      installed.prefix(), build, made))
  end)

  it("has a program that runs", function()
    local result = process.run { installed.prefix() .. "/bin/neap", "-e", "print(require 'neap')" }
    assert.are.equal(0, result.code)
  end)

  it("has a module that lua5.4 finds below the prefix", function()
    local path = installed.prefix() .. "/lib/lua/5.4/?.so"
    local result = process.run(
      { "lua5.4", "-e",
        "print(require 'neap'.run(function() return 1 end), require 'neap.testing')" },
      { env = { LUA_CPATH = path } })
    assert.are.equal("1\ttable", result.stdout:match "^1\ttable")
    assert.are.equal("", result.stderr)
  end)
end)

describe("the shared library", function()
  it("has a soname with the ABI's version", function()
    assert.matches("SONAME%s+libneap.so.0.1\n",
      run("objdump -p %s/lib/libneap.so", installed.prefix()))
  end)

  it("exports the functions of the header and the openers, with versions", function()
    local declared = { "NEAP_0.1" }
    local header = read(installed.prefix() .. "/include/neap.h")
    for name in header:gmatch "\nNEAP_API [^;(]-([%l_]+)%(" do
      declared[#declared + 1] = name .. "@@NEAP_0.1"
    end
    table.sort(declared)
    local exported = sorted_lines(run(
      "nm -D --defined-only %s/lib/libneap.so | awk '{ print $3 }' | grep -v 'luaopen_neap_'",
      installed.prefix()))
    assert.are.same(declared, exported)
  end)

  it("adds only names with its prefix to those who link it statically", function()
    assert.are.equal("", run(
      "nm -g --defined-only %s/lib/libneap.a | awk 'NF == 3 && $2 != \"W\" { print $3 }' |"
      .. " grep -vE '^(neap|luaopen_neap|__odr_asan|_?\\.)' || :", installed.prefix()))
  end)
end)

describe("pkg-config", function()
  it("gives what a C program needs", function()
    local folder = installed.scratch()
    assert.are.equal(OUTPUT, run(
      "cc -std=c11 -Wall -Wextra -Wpedantic -Werror %s %s/client.c -o %s/c"
      .. " $(pkg-config --cflags --libs neap); %s/c",
      installed.flags, CLIENT, folder, folder))
  end)

  it("gives what a C++ program needs", function()
    local folder = installed.scratch()
    assert.are.equal(OUTPUT, run(
      "c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror %s -x c++ %s/client.c -o %s/cpp"
      .. " $(pkg-config --cflags --libs neap); %s/cpp",
      installed.flags, CLIENT, folder, folder))
  end)

  it("gives with --static what the static library needs", function()
    local folder = installed.scratch()
    local output = run(
      "cc -std=c11 %s %s/client.c -o %s/static $(pkg-config --cflags neap)"
      .. " $(pkg-config --static --libs neap | sed 's/-lneap/-l:libneap.a/');"
      .. " ldd %s/static; %s/static",
      installed.flags, CLIENT, folder, folder, folder)
    assert.are.equal(OUTPUT, output:sub(-#OUTPUT))
    assert.is_nil(output:find("libneap", 1, true))
  end)

  it("knows the version", function()
    assert.are.equal("0.1.0\n", run "pkg-config --modversion neap")
  end)
end)

describe("find_package", function()
  local function configure(folder, wanted)
    return installed.run(("cmake -S %s -B %s -DWANTED=%s -DCMAKE_PREFIX_PATH=%s"
      .. " -DCMAKE_C_FLAGS='%s' -DCMAKE_CXX_FLAGS='%s' 2>&1"):format(CLIENT, folder, wanted,
      installed.prefix(), installed.flags, installed.flags))
  end

  it("gives C and C++ programs the shared and the static library", function()
    local folder = installed.scratch()
    local configured = configure(folder, "0.1")
    assert.matches("found neap 0.1.0", configured.stdout)
    local built = installed.run(("cmake --build %s --parallel 2 2>&1"):format(folder))
    assert.are.equal(0, built.code, built.stdout)
    for _, name in ipairs { "c_neap", "cpp_neap", "c_neap_static", "cpp_neap_static" } do
      assert.are.equal(OUTPUT, run("%s/%s", folder, name))
    end
    assert.matches("libneap.so.0.1 =>", run("ldd %s/c_neap", folder), 1, true)
    assert.is_nil(run("ldd %s/c_neap_static", folder):find("libneap", 1, true))
  end)

  it("refuses a version with another API", function()
    local configured = configure(installed.scratch(), "0.2")
    assert.are_not.equal(0, configured.code)
    assert.matches('requested version "0.2"', configured.stdout, 1, true)
  end)
end)
