-- Tasks that await each other at random, against a plain model of who can reach whom: an await
-- raises exactly if it closes a cycle.
local neap = require "neap"
local in_loop = require "spec.support.loop"

local PROGRAMS, TASKS = 60, 40

--- Numbers from 0 to n - 1, the same for the same seed.
local function generator(seed)
  local state = seed
  return function(n)
    state = state * 6364136223846793005 + 1442695040888963407
    return (state >> 33) % n
  end
end

--- Whether `to` is reached from `from` along `target`, each node's one edge.
local function reaches(target, from, to)
  while from and from ~= to do from = target[from] end
  return from == to
end

--- A task that awaits what its gate is given, and notes in raised[i] if that is refused.
local function awaiter(i, gate, raised)
  return neap.create_task(function()
    local awaited = gate:await()
    local ok, err = pcall(awaited.await, awaited)
    if not ok and type(err) == "string" then
      raised[i] = err:match "cannot await itself" and true or err
      pcall(neap.sleep, math.huge)
    end
  end)
end

local function shuffled(n, random)
  local order = {}
  for i = 1, n do order[i] = i end
  for i = n, 2, -1 do
    local j = 1 + random(i)
    order[i], order[j] = order[j], order[i]
  end
  return order
end

describe("an await #plain", function()
  for seed = 1, PROGRAMS do
    it("closes no cycle in the random program " .. seed, in_loop(function()
      local random = generator(seed)
      local gates, tasks, target, raised, expected = {}, {}, {}, {}, {}
      for i = 1, TASKS do
        gates[i] = neap.future()
        tasks[i] = awaiter(i, gates[i], raised)
      end
      neap.sleep(0)
      for _, i in ipairs(shuffled(TASKS, random)) do
        local j = 1 + random(TASKS)
        if reaches(target, j, i) then
          expected[i] = true
        else
          target[i] = j
        end
        gates[i]:set_result(tasks[j])
        neap.sleep(0)
      end
      assert.are.same(expected, raised)
      assert.is_not_nil(next(raised))
    end))
  end
end)
