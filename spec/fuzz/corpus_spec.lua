-- What the fuzzers have found worth keeping, once more: ./dev fuzz goes on from there.
local fs = require "neap.fs"
local process = require "spec.support.process"

local build = assert(os.getenv "NEAP_BUILD")

describe("every input of the corpus", function()
  for line in io.lines "CMakeLists.txt" do
    local target = line:match "^neap_fuzz%(([%w_]+)"
    if target then
      it("is taken by the target " .. target, function()
        local result = process.run { build .. "/fuzz/" .. target, "fuzz/corpus/" .. target }
        assert.are.equal("", result.stderr:sub(1, 2000))
        assert.are.equal(#fs.readdir("fuzz/corpus/" .. target) .. " inputs\n", result.stdout)
        assert.are.equal(0, result.code)
      end)
    end
  end
end)
