local neap = require "neap"
local in_loop = require "spec.support.loop"
-- random awaits against a plain reachability model: each await raises exactly if it closes a cycle
describe("cycles", function()
  for seed = 1, 60 do it("seed " .. seed, in_loop(function()
    local state = seed
    local function random(n) state = state * 6364136223846793005 + 1442695040888963407; return (state >> 33) % n end
    local n, tasks, target, raised, expected, order = 40, {}, {}, {}, {}, {}
    local gates = {}
    for i = 1, n do gates[i] = neap.future(); order[i] = i end
    for i = 1, n do tasks[i] = neap.create_task(function()
      local t = gates[i]:await()
      local ok, err = pcall(t.await, t)
      if not ok and type(err) == "string" then raised[i] = err:match "cannot await itself" and true or err; pcall(neap.sleep, math.huge) end
    end) end
    neap.sleep(0)
    for i = n, 2, -1 do local j = 1 + random(i); order[i], order[j] = order[j], order[i] end
    for _, i in ipairs(order) do
      local j = 1 + random(n)
      local k, cyc = j, i == j
      while k and not cyc do k = target[k]; cyc = k == i end
      if cyc then expected[i] = true else target[i] = j end
      gates[i]:set_result(tasks[j])
      neap.sleep(0)
    end
    assert.are.same(expected, raised)
    assert.is_not_nil(next(raised))
  end)) end
end)
