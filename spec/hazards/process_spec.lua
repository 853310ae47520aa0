-- What neap shares with the process and the system: the main thread's stack, descriptors,
-- children, signals, fork, the loop's time, and who gets a turn.
local fs = require "neap.fs"
local in_loop = require "spec.support.loop"
local neap = require "neap"
local net = require "neap.net"
local process = require "spec.support.process"

local build = os.getenv "NEAP_BUILD"

local function host(...)
  return process.run { build .. "/embed/process_wide", ... }
end

describe("a host", function()
  it("finds nothing of neap's on its stack after many failures", function()
    assert.are.same({ code = 0, stdout = "levels more: 0\n", stderr = "" }, host "s")
  end)

  it("that reaps all children takes their ends: who waits needs a timeout", function()
    assert.are.same({ code = 0, stdout = "status 0, 1, TimeoutError\n", stderr = "" }, host "r")
  end)

  it("may fork, if the child leaves the runtime alone", function()
    assert.are.same({ code = 0, stdout = "child 3, status 0, result 7\nclose 0\n", stderr = "" },
      host "f")
  end)

  it("gets signals after the state has closed", function()
    assert.are.same({ code = 0, stdout = "reaped one\n", stderr = "" }, host "l")
  end)

  it("may unload the module with its state, a hundred times", function()
    local preload = os.getenv "NEAP_PRELOAD"
    local words = { build .. "/embed/process_wide", "u", build .. "/neap.so" }
    if preload ~= "" then return pending "a sanitized module is not unloaded" end
    assert.are.same({ code = 0, stdout = "loaded 100 times\n", stderr = "" }, process.run(words))
  end)
end)

describe("the standard descriptors", function()
  it("are left as they were, in whatever way the program ends", function()
    for _, ending in ipairs { "", "os.exit(0, false)", "os.exit(0, true)", "error 'x'",
      "io.popen('unset LD_PRELOAD; kill -INT $PPID'):close() require 'neap'.sleep(9)" } do
      local path = os.tmpname()
      local result = process.run { "sh", "-c", [[
        flags() { for fd in 0 1 2; do sed -n 's/flags://p' /proc/self/fdinfo/$fd; done >>"$1"; }
        flags "$1"
        "$NEAP_BUILD/neap" -e "$0"
        flags "$1"
        exit 0]],
        "local s = require 'neap.stdio' s.stdout:write 'x' s.stderr:write 'y' s.stdin:read(1) "
          .. ending, path }
      local file <close> = assert(io.open(path))
      local flags = {}
      for line in file:lines() do flags[#flags + 1] = line:match "%d+" end
      os.remove(path)
      assert.are.equal(0, result.code)
      assert.are.equal(6, #flags)
      assert.are.same({ table.unpack(flags, 1, 3) }, { table.unpack(flags, 4, 6) }, ending)
    end
  end)
end)

describe("children", function()
  it("by the hundred leave no zombie, started or not", in_loop(function()
    local api = require "neap.process"
    for _ = 1, 20 do
      local list = {}
      for i = 1, 10 do
        list[i] = function()
          return pcall(api.run, { i % 2 == 0 and "true" or "/no/such/program" })
        end
      end
      neap.gather(list)
    end
    for _, thread in ipairs(fs.readdir "/proc/self/task") do
      assert.are.equal("", fs.read_file(("/proc/self/task/%s/children"):format(thread)))
    end
  end))
end)

describe("nobody is starved", function()
  it("by tasks that never wait for anything but their turn", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      for line in stream:lines() do stream:write(line, "\n") end
    end)
    local spinning = true
    local spinners = {}
    for i = 1, 10 do
      spinners[i] = neap.create_task(function() while spinning do neap.sleep(0) end end)
    end
    local stream <close> = net.connect(server:sockname())
    local passes = neap.stats().passes
    for i = 1, 50 do
      stream:write(i, "\n")
      assert.are.equal(tostring(i), stream:read_line())
    end
    spinning = false
    for _, task in ipairs(spinners) do task:await() end
    -- libuv has its turn after 64 passes at the latest; each line needs it a few times.
    assert.is_true(neap.stats().passes - passes < 50 * 64 * 8)
  end))

  it("by a reader that always has something to read", in_loop(function()
    local server <close> = net.listen("127.0.0.1", 0, function(stream)
      local piece = ("x"):rep(65536)
      while true do stream:write(piece) end
    end)
    local stream <close> = net.connect(server:sockname())
    local bytes, turns = 0, 0
    local reader = neap.create_task(function()
      repeat
        bytes = bytes + #stream:read()
      until turns >= 100
    end)
    repeat
      neap.sleep(0)
      turns = turns + 1
    until turns == 100
    reader:await()
    assert.is_true(bytes < 2 ^ 30)
  end))
end)

describe("a timer", function()
  it("is not early, however long the code before it ran #plain", function()
    local function busy(seconds)
      local stop = os.clock() + seconds
      while os.clock() < stop do end
    end
    local early = 0
    local function measure(delay, slice)
      busy(slice)
      local begin = neap.time()
      neap.sleep(delay)
      if neap.time() - begin < delay then early = early + 1 end
    end
    neap.run(function()
      for _, slice in ipairs { 0, 0.001, 0.02 } do
        for _, delay in ipairs { 0.0001, 0.001, 0.005 } do
          measure(delay, slice)
          neap.create_task(measure, delay, slice):await()
          local future = neap.future()
          neap.call_soon(function()
            busy(slice)
            local begin = neap.time()
            neap.call_later(delay, function()
              if neap.time() - begin < delay then early = early + 1 end
              future:set_result()
            end)
          end)
          future:await()
        end
      end
    end)
    assert.are.equal(0, early)
  end)
end)
