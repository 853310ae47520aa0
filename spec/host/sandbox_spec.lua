-- neap --sandbox: a script that is not trusted.
local process = require "spec.support.process"

local function sandbox(...)
  return process.run { "neap", "--sandbox", ... }
end

local function fails(text, code)
  local result = sandbox("-e", code)
  assert.are.equal(1, result.code)
  assert.matches(text, result.stderr, 1, true)
end

describe("--sandbox", function()
  it("runs a script whose functions wait", function()
    local script <close> = process.write_file [[
      local neap = require "neap"
      local function work(n) neap.sleep(0.001 * n) return n end
      local a, b = neap.gather(neap.create_task(work, 2), neap.create_task(work, 1))
      print(a, b, ...)
    ]]
    local result = sandbox(script.path, "argument")
    assert.are.same({ code = 0, stdout = "2\t1\targument\n", stderr = "" }, result)
  end)

  it("bounds memory", function()
    fails("not enough memory", "return ('x'):rep(1e8)")
  end)

  it("bounds a step that never waits, also for one that swallows errors", function()
    fails("step limit exceeded: 1000 ms without waiting",
      "while true do pcall(function() while true do end end) end")
  end)

  it("bounds the number of tasks", function()
    fails("too many tasks: no more than 10000 may be pending",
      "local neap = require 'neap' while true do neap.create_task(neap.sleep, 1) end")
  end)

  it("takes no bytecode, from a file or from standard input", function()
    local code = string.dump(function() print "ran" end)
    local script <close> = process.write_file(code)
    for _, result in ipairs {
      sandbox(script.path),
      process.run({ "neap", "--sandbox", "-" }, { stdin = code }),
    } do
      assert.are.equal("", result.stdout)
      assert.matches("attempt to load a binary chunk", result.stderr, 1, true)
    end
  end)

  -- Whoever adds a function to neap decides here whether it is for scripts that are not
  -- trusted: it must neither reach outside nor loop in C.
  it("has these names and no others", function()
    local result = sandbox("-e", [[
      local names, seen = {}, {}
      local function add(prefix, t)
        seen[t] = true
        for name, value in pairs(t) do
          if type(name) == "string" then
            if type(value) == "table" and not seen[value] then
              add(prefix .. name .. ".", value)
            else
              names[#names + 1] = prefix .. name
            end
          end
        end
      end
      arg = nil
      add("", _G)
      for name in pairs(require "neap") do names[#names + 1] = "neap." .. name end
      table.sort(names)
      print(table.concat(names, " "))
    ]])
    local file <close> = assert(io.open "spec/host/sandbox_names.txt")
    local expected = file:read "a":gsub("%-%-[^\n]*", ""):gsub("%s+", " ")
    assert.are.equal(expected:match "^ ?(.-) ?$", result.stdout:match "^(.-)\n")
  end)

  it("has patterns that match as the standard ones do", function()
    local script = [==[
      local subjects = { "", "hello world", "a,b,,c", "(nested (deep) (er))", "x=1, y=2", "\0a\0",
        "THE (quick) fox", "   trim   ", "aaaaab", "ab12cd34" }
      local patterns = { "", ".",
        "l+", "(%a+)", "()", "%b()", "%f[%w]%w+", "^%s*(.-)%s*$", "[^,]*",
        "(%w)=(%d)", "a-b", "(a*(.)%w(%s*))", "%z", "[%a_][%w_]*", "^a", "b$", "(.)%1",
        "[]]", "%d%d", "[a-c]", "x?", "%", "(", "[a", "%b", "%f", "(()", "%9" }
      local function show(...)
        local t = table.pack(...)
        for i = 1, t.n do t[i] = tostring(t[i]):gsub("^.-:%d+: ", "") end
        return table.concat(t, "|")
      end
      for _, s in ipairs(subjects) do
        for _, p in ipairs(patterns) do
          print(show(pcall(string.find, s, p)), show(pcall(string.match, s, p, 2)),
            show(pcall(string.find, s, p, -3, true)))
          print(show(pcall(string.gsub, s, p, "<%0>")), show(pcall(string.gsub, s, p, "%1", 2)),
            show(pcall(string.gsub, s, p, string.upper)), show(pcall(string.gsub, s, p, { a = 1 })))
          print(pcall(function()
            local all = {}
            for a, b in s:gmatch(p) do all[#all + 1] = show(a, b) end
            return table.concat(all, ";")
          end))
        end
      end
    ]==]
    local standard = process.run { "neap", "-e", script }
    local limited = sandbox("-e", script)
    assert.are.equal(0, standard.code)
    assert.are.equal(standard.stdout, limited.stdout)
    assert.are.equal("", limited.stderr)
  end)

  it("has every class of characters that the standard patterns have", function()
    local script = [[
      local all = {}
      for byte = 0, 255 do all[#all + 1] = string.char(byte) end
      all = table.concat(all)
      for class in ("acdglpsuwxACDGLPSUWX"):gmatch "." do
        local count = 0
        for _ in all:gmatch("%" .. class) do count = count + 1 end
        print(class, count, (all:gsub("[^%" .. class .. "x-z]", "")):byte(1, 3))
      end
      print(pcall(string.find, "x", "%1"), pcall(string.find, "x", ("(x)"):rep(40)))
      print(("a-b"):find("a%-"), ("a.b"):match "%.(.)", ("THE (quick) fox"):find "%((%a+)%)")
      print(pcall(string.rep, "x", -1), ("x"):match "()", ("hello"):match "^(h)(.-)(o)$")
    ]]
    local file <close> = process.write_file(script)
    local standard = process.run { "neap", file.path }
    assert.are.equal(0, standard.code, standard.stderr)
    assert.are.same(standard, process.run { "neap", "--sandbox", file.path })
  end)

  it("has functions that do as the standard ones, but for what they refuse", function()
    local script = [[
      local function show(...) print(...) end
      show(type(load("return x", "=chunk", "t", { x = 1 })))
      show(load("return x", "=chunk", nil, { x = 1 })())
      show(load(function() return nil end) ~= nil, select("#", load "return"()))
      show(pcall(setmetatable, {}, 1))
      show(pcall(setmetatable, 1, {}))
      show(pcall(setmetatable, {}))
      show(getmetatable(setmetatable(setmetatable({}, {}), nil)))
      show(pcall(setmetatable, setmetatable({}, { __metatable = "mine" }), {}))
      show(getmetatable(setmetatable({}, { __metatable = "mine" })), getmetatable {})
      show(pcall(getmetatable))
      show(xpcall(function(...) return ... end, print, 1, 2))
      show(xpcall(error, function(err) return "handled " .. err end, "x"))
      show(type(collectgarbage "count"))
      show(pcall(table.insert), pcall(table.insert, {}, 1, 2, 3))
      show(pcall(table.remove), table.remove { 1, 2 }, table.remove({ 1, 2 }, 1))
      show(pcall(table.sort), pcall(table.concat, {}, ""))
      show(pcall(table.unpack), table.unpack({ 1, 2, 3 }, 2), table.unpack({ 1, 2 }, 1, 1))
      show(pcall(string.rep), ("x"):rep(3, ","), (""):rep(10), ("x"):rep(0))
      show(("abc"):sub(2), ("abc"):upper(), #("x"):rep(1000))
      show(pcall(string.gsub, "x", "x"), pcall(string.gsub, "x", "x", true))
      show(pcall(string.gsub, "abc", "%w", "%%%0"), pcall(string.gsub, "abc", "%w", "%x"))
      show(pcall(string.gsub, "abc", "%w", "%2"))
      show(pcall(string.gsub, "abc", "(%w)", { a = 1, b = {} }))
      show(pcall(string.gsub, "abc", "()", "%1"))
      show(("abc"):gsub("%w", { a = false }), ("abc"):gsub("^a", 1))
      show(("x"):rep(20):gsub("x", "%0%0"), ("abc"):gsub("", "-"), (("y"):rep(3000):gsub("x", "")))
      show(("abc"):find("b", -100), ("abc"):find("", 10), ("abc"):find("", 4), ("a\0b"):find "\0b")
      show(("abc"):gmatch("b", 10)(), ("abc"):gmatch(".", -1)(), ("abc"):find("b", 2, true))
      show(("aXb"):find("X", 1, true), ("aab"):find("ab", 1, true), ("a"):find("abc", 1, true))
    ]]
    local file <close> = process.write_file(script)
    local standard = process.run { "neap", file.path }
    assert.are.equal(0, standard.code, standard.stderr)
    assert.are.same(standard, process.run { "neap", "--sandbox", file.path })
    fails("a sandbox has no finalizers", "setmetatable({}, { __gc = print })")
    fails("a sandbox has only collectgarbage 'count'", "collectgarbage()")
    fails("a sandbox has only collectgarbage 'count'", "collectgarbage 'step'")
    fails("module 'socket' is not in the sandbox", "require 'socket'")
  end)
end)
