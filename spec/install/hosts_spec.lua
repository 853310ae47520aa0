-- The programs of embed/ as people build them: copied to a folder of their own, against the
-- installed package, found by pkg-config and by find_package.
local installed = require "spec.support.installed"
local outputs = require "spec.support.hosts"

local HOSTS = { "hello", "awaitable", "threads", "epoll", "adopt", "limits" }
local IN_CXX = { hello = true, epoll = true }

outputs.limits = "ended: 2\nneighbour: well\n"

local function run(command, ...)
  local result = installed.run(command:format(...))
  assert.are.equal(0, result.code, result.stdout .. result.stderr)
  return result.stdout
end

local function copied()
  local folder = installed.scratch()
  run("cp embed/*.c spec/install/hosts/CMakeLists.txt %s; echo 'return 1 + 1' >%s/script.lua",
    folder, folder)
  return folder
end

local function prints(folder, name, program)
  if not outputs[name] then
    pending "luv is not installed"
    return
  end
  local argument = name == "limits" and "script.lua" or ""
  assert.are.equal(outputs[name], run("cd %s; ./%s %s", folder, program, argument))
end

describe("out of tree,", function()
  local by_pkg_config, by_cmake

  lazy_setup(function()
    by_pkg_config = copied()
    run("cd %s; ls *.c | sed 's/.c$//' | xargs -P 2 -I{} cc -std=gnu11 -Wall -Wextra -Wpedantic"
      .. " -Werror %s {}.c -o {}.bin $(pkg-config --cflags --libs neap libuv) -pthread",
      by_pkg_config, installed.flags)
    by_cmake = copied()
    run("cd %s; cmake -B build -DCMAKE_PREFIX_PATH=%s -DCMAKE_C_FLAGS='%s' -DCMAKE_CXX_FLAGS='%s';"
      .. " cmake --build build --parallel 2; cp build/* . 2>&- || :",
      by_cmake, installed.prefix(), installed.flags, installed.flags)
  end)

  it("these are all the hosts", function()
    local names = run("cd embed; ls *.c | sed 's/.c$//'")
    local sorted = table.move(HOSTS, 1, #HOSTS, 1, {})
    table.sort(sorted)
    assert.are.equal(table.concat(sorted, "\n") .. "\n", names)
  end)

  for _, name in ipairs(HOSTS) do
    it(name .. ", by pkg-config", function() prints(by_pkg_config, name, name .. ".bin") end)

    it(name .. ", by find_package", function() prints(by_cmake, name, name) end)

    if IN_CXX[name] then
      it(name .. ", by find_package, as C++", function() prints(by_cmake, name, name .. "_cpp") end)
    end
  end
end)
