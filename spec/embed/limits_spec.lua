-- The scripts of spec/hostile, each run by embed/limits.c beside a runtime that goes on. The
-- first line of a script says how it ends, whatever it tries: patterns, one of which matches.
local installed = require "spec.support.installed"

local FOLDER = "spec/hostile"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function must(command, ...)
  local result = installed.run(command:format(...))
  assert(result.code == 0, result.stdout .. result.stderr)
  return result.stdout
end

local function compile(source, name)
  local program = installed.scratch() .. "/" .. name
  must("cc -std=gnu11 -Wall -Wextra -Wpedantic -Werror %s %s -o %s"
    .. " $(pkg-config --cflags --libs neap) -pthread", installed.flags, source, program)
  return program
end

--- The outputs of all scripts, by name. Two run at a time; one that is not contained is
-- killed, which its output shows.
local function run_all(program)
  local outputs = installed.scratch()
  must("cd %s && ls *.lua | sed 's/.lua$//' | xargs -P 2 -I{} sh -c"
    .. " 'timeout -s KILL 20 %s {}.lua >%s/{} 2>&1 || echo killed >>%s/{}'",
    FOLDER, program, outputs, outputs)
  return outputs
end

local function matches_one(text, patterns)
  for pattern in patterns:gmatch "[^|]+" do
    if ("\n" .. text):find("\n" .. pattern) then return true end
  end
  return false
end

describe("within limits, a script that is hostile:", function()
  local outputs

  lazy_setup(function()
    outputs = run_all(compile("embed/limits.c", "limits"))
  end)

  for name in must("ls %s | sed -n 's/\\.lua$//p'", FOLDER):gmatch "%S+" do
    it(name, function()
      local expected = read(FOLDER .. "/" .. name .. ".lua"):match "^%-%- expect: ([^\n]*)\n"
      local output = read(outputs .. "/" .. name)
      assert.is_truthy(matches_one(output, expected),
        ("%s\ninstead of: %s"):format(output, expected))
      assert.are.equal("neighbour: well\n", output:match "[^\n]*\n$")
    end)
  end
end)

describe("neap_set_limits", function()
  it("answers bad arguments with error codes, and sets what it is given", function()
    local program = compile("spec/embed/limits_arguments.c", "arguments")
    assert.are.equal("as documented\n", must("%s", program))
  end)
end)
