-- The scripts that deal with real processes and files.
local process = require "spec.support.process"

local POOL = "scripts/process_pool.lua"

local function sorted_lines(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

describe("the script process_pool", function()
  for _, host in ipairs { "neap", "lua5.4" } do
    it("runs a command for every line, under " .. host, function()
      local result = process.run({ host, POOL, "printf", "<%s>\\n" },
        { stdin = "a\nb c\n$d\ne\nf\ng\nh\n" })
      assert.are.same({ "<$d>", "<a>", "<b c>", "<e>", "<f>", "<g>", "<h>" },
        sorted_lines(result.stdout))
      assert.are.equal("", result.stderr)
      assert.are.equal(0, result.code)
    end)
  end

  it("ends all at the first that fails", function()
    local result = process.run({ "neap", POOL, "sh", "-c", [[
      if [ "$0" = bad ]; then exit 3; fi
      sleep 100 ]] }, { stdin = "1\n2\n3\nbad\n4\n" })
    assert.are.same({
      code = 1, stdout = "", stderr = "process_pool: ProcessError: 'sh' exited with status 3\n",
    }, result)
  end)

  it("ends all at Ctrl-C", function()
    local log <close> = process.write_file ""
    local function wait_for(text)
      for _ = 1, 1000 do
        local file <close> = assert(io.open(log.path))
        if file:read "a" == text then return end
        os.execute "unset LD_PRELOAD; sleep 0.01"
      end
      error("no " .. text)
    end
    local child <close> = process.start({ "neap", POOL, "sh", "-c", [[
      trap 'echo ended >> "$0"; exit' TERM
      echo begun >> "$0"
      while :; do sleep 0.01; done ]] }, { stdin = log.path .. "\n" })
    wait_for "begun\n"
    child:kill "INT"
    assert.are.same({ code = 130, stdout = "", stderr = "" }, child:finish())
    wait_for "begun\nended\n"
  end)
end)

describe("the script tail", function()
  local function append(path, text, mode)
    local file <close> = assert(io.open(path, mode or "a"))
    assert(file:write(text))
  end

  for _, name in ipairs { "TERM", "INT" } do
    it("shows what is added to a file, until SIG" .. name, function()
      local log <close> = process.write_file "old\n"
      local child <close> = process.start { "neap", "scripts/tail.lua", log.path }
      child:wait_for "following"
      append(log.path, "one\n")
      child:wait_for "one\n"
      append(log.path, "two\n", "w") -- truncated
      child:wait_for "two\n"
      os.rename(log.path, log.path .. ".1") -- rotated
      append(log.path, "three\n")
      child:wait_for "three\n"
      os.remove(log.path .. ".1")
      child:kill(name)
      assert.are.same({ code = 0, stdout = "one\ntwo\nthree\n",
        stderr = "following " .. log.path .. "\n" }, child:finish())
    end)
  end

  it("says what is wrong", function()
    local result = process.run { "neap", "scripts/tail.lua", "/no/such/file" }
    assert.are.equal(1, result.code)
    assert.matches("OSError: watch '/no/such': no such file or directory %(ENOENT%)",
      result.stderr)
  end)
end)
