-- Hosts without memory. The points are a part of them; all: ./dev sweep hosts.
local build = assert(os.getenv "NEAP_BUILD")

describe("every allocation of a host may fail", function()
  it("once, and from there on", function()
    local command = ("LD_PRELOAD= tools/sweep_hosts '%s' --step 29 2>&1"):format(build)
    local output <close> = assert(io.popen(command))
    local text = output:read "a"
    local scenarios = select(2, text:gsub("\n%l+ %l+: %d+ points", ""))
    assert.are.equal(27, scenarios, text) -- 14, each in two ways; the first begins the text
    assert.matches("\nhosts: %d+ points, 0 failures\n$", text)
  end)
end)
