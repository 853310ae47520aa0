-- The module's parts that are made when first asked for: each way to ask.
local process = require "spec.support.process"

local function prints(expected, words)
  assert.are.same({ code = 0, stdout = expected, stderr = "" }, process.run(words))
end

for _, command in ipairs { "neap", "lua5.4" } do
  describe("under " .. command, function()
    local function says(expected, code)
      prints(expected, { command, "-e", code })
    end

    it("a submodule is the same by require and as a field, whichever comes first", function()
      says("true\ttrue\n", [[
        local testing = require "neap.testing"
        print(testing == require "neap".testing, testing == package.loaded["neap.testing"])]])
      says("true\n", [[
        local testing = require "neap".testing
        print(testing == require "neap.testing")]])
    end)

    it("a function written in Lua is there when it is first named", function()
      says("function\ttrue\n", [[
        local neap = require "neap"
        print(type(neap.gather), neap.gather == neap.gather)]])
    end)

    it("what does not exist is nil, whatever the key", function()
      says("nil\tnil\tnil\tnil\tnil\n", [[
        local neap = require "neap"
        print(neap.nope, neap[""], neap[1], neap[" "], neap["gather shield"])]])
    end)

    it("pairs lists every function, and each once", function()
      says("true\ttrue\ttrue\tfunction\n", [[
        local neap, seen = require "neap", {}
        for name, value in pairs(neap) do
          assert(not seen[name], name)
          seen[name] = type(value)
        end
        print(seen.sleep == "function", seen.task_group == "function", seen.wrap == "function",
          seen.copy_context)]])
    end)

    it("require checks its argument as the standard one does, at the caller's line", function()
      says("(command line):2: bad argument #1 to 'require' (string expected, got nil)\n"
        .. "(command line):2: bad argument #1 to 'require' (string expected, got no value)\n", [[
        require "neap"
        local function try(...) require(...) end
        print(select(2, pcall(try, nil)))
        print(select(2, pcall(try)))]])
    end)
  end)
end
