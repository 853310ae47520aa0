-- The standard descriptors as streams, whatever they lead to. Each case is a process of its own.
local process = require "spec.support.process"

local neap = os.getenv "NEAP_BUILD" .. "/neap"

local UPPER = [[
  local stdio = require "neap.stdio"
  for line in stdio.stdin:lines() do stdio.stdout:write(line:upper(), "\n") end
]]

--- sh(command, values...): `$0` is the program, `$1` and so on the values.
local function sh(command, ...)
  return process.run { "sh", "-c", command, neap, ... }
end

describe("neap.stdio", function()
  it("reads and writes pipes", function()
    local result = sh([[(echo a; sleep 0.05; printf b) | "$0" -e "$1" | cat]], UPPER)
    assert.are.same({ code = 0, stdout = "A\nB\n", stderr = "" }, result)
  end)

  it("reads and writes files", function()
    local file <close> = process.write_file(("line\n"):rep(50000))
    local result = sh([["$0" -e "$1" <"$2" >"$2.out" && cksum <"$2.out"; rm -f "$2.out"]],
      UPPER, file.path)
    local expected = sh([[tr a-z A-Z <"$1" | cksum]], file.path)
    assert.are.equal("", result.stderr)
    assert.are.equal(expected.stdout, result.stdout)
  end)

  it("reads an empty file, and nothing from /dev/null", function()
    local script = [[print(#require "neap.stdio".stdin:read_all())]]
    assert.are.equal("0\n", sh([["$0" -e "$1" </dev/null]], script).stdout)
  end)

  it("reads and writes a terminal", function()
    if sh("script -qec true /dev/null").code ~= 0 then
      pending "the system has no pseudo-terminals"
    end
    local result = sh([[printf 'a\nb\n\004' | script -qec "'$0' -e '$1'" /dev/null]],
      (UPPER:gsub("%s+", " ")))
    assert.are.equal(0, result.code, result.stderr)
    assert.matches("A\r\nB\r\n", result.stdout)
  end)

  it("stderr is one of them", function()
    local result = sh([["$0" -e 'require "neap.stdio".stderr:write "x"']])
    assert.are.same({ code = 0, stdout = "", stderr = "x" }, result)
  end)

  it("keeps what print wrote before", function()
    local result = sh([["$0" -e 'print "1" require "neap.stdio".stdout:write "2\n"' | cat]])
    assert.are.equal("1\n2\n", result.stdout)
  end)

  it("leaves a pipe that others share as it was", function()
    local result = sh([[{ "$0" -e 'require "neap.stdio".stdout:write "x"'
      grep flags /proc/self/fdinfo/1; } | cat]])
    assert.are.equal(0, tonumber(result.stdout:match "flags:%s+(%d+)", 8) & tonumber("4000", 8))
  end)

  it("waits while the reader of a pipe is slow, and lets others run", function()
    local result = sh([["$0" -e "$1" | (sleep 0.2; wc -c)]], [[
      local neap, stdio = require "neap", require "neap.stdio"
      local ticks = 0
      local ticker = neap.create_task(function()
        while true do neap.sleep(0.01) ticks = ticks + 1 end
      end)
      for _ = 1, 10 do stdio.stdout:write(("x"):rep(100000)) end
      ticker:cancel()
      stdio.stderr:write(ticks > 2 and "ticked" or "blocked")]])
    assert.are.same({ code = 0, stdout = "1000000\n", stderr = "ticked" }, result)
  end)

  it("a reader that has gone is an error, not the end of the process", function()
    local result = sh([["$0" -e "$1" | true]], [[
      local neap, stdio = require "neap", require "neap.stdio"
      local ok, err
      repeat
        ok, err = pcall(stdio.stdout.write, stdio.stdout, ("x"):rep(10000))
      until not ok
      stdio.stderr:write(err.code)]])
    assert.are.equal("EPIPE", result.stderr)
  end)

  it("a full disk is an error", function()
    local result = sh([["$0" -e "$1" >/dev/full]], [[
      local stdio = require "neap.stdio"
      local ok, err = pcall(stdio.stdout.write, stdio.stdout, "x")
      stdio.stderr:write(tostring(ok), " ", err.code)]])
    assert.are.equal("false ENOSPC", result.stderr)
  end)

  it("a closed descriptor is as /dev/null", function()
    local result = sh([["$0" -e "$1" <&-]], [[
      local neap = require "neap"
      print(pcall(function() return neap.stdio.stdin:read() end))]])
    assert.are.equal("true\tnil\n", result.stdout) -- the program has opened /dev/null
  end)

  it("has no other streams, and none outside of a run", function()
    local result = process.run { "lua5.4", "-e", [[
      local stdio = require "neap.stdio"
      print(stdio.nothing, pcall(function() return stdio.stdin end))]] }
    assert.matches("^nil\tfalse\t.*outside a task", result.stdout)
  end)

  it("says in the tree of tasks what is read; shutdown of a pipe is no error", function()
    local result = sh([[rm "$2" && mkfifo "$2" && "$0" -e "$1" 0<>"$2" | cat; rm "$2"]], [[
      local neap, stdio = require "neap", require "neap.stdio"
      neap.create_task(stdio.stdin.read, stdio.stdin)
      neap.sleep(0.01)
      stdio.stdout:write(neap.format_tasks():match "read from [^ ]+", "\n")
      stdio.stdout:shutdown()
      print(select(2, pcall(stdio.stdout.write, stdio.stdout, "x")).code)]], os.tmpname())
    assert.are.same({ code = 0, stdout = "read from stdin\nEPIPE\n", stderr = "" }, result)
  end)

  it("cancelled and left open, lets the program end", function()
    local result = sh([[rm "$2" && mkfifo "$2" && "$0" -e "$1" 0<>"$2"; rm "$2"]], [[
      local neap, stdio = require "neap", require "neap.stdio"
      print(neap.move_on_after(0.02, stdio.stdin.read, stdio.stdin))
      neap.create_task(stdio.stdin.read, stdio.stdin)
      neap.sleep(0.01)]], os.tmpname())
    assert.are.same({ code = 0, stdout = "false\n", stderr = "" }, result)
  end)

  it("reads and writes sockets, of which others have the other end", function()
    for _, family in ipairs { "AF_UNIX", "AF_INET" } do
      local result = process.run { "python3", "-c", [=[
import socket, subprocess, sys
if sys.argv[3] == "AF_UNIX":
    ours, theirs = socket.socketpair()
else:
    server = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(server.getsockname())
    theirs, _ = server.accept()
child = subprocess.Popen(sys.argv[1:2] + ["-e", sys.argv[2]], stdin=theirs, stdout=theirs)
theirs.close()
ours.sendall(b"a\nb\n")
ours.shutdown(socket.SHUT_WR)
print(b"".join(iter(lambda: ours.recv(100), b"")), child.wait())]=], neap, UPPER, family }
      assert.are.same({ code = 0, stdout = "b'A\\nB\\n' 0\n", stderr = "" }, result)
    end
  end)

  it("what is no stream is refused, such as a socket for datagrams", function()
    local result = process.run { "python3", "-c", [=[
import socket, subprocess, sys
socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sys.exit(subprocess.call(sys.argv[1:2] + ["-e", sys.argv[2]], stdin=socket))]=], neap, [[
      local ok, err = pcall(function() return require "neap.stdio".stdin end)
      print(ok, err.code, err.message)]] }
    assert.matches("^false\tEBADF\topen 'stdin': bad file descriptor", result.stdout)
  end)

  it("has nothing under other keys", function()
    assert.are.equal("nil nil\n", sh([["$0" -e "$1"]], [[
      local stdio = require "neap.stdio"
      print(("%s %s"):format(stdio[1], stdio[true]))]]).stdout)
  end)
end)
