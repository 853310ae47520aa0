-- The module under the stock interpreter. The specs themselves run there; these are about what
-- needs a process of its own.
local process = require "spec.support.process"

local function lua(code)
  return process.run({ "lua5.4", "-" }, { stdin = "neap = require 'neap'\n" .. code })
end

describe("the module under lua5.4", function()
  it("runs a main function", function()
    assert.are.same({ code = 0, stdout = "slept\n", stderr = "" },
      lua "print(neap.run(function(...) return neap.sleep(0.001, ...) end, 'slept'))")
  end)

  it("raises the main function's error", function()
    local result = lua "neap.run(function() neap.sleep(0) error 'oops' end)"
    assert.are.equal(1, result.code)
    assert.matches("^lua5.4: stdin:2: oops\n", result.stderr)
  end)

  it("raises error objects that the interpreter can print", function()
    local result = lua "neap.run(function() error(neap.TimeoutError 'late') end)"
    assert.are.equal(1, result.code)
    assert.matches("^lua5.4: TimeoutError: late\n", result.stderr)
  end)

  it("refuses to wait outside of neap.run", function()
    local result = lua "neap.sleep(1)"
    assert.are.equal(1, result.code)
    assert.matches("outside a task", result.stderr, 1, true)
  end)

  it("is required in a coroutine", function()
    local result = process.run({ "lua5.4", "-" }, { stdin = [[
      local co = coroutine.create(function()
        local neap = require "neap"
        print(neap.run(neap.sleep, 0, "slept"))
        coroutine.yield(neap)
      end)
      local _, neap = assert(coroutine.resume(co))
      co = nil
      collectgarbage()
      print(neap.run(neap.sleep, 0, "again"))
    ]] })
    assert.are.same({ code = 0, stdout = "slept\nagain\n", stderr = "" }, result)
  end)

  it("is one, however often it is loaded", function()
    local result = lua [[
      package.loaded.neap = nil
      print(neap == require "neap")
    ]]
    assert.are.same({ code = 0, stdout = "true\n", stderr = "" }, result)
  end)

  it("closes with the state when it never ran", function()
    assert.are.same({ code = 0, stdout = "", stderr = "" }, lua "")
  end)

  for title, code in pairs {
    ["in a task"] = "neap.run(function() os.exit(3, true) end)",
    ["in another task"] = [[neap.run(function()
      neap.create_task(os.exit, 3, true)
      neap.sleep(100)
    end)]],
    ["in pcall"] = "neap.run(pcall, os.exit, 3, true)",
    ["in a coroutine"] = "neap.run(coroutine.wrap(function() os.exit(3, true) end))",
    ["with neap.run in pcall"] = "pcall(neap.run, os.exit, 3, true)",
    ["with neap.run in a coroutine"] = "coroutine.wrap(neap.run)(os.exit, 3, true)",
    ["after a run"] = "neap.run(neap.sleep, 0) os.exit(3, true)",
    ["without closing"] = "neap.run(os.exit, 3)",
  } do
    it("ends by os.exit(3, true) " .. title, function()
      assert.are.same({ code = 3, stdout = "", stderr = "" }, lua(code))
    end)
  end

  it("does without what a host has taken away or replaced", function()
    local function output(code)
      local result = process.run { "lua5.4", "-e", code }
      assert.are.equal("", result.stderr)
      return result.stdout
    end
    assert.are.equal("nil\n", output "os.exit = nil require 'neap' print(os.exit)")
    assert.are.equal("nil\n", output "os = nil package.loaded.os = nil require 'neap' print(os)")
    assert.are.equal("function\n",
      output "coroutine.resume = nil require 'neap' print(type(coroutine.resume))")
    assert.are.equal("nil\n",
      output "coroutine = nil package.loaded.coroutine = nil require 'neap' print(coroutine)")
    assert.are.equal("asked 3 false\nafter\n", output [[
      os.exit = function(...) print("asked", ...) end
      local neap = require "neap"
      neap.run(function() os.exit(3) print "after" end)]]:gsub("\t", " "))
  end)

  it("NEAP_DEBUG turns debug mode on, unless it is empty or 0", function()
    for value, slow in pairs { [""] = false, ["0"] = false, ["1"] = true, yes = true } do
      local result = process.run({ "lua5.4", "-e", [[
        local neap = require "neap"
        neap.slow_step = 0
        neap.set_exception_handler(function(report) print(report.message) end)
        neap.run(function() end)]] }, { env = { NEAP_DEBUG = value } })
      assert.are.equal("", result.stderr)
      assert.are.equal(slow, result.stdout ~= "", value)
    end
  end)

  it("a library that is there, but is none, is told by who needs it", function()
    local result = process.run { "sh", "-c", [[
      dir=$(mktemp -d)
      for name in libjansson.so.4 libcurl.so.4 libssl.so.3 libhttp_parser.so.2.9; do
        echo nonsense >"$dir/$name"
      done
      LD_LIBRARY_PATH=$dir "$0" -e "$1"
      rm -rf "$dir"]], os.getenv "NEAP_BUILD" .. "/neap", [[
      local neap = require "neap"
      local function try(...) print((select(2, pcall(...)))) end
      try(function() return neap.json.decode "1" end)
      try(function() return neap.http.get "http://127.0.0.1:1/" end)
      try(function() return neap.tls.connect("127.0.0.1", 1) end)
      try(function() return neap.http.serve("127.0.0.1", 0, print) end)]] }
    local lines = {}
    for line in result.stdout:gmatch "[^\n]+" do lines[#lines + 1] = line end
    for i, text in ipairs { "needs Jansson: .*libjansson", "needs libcurl: .*libcurl",
      "needs OpenSSL 3: .*libssl", "needs http_parser: .*libhttp_parser" } do
      assert.matches(text, lines[i] or result.stderr)
    end
  end)

  it("a finalizer that comes after the runtime's end is told so", function()
    local result = process.run { "lua5.4", "-e", [[
      local neap
      KEPT = setmetatable({}, { __gc = function()
        print(pcall(neap.run, print))
        print(pcall(neap.fs.watch, "/tmp"))
        print(pcall(neap.create_task, print))
      end })
      neap = require "neap"
      neap.run(function() neap.fs.exists "/tmp" end)]] }
    assert.are.equal("", result.stderr)
    local count = select(2, result.stdout:gsub("false\t[^\n]*the runtime is closed\n", ""))
    assert.are.equal(3, count, result.stdout)
  end)
end)
