-- Hosts with threads. `./dev test --only tsan` runs them under ThreadSanitizer.
local process = require "spec.support.process"

local build = os.getenv "NEAP_BUILD"

local function run(name, argument, env)
  return process.run({ build .. "/embed/" .. name, argument }, { env = env, limit = 120 })
end

describe("with threads", function()
  it("a thousand runtimes live one after the other, and eight beside each other", function()
    assert.are.same({
      code = 0,
      stdout = "1000 of 1000 after each other\n160 of 160 in 8 threads\nposts lost: 0\n",
      stderr = "",
    }, run("many", "1000"))
  end)

  it("a runtime closes while they post to it and complete what its tasks wait for", function()
    assert.are.same(
      { code = 0, stdout = "60 of 60 closed, lost or doubled: 0\n", stderr = "" },
      run "closing")
  end)

  it("a deadline that comes just before the poll is not slept over", function()
    assert.are.same({ code = 0, stdout = "awake\n", stderr = "" }, run "late_poll")
  end)

  if os.getenv "NEAP_SANITIZE" == "thread" then
    it("a race is found where there is one", function()
      local result = run("race", nil, { TSAN_OPTIONS = "exitcode=66" })
      assert.are.equal(66, result.code)
      assert.are.equal("the post read 0\n", result.stdout)
      assert.matches("data race.*Write of size 4.*work.*Previous read of size 4.*look",
        result.stderr)
    end)
  end
end)
