-- The example of docs/testing.md: scripts/spec, as its users run it.
local process = require "spec.support.process"

describe("scripts/spec", function()
  local expected = "^%+%+%+%+%+\n5 successes / 0 failures / 0 errors / 0 pending"
  local runners = {
    ["neap test"] = { "neap", "test" },
    ["busted"] = { "lua5.4", "spec/support/busted.lua",
      "--helper=neap.busted" },
  }
  for title, words in pairs(runners) do
    it("passes under " .. title, function()
      for _, word in ipairs { "-C", "scripts/spec", "." } do words[#words + 1] = word end
      local result = process.run(words)
      assert.are.equal("", result.stderr)
      assert.matches(expected, result.stdout)
      assert.are.equal(0, result.code)
    end)
  end

  it("says what a fault in the service would look like", function()
    local result = process.run { "neap", "test", "-C", "scripts/spec", "--shuffle-tasks",
      "--seed=7", "-e", "local s = require 'service'; s.new = function() error 'broken' end", "." }
    assert.matches("Order of tasks: --shuffle-tasks --seed=7", result.stdout, 1, true)
    assert.are.equal(1, result.code)
  end)
end)
