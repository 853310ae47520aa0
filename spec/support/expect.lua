-- What the specs of tasks and waiting assert again and again.
local assert = require "luassert"
local neap = require "neap"

local expect = {}

--- What an error is called: the class of an error object, any other value as it is.
function expect.label(err)
  return neap.is(err, neap.Error) and err.name or err
end

--- Asserts that fn(...) raises an error of the class, and returns it.
function expect.error(class, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(neap.is(err, class), tostring(err))
  return err
end

--- Asserts that the task was cancelled.
function expect.cancelled(task)
  expect.error(neap.CancelledError, task.await, task)
end

--- Asserts that fn(...) raises an ordinary Lua error, and returns its message.
function expect.misuse(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.are.equal("string", type(err))
  return err
end

--- Likewise of a function in a file, of which the message must name a line; in lower case.
function expect.misuse_here(fn)
  local message = expect.misuse(fn)
  local file = debug.getinfo(fn, "S").short_src
  assert.are.equal(file .. ":", message:sub(1, #file + 1))
  assert.matches("^%d+: ", message:sub(#file + 2))
  return message:lower()
end

--- Asserts that the current task has no request pending and sleeps as long as it asks to.
function expect.unharmed()
  local before = neap.time()
  assert.are.equal("slept", neap.sleep(1000, "slept"))
  assert.are.equal(before + 1000, neap.time())
  assert.are.equal(0, neap.current_task():cancelling())
end

return expect
