-- A part of these very specs in plain busted with the helper; `./dev test` runs all of them
-- under `neap test`.
local process = require "spec.support.process"

describe("the project's specs", function()
  it("pass under busted --helper=neap.busted", function()
    local result = process.run {
      "lua5.4", "spec/support/busted.lua", "--helper=neap.busted", "--exclude-tags=plain",
      "spec/waiting", "spec/coroutines",
    }
    assert.are.equal("", result.stderr)
    assert.matches("\n%d%d%d successes / 0 failures / 0 errors / ", result.stdout)
    assert.are.equal(0, result.code)
  end)
end)
