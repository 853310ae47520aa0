-- What every stream does, whatever carries its bytes: a sequence of { title =, body =, needs =,
-- final = }. body(a, b): what is written to `a` is read from `b`. Besides busted, children of specs
-- run them, on descriptors of their own.
--
--   needs  what of these a kind of stream must do for it:
--     both   what is written to `b` is read from `a`
--     waits  who reads waits for what has not been written yet
--     slow   who writes waits for who reads
--     ends   shutdown is an end to who reads
--   final  the streams are of no use afterwards
local assert = require "luassert"
local neap = require "neap"

local contract = {}

local function add(title, needs, body, final)
  local set = {}
  for need in needs:gmatch "%a+" do set[need] = true end
  contract[#contract + 1] = { title = title, needs = set, body = body, final = final }
end

--- Lets libuv have several turns. A sleep would not do: whoever waits for a socket holds
--- the virtual clock.
local function pause()
  for _ = 1, 200 do neap.sleep(0) end
end

-- More than the system keeps of what was written and not read.
local MUCH = 16000000

local function error_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function fails(class, fn, ...)
  local err = error_of(fn, ...)
  assert.is_true(neap.is(err, class), tostring(err))
  return err
end

add("carries bytes, zero bytes too", "", function(a, b)
  a:write("ab\0c", 1, 2.5)
  a:write("")
  a:write("\255\n\r\0")
  assert.are.equal("ab\0c12.5\255\n\r\0", b:read_exactly(12))
end)

add("carries bytes both ways", "both", function(a, b)
  a:write "question"
  b:write "answer"
  assert.are.equal("question", b:read_exactly(8))
  assert.are.equal("answer", a:read_exactly(6))
end)

add("read gives what is there, at most max bytes", "", function(a, b)
  a:write "abcdef"
  assert.are.equal("a", b:read(1))
  assert.are.equal("bc", b:read_exactly(2))
  assert.are.equal("de", b:read_exactly(2))
  assert.are.equal("f", b:read(100))
end)

add("read waits for the first bytes only", "waits", function(a, b)
  local reader = neap.create_task(b.read, b)
  neap.sleep(0)
  assert.is_false(reader:done())
  a:write "x"
  assert.are.equal("x", reader:await())
end)

add("read takes what comes piece by piece, whatever its size", "waits", function(a, b)
  local total = 0
  local writer = neap.create_task(function()
    for size = 1, 3000, 7 do
      a:write(("x"):rep(size))
      total = total + size
      neap.sleep(0)
    end
    a:write "."
  end)
  local pieces, size, most = {}, 0, 0
  repeat
    local max = 1 + size % 5000
    local piece = b:read(max)
    most = math.max(most, #piece - max)
    size = size + #piece
    pieces[#pieces + 1] = piece
  until piece:sub(-1) == "."
  writer:await()
  assert.are.equal(0, math.max(0, most))
  assert.are.equal(total + 1, size)
  assert.is_true(table.concat(pieces) == ("x"):rep(total) .. ".")
end)

add("read_line takes the end of a line away, \\r too, and not the rest", "", function(a, b)
  a:write "one\ntwo\r\n\n\rthree\r\r\nlast"
  local lines = {}
  for i = 1, 4 do lines[i] = b:read_line() end
  assert.are.same({ "one", "two", "", "\rthree\r" }, lines)
  assert.are.equal("last", b:read_exactly(4))
end)

add("read_until finds a separator that arrives byte by byte", "waits", function(a, b)
  local reader = neap.create_task(b.read_until, b, "--x")
  for byte in ("-ab---x-rest"):gmatch "." do
    a:write(byte)
    pause()
  end
  assert.are.equal("-ab---x", reader:await())
  assert.are.equal("-rest", b:read_exactly(5))
end)

add("lines that arrive byte by byte are lines", "waits", function(a, b)
  local writer = neap.create_task(function()
    for byte in ("one\r\ntwo\n\nthree\n"):gmatch "." do
      a:write(byte)
      neap.sleep(0)
    end
  end)
  local lines = {}
  for i = 1, 4 do lines[i] = b:read_line() end
  assert.are.same({ "one", "two", "", "three" }, lines)
  writer:await()
end)

add("LimitOverrunError leaves everything to be read", "", function(a, b)
  a:write("12345\n")
  fails(neap.LimitOverrunError, b.read_line, b, 4)
  fails(neap.LimitOverrunError, b.read_until, b, "\n", 4)
  assert.are.equal("12345", b:read_line(5))
end)

add("LimitOverrunError comes with the first byte too many", "waits", function(a, b)
  local reader = neap.create_task(b.read_until, b, "\r\n", 4)
  a:write "12345"
  pause()
  assert.is_false(reader:done())
  a:write "6"
  fails(neap.LimitOverrunError, reader.await, reader)
  a:write "\r\n"
  assert.are.equal("123456\r\n", b:read_until("\r\n", 6))
end)

add("a line that does not end is refused at 65536 bytes", "waits", function(a, b)
  local writer = neap.create_task(function() a:write(("x"):rep(70000)) end)
  neap.sleep(0)
  fails(neap.LimitOverrunError, b.read_line, b)
  assert.are.equal(70000, #b:read_exactly(70000))
  writer:await()
end)

add("a cancelled read loses nothing", "waits", function(a, b)
  a:write "abc"
  for _, method in ipairs { "read_exactly", "read_until" } do
    local reader = neap.create_task(b[method], b, method == "read_exactly" and 6 or "f")
    pause()
    reader:cancel()
    fails(neap.CancelledError, reader.await, reader)
  end
  a:write "def"
  assert.are.equal("abcdef", b:read_exactly(6))
end)

add("a read that is cancelled when something has just come loses nothing", "waits", function(a, b)
  for passes = 0, 5 do
    local reader = neap.create_task(b.read, b)
    pause()
    a:write "abc"
    for _ = 1, passes do neap.sleep(0) end
    reader:cancel()
    local ok, data = pcall(reader.await, reader)
    assert.are.equal("abc", ok and data or b:read_exactly(3))
  end
end)

add("a second reader is told so", "waits", function(a, b)
  local reader = neap.create_task(b.read, b)
  neap.sleep(0)
  assert.matches("another task is reading", error_of(b.read_line, b))
  a:write "x"
  assert.are.equal("x", reader:await())
end)

add("a writer waits while the other side is slow, and then all arrives", "slow", function(a, b)
  local writer = neap.create_task(a.write, a, ("x"):rep(MUCH), "y")
  pause()
  assert.is_false(writer:done())
  local data = b:read_exactly(MUCH + 1)
  writer:await()
  assert.are.equal(MUCH + 1, #data)
  assert.are.equal("xy", data:sub(-2))
end)

add("writers take turns, in their order", "slow", function(a, b)
  neap.testing.shuffle(0)
  local letters = { "a", "b", "c" }
  for _, letter in ipairs(letters) do
    neap.create_task(a.write, a, letter:rep(MUCH // 3), "\n")
  end
  for _, letter in ipairs(letters) do
    assert.is_true(b:read_exactly(MUCH // 3 + 1) == letter:rep(MUCH // 3) .. "\n")
  end
end)

add("read(0) is an empty string, at once", "", function(_, b)
  assert.are.equal("", b:read(0))
end)

add("misuse is an argument error", "", function(a, b)
  assert.matches("#1 to 'read'", error_of(function() b:read(-1) end))
  assert.matches("#1 to 'read_exactly'", error_of(function() b:read_exactly(-1) end))
  assert.matches("the separator is empty", error_of(function() b:read_until "" end))
  assert.matches("#2 to 'write'", error_of(function() a:write("x", {}) end))
  assert.matches("neap.Stream expected", error_of(b.read, 5))
end)

add("the tree of tasks says what a reader waits for", "waits", function(a, b)
  local reader = neap.create_task(b.read, b)
  neap.sleep(0)
  assert.matches("read from %S", neap.format_tasks())
  a:write "x"
  reader:await()
end)

add("the last line may have no end, and then there is nothing", "ends", function(a, b)
  a:write "one\ntwo"
  a:shutdown()
  local lines = {}
  for line in b:lines() do lines[#lines + 1] = line end
  assert.are.same({ "one", "two" }, lines)
  assert.is_nil(b:read_line())
  assert.is_nil(b:read())
  assert.are.equal("", b:read_all())
end, true)

add("read_all reads to the end, however much", "ends waits", function(a, b)
  local reader = neap.create_task(b.read_all, b)
  local piece = ("0123456789"):rep(100)
  for _ = 1, 500 do a:write(piece) end
  a:shutdown()
  assert.is_true(piece:rep(500) == reader:await())
  assert.are.equal("", b:read_all())
end, true)

add("IncompleteReadError has what there was", "ends", function(a, b)
  a:write "abc"
  a:shutdown()
  local err = fails(neap.IncompleteReadError, b.read_exactly, b, 5)
  assert.are.same({ "abc", 5 }, { err.partial, err.expected })
  assert.are.equal("3 bytes of 5", err.message)
end, true)

add("read_until without its separator is an IncompleteReadError", "ends", function(a, b)
  a:write "abc"
  a:shutdown()
  local err = fails(neap.IncompleteReadError, b.read_until, b, "\n")
  assert.are.equal("abc", err.partial)
  err = fails(neap.IncompleteReadError, b.read_until, b, "\n")
  assert.are.equal("", err.partial)
end, true)

add("nothing is written after a shutdown", "", function(a, b)
  a:write "x"
  a:shutdown()
  a:shutdown()
  assert.are.equal("EPIPE", fails(neap.OSError, a.write, a, "y").code)
  assert.are.equal("x", b:read(1))
end, true)

add("shutdown says the end, and reading goes on", "both ends", function(a, b)
  a:write "question"
  a:shutdown()
  assert.are.equal("question", b:read_all())
  b:write "answer"
  assert.are.equal("answer", a:read())
end, true)

add("a cancelled write closes the stream, whoever else writes", "slow", function(a, b)
  local writer = neap.create_task({ eager_start = true }, a.write, a, ("x"):rep(MUCH))
  local second = neap.create_task(a.write, a, "y")
  pause()
  writer:cancel()
  fails(neap.CancelledError, writer.await, writer)
  fails(neap.OSError, second.await, second)
  assert.are.equal("ECANCELED", fails(neap.OSError, a.write, a, "z").code)
  pcall(neap.move_on_after, 1, b.read_all, b)
end, true)

add("close ends who reads with an error, and every use", "waits", function(_, b)
  local reader = neap.create_task(b.read, b)
  pause()
  b:close()
  b:close()
  assert.are.equal("EBADF", fails(neap.OSError, reader.await, reader).code)
  for _, name in ipairs { "read", "read_all", "read_line", "write", "shutdown" } do
    local argument = name == "write" and "x" or nil
    assert.are.equal("EBADF", fails(neap.OSError, b[name], b, argument).code)
  end
  assert.are.equal("EBADF", fails(neap.OSError, b.peername, b).code)
  assert.are.equal("EBADF", fails(neap.OSError, b.set_nodelay, b, true).code)
  assert.matches("closed", tostring(b))
end, true)

add("close ends who writes with an error", "slow", function(a)
  local writer = neap.create_task({ eager_start = true }, a.write, a, ("x"):rep(MUCH))
  local second = neap.create_task(a.write, a, "y")
  pause()
  a:close()
  assert.are.equal("EBADF", fails(neap.OSError, writer.await, writer).code)
  fails(neap.OSError, second.await, second)
end, true)

add("a peer that has gone is an error to who writes", "both slow", function(a, b)
  local writer = neap.create_task(function()
    while true do a:write(("x"):rep(100000)) end
  end)
  pause()
  b:close()
  local err = fails(neap.OSError, writer.await, writer)
  assert.is_true(err.code == "EPIPE" or err.code == "ECONNRESET", err.code)
  fails(neap.OSError, a.write, a, "x")
end, true)

return contract
