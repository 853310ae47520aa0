-- Some points of each sweep; all of them: ./dev sweep.
local build = assert(os.getenv "NEAP_BUILD")

describe("with something going wrong at every point,", function()
  for _, sweep in ipairs { "S1", "S2", "S3", "S5", "S6" } do
    it(sweep .. " the scenarios leave nothing behind", function()
      local command = ("LD_PRELOAD= tools/sweep '%s' --step 7 %s 2>&1"):format(build, sweep)
      local output <close> = assert(io.popen(command))
      local text = output:read "a"
      assert.is_truthy(text:find(sweep .. ": 0 failures", 1, true), text)
    end)
  end
end)
