-- Some points of each sweep, of other scenarios every day; all of them: ./dev sweep.
local build = assert(os.getenv "NEAP_BUILD")

--- Of every 24th scenario, every so-manieth point.
local STEPS = { S1 = 151, S2 = 23, S3 = 7, S4 = 41, S5 = 11, S6 = 13 }

local first = os.getenv "NEAP_SWEEP_FIRST" or tonumber(os.date "%j")

describe("with something going wrong at every point,", function()
  for _, sweep in ipairs { "S1", "S2", "S3", "S4", "S5", "S6" } do
    it(sweep .. " the scenarios leave nothing behind", function()
      local command = ("LD_PRELOAD= NEAP_SWEEP_FIRST=%d tools/sweep '%s' --step %d %s 2>&1"):format(
        first, build, STEPS[sweep], sweep)
      local output <close> = assert(io.popen(command))
      local text = output:read "a"
      assert.is_truthy(text:find(sweep .. ": 0 failures", 1, true), text:sub(1, 3000))
    end)
  end
end)

describe("with a failing allocation at every point,", function()
  --- All points of one scenario.
  local function sweep(mode, file, name)
    local command = ("LD_PRELOAD= '%s/sweep' %s spec/sweep/scenarios/%s.lua 0 '%s' 2>&1"):format(
      build, mode, file, name)
    local output <close> = assert(io.popen(command))
    local text = output:read "a"
    assert.is_truthy(text:find(", 0 failures", 1, true), text:sub(1, 3000))
  end

  -- It stayed open, with nobody to serve it, and its peer waited.
  it("a connection that cannot be served is closed", function()
    sweep("lua-once", "streams", "a name is looked up")
  end)
end)
