-- Error objects (contract, section 0), and every other value that a task can fail with.
local neap = require "neap"
local testing = require "neap.testing"
local in_loop = require "spec.support.loop"

local class_names = {
  "CancelledError",
  "TimeoutError",
  "InvalidStateError",
  "ExceptionGroup",
  "QueueEmpty",
  "QueueFull",
  "QueueShutDown",
  "BrokenBarrierError",
  "IncompleteReadError",
  "LimitOverrunError",
  "DeadlockError",
  "OSError",
  "ProcessError",
}

--- A table whose metatable is its own metatable and its own __index.
local function snake()
  local value = {}
  value.__index = value
  return setmetatable(value, value)
end

local function raiser(message)
  return function() error(message, 0) end
end

--- Values that are no error objects, some of them built to break a careless check.
local function odd_values()
  local looped, partner = {}, {}
  setmetatable(looped, partner)
  setmetatable(partner, looped)
  return {
    ["a boolean"] = false,
    ["an integer"] = 42,
    ["NaN"] = 0 / 0,
    ["a string"] = "TimeoutError",
    ["an empty table"] = {},
    ["a table that looks like an error"] = { name = "TimeoutError", message = "fake" },
    ["a C function"] = print,
    ["a Lua function"] = function() end,
    ["a coroutine"] = coroutine.create(print),
    ["a file"] = io.stdout,
    ["a table with __index that raises"] = setmetatable({}, { __index = raiser "index" }),
    ["a table with __eq that raises"] = setmetatable({}, { __eq = raiser "eq" }),
    ["a table with a hidden metatable"] = setmetatable({}, { __metatable = false }),
    ["a table with a metatable of the wrong kind"] = setmetatable({}, { __metatable = "locked" }),
    ["a table that is its own metatable"] = snake(),
    ["two tables that are each other's metatable"] = looped,
    ["the module"] = neap,
  }
end

--- Values that a task may fail with; each must come out as it went in.
local function odd_errors()
  return {
    ["false"] = false,
    ["a number"] = 42,
    ["a string"] = "just text",
    ["an empty string"] = "",
    ["a string with a zero byte"] = "zero\0byte",
    ["a plain table"] = { code = 7 },
    ["a function"] = print,
    ["a coroutine"] = coroutine.create(print),
    ["a file"] = io.stdout,
    ["a table whose __tostring raises"] = setmetatable({}, { __tostring = raiser "tostring" }),
    ["a table whose __tostring returns no string"] = setmetatable({}, {
      __tostring = function() return 42 end,
    }),
    ["a table whose __tostring returns nothing"] = setmetatable({}, {
      __tostring = function() end,
    }),
    ["a table whose __tostring calls itself"] = setmetatable({}, { __tostring = tostring }),
    ["a table whose __name is no string"] = setmetatable({}, { __name = {} }),
    ["a table whose __index raises"] = setmetatable({}, { __index = raiser "index" }),
    ["a table whose __newindex raises"] = setmetatable({}, { __newindex = raiser "newindex" }),
    ["a table with a hidden metatable"] = setmetatable({}, { __metatable = false }),
    ["a table that is its own metatable"] = snake(),
  }
end

--- Runs body(...) on a virtual clock of its own; returns what pcall made of neap.run.
local function run(body, ...)
  local clock <close> = testing.virtual_clock()
  assert(clock)
  return pcall(neap.run, body, ...)
end

--- Lets the tasks fail, collects all garbage, lets the loop report what was found.
local function collect()
  neap.sleep(0)
  neap.sleep(0)
  collectgarbage()
  collectgarbage()
  neap.sleep(0)
end

