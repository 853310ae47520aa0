-- Hosts without memory.
local process = require "spec.support.process"

local build = os.getenv "NEAP_BUILD"
local sanitized = os.getenv "NEAP_SANITIZE" ~= ""

local function run(...)
  return process.run { build .. "/embed/" .. (...), select(2, ...) }
end

describe("every allocation may fail", function()
  for _, scenario in ipairs { "open", "sleep", "cancel", "group", "queue", "wait" } do
    it("in the scenario " .. scenario, function()
      -- A part of them; without the last argument it is all.
      local result = run("memory", scenario, sanitized and "31" or "7")
      assert.are.equal("", result.stderr)
      assert.matches("^" .. scenario .. ": %d+ points", result.stdout)
      assert.are.equal(0, result.code)
    end)
  end
end)
