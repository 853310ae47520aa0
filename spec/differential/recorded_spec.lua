-- Task programs that were made at random, and what CPython's asyncio (3.13) logged of each:
-- recorded.txt, written by difftest.py --record. `./dev difftest` makes and compares new ones.
local run = require "spec.differential.neap_side"

local function each_program(file)
  return coroutine.wrap(function()
    local program, log = nil, {}
    for line in file:lines() do
      if not program then
        program = line
      elseif line == "." then
        coroutine.yield(program, table.concat(log))
        program, log = nil, {}
      else
        log[#log + 1] = line .. "\n"
      end
    end
  end)
end

describe("task programs", function()
  it("do what they do on asyncio, event by event #plain", function()
    local file <close> = assert(io.open "spec/differential/recorded.txt")
    local count = 0
    for program, expected in each_program(file) do
      local log = {}
      run(assert(load("return " .. program))(), function(text) log[#log + 1] = text end)
      assert.are.equal(expected, table.concat(log), program)
      count = count + 1
    end
    assert.are.equal(300, count)
  end)
end)
