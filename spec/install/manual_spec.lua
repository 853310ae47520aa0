-- The manual page of the program.
local process = require "spec.support.process"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

--- The options at the beginnings of the lines of `text`, as a set.
local function options_of(text, pattern)
  local found = {}
  for line in text:gmatch "[^\n]+" do
    local start = line:match(pattern)
    if start then
      for option in start:gmatch "%-[%w-]*" do found[option] = true end
    end
  end
  return found
end

describe("the manual page", function()
  local page = read "docs/neap.1"

  it("has every option of the program, and no other", function()
    local help = process.run { "neap", "--help" }.stdout
    local section = page:match "\n%.SH OPTIONS\n(.-)\n%.SH ":gsub("\\%-", "-")
    assert.are.same(options_of(help, "^  (%-.-)   ?%l"), options_of(section, "^%.B[IR]? (%-.*)"))
  end)

  it("is of this version", function()
    assert.are.equal(require "neap"._VERSION, page:match '"neap ([%d.]+)"')
  end)

  it("is formatted without a warning", function()
    if process.run { "sh", "-c", "command -v groff" }.code ~= 0 then
      pending "groff is not installed"
      return
    end
    local result = process.run { "groff", "-man", "-ww", "-Tutf8", "docs/neap.1" }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.code)
  end)
end)
