-- The table `arg` and the arguments of the script.
local process = require "spec.support.process"

local show = [[
  local parts = {}
  local first = 0
  while arg[first - 1] do first = first - 1 end
  for i = first, #arg do parts[#parts + 1] = i .. "=" .. arg[i]:match "[^/]*$" end
  print(table.concat(parts, " "))
  print(select("#", ...), ...)
]]

describe("arg", function()
  it("has the script at 0, its arguments after and the options before that", function()
    local script <close> = process.write_file(show)
    local name = script.path:match "[^/]*$"
    local result = process.run { "neap", "-E", "-l", "neap", script.path, "a", "-e", "" }
    assert.are.equal(
      "-4=neap -3=-E -2=-l -1=neap 0=" .. name .. " 1=a 2=-e 3=\n3\ta\t-e\t\n", result.stdout)
    assert.are.equal(0, result.code)
  end)

  it("has '-' at 0 for stdin", function()
    local result = process.run({ "neap", "-", "a", "b" }, { stdin = show })
    assert.are.equal("-1=neap 0=- 1=a 2=b\n2\ta\tb\n", result.stdout)
  end)

  it("has the program at 0 when there is no script", function()
    local code = "print(arg[0]:match '[^/]*$', arg[1], arg[-1], ...)"
    local result = process.run { "neap", "-e", code }
    assert.are.equal("neap\t-e\tnil\n", result.stdout)
  end)

  it("may be changed before the script gets it", function()
    local result = process.run({ "neap", "-e", "arg = { 'x', 'y', 'z' }", "-", "a" },
      { stdin = "print(...)" })
    assert.are.equal("x\ty\tz\n", result.stdout)
  end)

  it("must then be a table", function()
    local result = process.run({ "neap", "-e", "arg = 1", "-" }, { stdin = "print(...)" })
    assert.are.equal(1, result.code)
    assert.matches("^neap: 'arg' is not a table", result.stderr)
  end)

  it("may hold many", function()
    local words = { "neap", "-" }
    for i = 1, 2000 do words[#words + 1] = tostring(i) end
    local result = process.run(words, { stdin = "print(select('#', ...), (select(-1, ...)))" })
    assert.are.equal("2000\t2000\n", result.stdout)
  end)
end)
