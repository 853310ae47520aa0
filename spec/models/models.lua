-- models.lua [--step N] [--most N] [--kind TEXT] - all small programs of each primitive, with
-- a cancellation at every point, against the reference. Prints what there was.
--
--   --step N     every Nth program
--   --most N     the operations of all tasks of a program: 6 if not said; 8 is all that two
--                tasks with four each can do
--   --kind TEXT  the primitives whose name has this text
local neap = require "neap"
local kinds = require "spec.models.kinds"
local play = require "spec.models.play"
local reference = require "spec.models.reference"

local SHAPES = { { tasks = 2, each = 4 }, { tasks = 3, each = 2 } }

local models = {}

--- One sequence for each task, by a number; nil if that has more than `most` operations.
local function program_of(number, sequences, tasks, most)
  local program, length = {}, 0
  for who = tasks, 1, -1 do
    local sequence = sequences[number % #sequences + 1]
    program[who], length = sequence, length + #sequence
    number = number // #sequences
  end
  return length <= most and program or nil
end

--- Every combination, every `step`th; visit(program) stops it by returning true.
local function each_program(ops, shape, most, step, visit)
  local sequences = play.sequences(ops, shape.each)
  local met = 0
  for number = 0, math.tointeger((#sequences) ^ shape.tasks) - 1 do
    local program = program_of(number, sequences, shape.tasks, most)
    met = met + (program and 1 or 0)
    if program and met % step == 0 and visit(program) then return end
  end
end

--- The programs of a kind in a shape. Returns how many, with how many cancellations, and the
--- first problem, or nil.
function models.check(kind, shape, most, step)
  local programs, cancellations, problem = 0, 0, nil
  each_program(kind.ops, shape, most, step, function(program)
    local count, wrong = play.program(kind, program, reference)
    programs, cancellations = programs + 1, cancellations + count
    problem = wrong
    return wrong ~= nil
  end)
  return programs, cancellations, problem
end

models.kinds, models.SHAPES, models.MOST = kinds, SHAPES, 6

local function options(...)
  local chosen, list = { step = 1, most = models.MOST, kind = "" }, { ... }
  for i = 1, #list, 2 do
    local name = list[i]:match "^%-%-(%a+)$"
    if not chosen[name] then error("models: what is " .. list[i] .. "?", 0) end
    chosen[name] = list[i + 1]
  end
  return math.tointeger(tonumber(chosen.step)), tonumber(chosen.most), chosen.kind
end

function models.main(...)
  local step, most, wanted = options(...)
  local _ <close> = neap.testing.virtual_clock()
  neap.set_exception_handler(function() end)
  local programs, cancellations, failures = 0, 0, 0
  for _, kind in ipairs(kinds) do
    for _, shape in ipairs(kind.name:find(wanted, 1, true) and SHAPES or {}) do
      local began = os.clock()
      local p, c, problem = models.check(kind, shape, most, step)
      print(("%-32s %d tasks: %7d programs, %8d cancellations, %4.0f s"):format(
        kind.name, shape.tasks, p, c, os.clock() - began))
      io.stdout:flush()
      programs, cancellations = programs + p, cancellations + c
      if problem then
        failures = failures + 1
        print(problem)
      end
    end
  end
  print(("%d programs, %d cancellations: %d failures"):format(programs, cancellations, failures))
  return failures == 0
end

if ... == "spec.models.models" then return models end

os.exit(models.main(...))
