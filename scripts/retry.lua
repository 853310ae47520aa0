-- Retry with exponential back-off: one limit for each attempt, and a deadline for the whole.
-- An attempt that fails or takes too long is an error, which is retried. The deadline is a
-- cancellation, which neap.pcall lets through: no retry loop can outlive its deadline.
local neap = require "neap"

local SEED = 7
local Unavailable = neap.Error:extend "Unavailable"
local began -- when the current request was begun

local function log(...)
  print(("%5.2f  %s"):format(neap.time() - began, string.format(...)))
end

--- A service that fails with the given probability, half of the time by not answering at all.
local function flaky_service(failing)
  return function(request)
    local luck = math.random()
    neap.sleep(luck < failing / 2 and 60 or 0.2)
    if luck < failing then error(Unavailable "503 try again later") end
    return "answer to " .. request
  end
end

--- Is it worth another try? Anything else is a bug or a refusal, and goes to the caller.
local function is_transient(err)
  return neap.is(err, Unavailable) or neap.is(err, neap.TimeoutError)
end

--- Calls fn(...) until it succeeds. `limit` is the time for one attempt, `pause` the first pause.
local function retry(limit, pause, fn, ...)
  for attempt = 1, math.huge do
    local ok, result = neap.pcall(neap.timeout, limit, fn, ...)
    if ok then return result end
    if not is_transient(result) then error(result, 0) end
    local delay = pause * (0.5 + math.random()) -- or all clients would come back at one instant
    log("attempt %d: %s; again in %.2f s", attempt, result, delay)
    neap.sleep(delay)
    pause = pause * 2
  end
end

local function main()
  math.randomseed(SEED)
  for _, failing in ipairs { 0.8, 1.0 } do
    began = neap.time()
    local service = flaky_service(failing)
    local ok, result = neap.pcall(neap.timeout, 10, retry, 1, 0.25, service, "the question")
    if not ok and not neap.is(result, neap.TimeoutError) then error(result, 0) end
    log("%s", ok and result or "the deadline has passed: giving up")
  end
end

-- Under `neap` a script is a task already; under `lua5.4` it starts the loop.
if neap.current_task() then main() else neap.run(main) end
