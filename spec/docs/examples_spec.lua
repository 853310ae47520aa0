-- The Lua in README.md and docs/*.md: every block can be compiled, and one that follows
--
--   <!-- run -->
--
-- is a whole program. It runs on the virtual clock, says nothing on stderr, and exits with 0;
-- a block of ```text right after it is what it prints.
local assert = require "luassert"
local process = require "spec.support.process"

local RUN = "<!-- run -->"

local function list_pages()
  local pipe <close> = assert(io.popen("unset LD_PRELOAD; exec ls README.md docs/*.md"))
  return pipe:read("a"):gmatch "[^\n]+"
end

local function read_lines(path)
  local lines = {}
  for line in io.lines(path) do lines[#lines + 1] = line end
  return lines
end

--- The text of the fenced block whose fence is line i, and the line after it.
local function read_block(lines, i)
  local body = {}
  i = i + 1
  while lines[i] and lines[i] ~= "```" do
    body[#body + 1] = lines[i] .. "\n"
    i = i + 1
  end
  return table.concat(body), i + 1
end

local function skip_blank(lines, i)
  while lines[i] == "" do i = i + 1 end
  return i
end

--- { { line =, code =, run = boolean, output = string or nil }, ... }
local function read_examples(path)
  local lines, examples, i, run = read_lines(path), {}, 1, false
  while lines[i] do
    if lines[i] == "```lua" then
      local example = { line = i, run = run }
      example.code, i = read_block(lines, i)
      local next = skip_blank(lines, i)
      if run and lines[next] == "```text" then example.output, i = read_block(lines, next) end
      examples[#examples + 1] = example
      run = false
    else
      assert(not run or lines[i] == "", ("%s:%d: no block of Lua follows %s"):format(path, i, RUN))
      run = run or lines[i] == RUN
      i = i + 1
    end
  end
  return examples
end

local function check_run(example)
  local child = process.run({ "neap", "--virtual-clock", "-" }, { stdin = example.code })
  assert.are.equal("", child.stderr)
  assert.are.equal(0, child.code)
  if example.output then assert.are.equal(example.output, child.stdout) end
end

describe("the documentation", function()
  local count = 0

  for path in list_pages() do
    for _, example in ipairs(read_examples(path)) do
      local name = ("%s:%d"):format(path, example.line)
      if example.run then
        count = count + 1
        it("runs " .. name, function() check_run(example) end)
      else
        it("compiles " .. name, function()
          assert(load(example.code, "=" .. name, "t"))
        end)
      end
    end
  end

  it("has programs in it", function()
    assert.is_true(count > 0)
  end)
end)