describe("an error object", function()
  for _, name in ipairs(class_names) do
    it("of class " .. name .. " has its name and message", function()
      local err = neap[name] "what happened"
      assert.are.equal("table", type(err))
      assert.are.same({ name, "what happened" }, { err.name, err.message })
      assert.is_nil(err.cause)
      assert.is_nil(err.traceback)
      assert.are.equal(name .. ": what happened", tostring(err))
    end)

    it("of class " .. name .. " may have no message", function()
      local err = neap[name]()
      assert.are.same({ name, "" }, { err.name, err.message })
      assert.are.equal(name, tostring(err))
      assert.are.equal(name, tostring(neap[name] ""))
    end)

    it("of class " .. name .. " is an Error and of no other class", function()
      local err = neap[name] "message"
      assert.is_true(neap.is(err, neap.Error))
      local classes = {}
      for _, other in ipairs(class_names) do
        if neap.is(err, neap[other]) then
          classes[#classes + 1] = other
        end
      end
      assert.are.same({ name }, classes)
    end)

    it("of class " .. name .. " has a metatable chain that ends in neap.Error", function()
      local link, steps = getmetatable(neap[name] "message"), 0
      while link ~= neap.Error and link ~= nil and steps < 10 do
        link, steps = getmetatable(link), steps + 1
      end
      assert.are.equal(neap.Error, link)
    end)
  end

  it("of class Error itself is of no derived class", function()
    local err = neap.Error "plain"
    assert.are.equal("Error: plain", tostring(err))
    assert.is_true(neap.is(err, neap.Error))
    for _, name in ipairs(class_names) do
      assert.is_false(neap.is(err, neap[name]))
    end
  end)

  it("is a new object from every call, equal only to itself", function()
    local one, two = neap.TimeoutError "same", neap.TimeoutError "same"
    assert.are_not.equal(one, two)
    one.cause = "changed"
    assert.is_nil(two.cause)
    assert.is_nil(neap.TimeoutError.cause)
  end)

  it("takes fields of its own and a cause", function()
    local cause = neap.OSError "disk on fire"
    local err = neap.Error "could not save"
    err.cause = cause
    err.path = "/tmp/x"
    assert.are.equal(cause, err.cause)
    assert.are.equal("/tmp/x", err.path)
    assert.are.equal("Error: could not save", tostring(err))
  end)

  it("is raised and caught like any value", function()
    local err = neap.TimeoutError "raised"
    local ok, caught = pcall(error, err)
    assert.is_false(ok)
    assert.are.equal(err, caught)
    assert.are.equal("raised", caught.message)
  end)
end)

describe("Class:extend", function()
  it("derives a class from neap.Error", function()
    local MyError = neap.Error:extend "MyError"
    local err = MyError "bad"
    assert.are.same({ "MyError", "bad" }, { err.name, err.message })
    assert.are.equal("MyError: bad", tostring(err))
    assert.are.equal("MyError", tostring(MyError()))
    assert.is_true(neap.is(err, MyError))
    assert.is_true(neap.is(err, neap.Error))
    assert.is_false(neap.is(err, neap.TimeoutError))
    assert.is_false(neap.is(neap.Error "base", MyError))
  end)

  it("derives from a derived class, several levels deep", function()
    local Base = neap.Error:extend "Base"
    local Middle = Base:extend "Middle"
    local Leaf = Middle:extend "Leaf"
    local Other = Base:extend "Other"
    local err = Leaf "deep"
    local is = {}
    for i, class in ipairs { neap.Error, Base, Middle, Leaf, Other } do
      is[i] = neap.is(err, class)
    end
    assert.are.same({ true, true, true, true, false }, is)
    assert.are.equal("Leaf: deep", tostring(err))
    assert.is_false(neap.is(Middle "not that deep", Leaf))
  end)

  for _, name in ipairs(class_names) do
    it("derives from " .. name, function()
      local Mine = neap[name]:extend "Mine"
      local err = Mine "bad"
      assert.are.equal("Mine: bad", tostring(err))
      assert.is_true(neap.is(err, neap[name]))
      assert.is_true(neap.is(err, neap.Error))
      assert.is_false(neap.is(neap[name] "bad", Mine))
    end)
  end

  it("gives a class whose instances may have methods", function()
    local HttpError = neap.Error:extend "HttpError"
    function HttpError:is_retryable()
      return self.status >= 500
    end
    local err = HttpError "unavailable"
    err.status = 503
    assert.is_true(err:is_retryable())
    assert.is_nil(neap.Error.is_retryable)
  end)

  it("makes two classes of one name distinct", function()
    local one, two = neap.Error:extend "Twin", neap.Error:extend "Twin"
    assert.is_false(neap.is(one "x", two))
    assert.is_false(neap.is(two "x", one))
  end)
end)

describe("neap.is", function()
  for title, value in pairs(odd_values()) do
    it("is false for " .. title, function()
      assert.is_false(neap.is(value, neap.Error))
      assert.is_false(neap.is(value, neap.TimeoutError))
    end)

    it("is false for an error and " .. title .. " as the class", function()
      assert.is_false(neap.is(neap.TimeoutError "x", value))
    end)
  end

  it("is false for nil, on either side", function()
    assert.is_false(neap.is(nil, neap.Error))
    assert.is_false(neap.is(neap.Error "x", nil))
    assert.is_false(neap.is(nil, nil))
  end)

  it("is false for a class, which is no instance", function()
    assert.is_false(neap.is(neap.TimeoutError, neap.Error))
    assert.is_false(neap.is(neap.Error, neap.Error))
    assert.is_false(neap.is(neap.Error:extend "Mine", neap.Error))
  end)

  it("is false for an instance in the place of the class", function()
    local err = neap.TimeoutError "x"
    assert.is_false(neap.is(err, err))
  end)

  it("answers for a task, a future and a scope", in_loop(function()
    local scope <close> = neap.timeout(5)
    for _, value in ipairs { neap.current_task(), neap.future(), scope } do
      assert.is_false(neap.is(value, neap.Error))
    end
  end))
end)

describe("the traceback of an error object", function()
  it("is where it was raised, once it has left a task", in_loop(function()
    local function the_culprit()
      neap.sleep(1)
      error(neap.Error "raised")
    end
    local task = neap.create_task(function()
      the_culprit()
      return "not a tail call"
    end)
    local _, err = pcall(task.await, task)
    assert.are.equal("string", type(err.traceback))
    assert.matches("the_culprit", err.traceback, 1, true)
    assert.matches("error_objects_spec.lua:%d+", err.traceback)
  end))

  it("stays the first one when the error passes through more tasks", in_loop(function()
    local function the_culprit()
      error(neap.Error "raised")
    end
    local inner = neap.create_task(function()
      the_culprit()
      return "not a tail call"
    end)
    local outer = neap.create_task(function() return inner:await() end)
    local _, err = pcall(outer.await, outer)
    assert.matches("the_culprit", err.traceback, 1, true)
    assert.are.equal(err, inner:exception())
    assert.are.equal(err, outer:exception())
  end))

  it("tells of an error raised by neap too", in_loop(function()
    local function the_culprit()
      return (neap.future():result())
    end
    local task = neap.create_task(function()
      the_culprit()
      return "not a tail call"
    end)
    local _, err = pcall(task.await, task)
    assert.are.equal("InvalidStateError", err.name)
    assert.matches("the_culprit", err.traceback, 1, true)
  end))

  it("is there for an error that leaves neap.run #plain", function()
    local function the_culprit()
      neap.sleep(1)
      error(neap.Error "raised")
    end
    local ok, err = run(function()
      the_culprit()
      return "not a tail call"
    end)
    assert.is_false(ok)
    assert.matches("the_culprit", err.traceback, 1, true)
  end)
end)

describe("the traceback of a CancelledError", function()
  local function cancelled(fn)
    local task = neap.create_task(fn)
    neap.sleep(0)
    task:cancel()
    local _, err = pcall(task.await, task)
    return err.traceback
  end
  local function one() neap.sleep(1) end
  local function other() neap.sleep(1) end

  it("is that of its own place, also after others", in_loop(function()
    local first, second, third = cancelled(one), cancelled(other), cancelled(one)
    local line = debug.getinfo(one, "S").linedefined
    local text = "stack traceback:\n\t[C]: in ?\n\t%s:%d: in function <%s:%d>\n\t[C]: in ?"
    local source = debug.getinfo(one, "S").short_src
    assert.are.equal(text:format(source, line, source, line), first)
    assert.are.equal(text:format(source, line + 1, source, line + 1), second)
    assert.are.equal(first, third)
  end))

  it("shows the innermost levels of a deep stack", in_loop(function()
    local function nested(depth)
      if depth > 0 then
        nested(depth - 1)
      else
        neap.sleep(1)
      end
      return depth
    end
    local _, lines = cancelled(function() nested(100) end):gsub("\n", "\n")
    assert.are.equal(8, lines)
  end))
end)

describe("many error classes", function()
  it("are all told apart", function()
    local classes = { [0] = neap.TimeoutError }
    for i = 1, 60 do
      classes[i] = classes[i // 2]:extend("Class" .. i)
    end
    for i = 0, 60 do
      local err = classes[i] "one"
      local ancestors = { [i] = true }
      local j = i
      while j > 0 do
        j = j // 2
        ancestors[j] = true
      end
      for k = 0, 60 do
        assert.are.equal(ancestors[k] or false, neap.is(err, classes[k]))
      end
      assert.is_true(neap.is(err, neap.Error))
      assert.is_false(neap.is(err, neap.CancelledError))
      assert.is_false(neap.is(classes[i], neap.Error))
    end
  end)
end)

describe("a task that fails", function()
  for title, value in pairs(odd_errors()) do
    it("with " .. title .. " hands that very value on", in_loop(function()
      local task = neap.create_task(function()
        neap.sleep(1)
        error(value, 0)
      end)
      local seen = {}
      for i, read in ipairs { task.await, task.result, task.result, task.await } do
        local ok, err = pcall(read, task)
        seen[i] = { ok, rawequal(err, value) }
      end
      local expected = { false, true }
      assert.are.same({ expected, expected, expected, expected }, seen)
      assert.is_true(rawequal(value, task:exception()))
      assert.are.same({ true, false }, { task:done(), task:cancelled() })
    end))

    it("with " .. title .. " still has a text and a traceback", in_loop(function()
      local task = neap.create_task({ name = "odd" }, error, value, 0)
      pcall(task.await, task)
      local text = tostring(task)
      assert.matches('<Task "odd" failed', text, 1, true)
      assert.are.equal("string", type(task:traceback() or ""))
    end))

    it("with " .. title .. " is reported with that very value", in_loop(function(reports)
      neap.create_task(error, value, 0)
      collect()
      assert.are.equal(1, #reports)
      local report = table.remove(reports)
      assert.is_true(rawequal(value, report.exception))
      assert.are.equal("string", type(report.message))
    end))

    it("with " .. title .. " as the main task raises it from neap.run #plain", function()
      local ok, err = run(error, value, 0)
      assert.is_false(ok)
      assert.is_true(rawequal(value, err))
    end)
  end

  it("with nil has failed all the same", in_loop(function()
    for _, fail in ipairs { function() error() end, function() error(nil) end } do
      local task = neap.create_task({ name = "nothing" }, fail)
      local results = table.pack(pcall(task.await, task))
      assert.are.same({ false, nil, n = 2 }, results)
      assert.are.same({ false, nil, n = 2 }, table.pack(pcall(task.result, task)))
      assert.is_nil(task:exception())
      assert.are.same({ true, false }, { task:done(), task:cancelled() })
      assert.matches('<Task "nothing" failed', tostring(task), 1, true)
    end
  end))

  it("with nil is reported", in_loop(function(reports)
    neap.create_task(error)
    collect()
    assert.are.equal(1, #reports)
    local report = table.remove(reports)
    assert.is_nil(report.exception)
    assert.are.equal("string", type(report.message))
  end))

  it("with nil as the main task makes neap.run raise nil #plain", function()
    assert.are.same({ false, nil, n = 2 }, table.pack(run(error)))
  end)

  it("with a table leaves the table as it was", in_loop(function()
    local value = { code = 7 }
    local task = neap.create_task(error, value)
    pcall(task.await, task)
    assert.are.same({ code = 7 }, value)
    assert.is_nil(getmetatable(value))
  end))

  it("with a string gets the position that error gave it, no more", in_loop(function()
    local task = neap.create_task(function() error "with position" end)
    local _, err = pcall(task.await, task)
    assert.matches("^[^\n]*error_objects_spec%.lua:%d+: with position$", err)
    local bare = neap.create_task(error, "without position", 0)
    local _, text = pcall(bare.await, bare)
    assert.are.equal("without position", text)
  end))

  it("with a Lua runtime error hands on its message", in_loop(function()
    local task = neap.create_task(function()
      return (nil).field
    end)
    local _, err = pcall(task.await, task)
    assert.matches("attempt to index a nil value", err, 1, true)
  end))

  it("with a stack overflow ends like any other", in_loop(function()
    local function endless() return 1 + endless() end
    local task = neap.create_task(endless)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.matches("stack overflow", err, 1, true)
    assert.are.equal("slept", neap.sleep(1, "slept"))
  end))

  it("shows the message of an error object in its text", in_loop(function()
    local task = neap.create_task({ name = "shown" }, error, neap.TimeoutError "too slow")
    pcall(task.await, task)
    assert.matches('^<Task "shown" failed: .*too slow.*>$', tostring(task))
  end))
end)
