-- A client of an unreliable service: every attempt has a time limit, failures are tried again
-- after a growing pause, and no more than `limit` requests are under way at once.
local neap = require "neap"

local Client = {}
Client.__index = Client

local Unavailable = neap.Error:extend "Unavailable"

--- new(send, options): send(request) waits for the answer, or raises.
local function new(send, options)
  options = options or {}
  return setmetatable({
    send = send,
    attempts = options.attempts or 4,
    timeout = options.timeout or 2, -- seconds for one attempt
    pause = options.pause or 1, -- seconds before the second attempt; then twice as long
    slots = neap.semaphore(options.limit or 2),
  }, Client)
end

local function try(client, request)
  local slot <close> = client.slots:acquire() -- luacheck: ignore 211
  return neap.wait_for(client.send, client.timeout, request)
end

function Client:request(request)
  local pause, failure = self.pause, nil
  for attempt = 1, self.attempts do
    -- neap.pcall, unlike pcall, does not keep the cancellation of this task.
    local ok, result = neap.pcall(try, self, request)
    if ok then return result end
    failure = result
    if attempt < self.attempts then
      neap.sleep(pause)
      pause = pause * 2
    end
  end
  local err = Unavailable(("%s: %d attempts failed"):format(request, self.attempts))
  err.cause = failure
  error(err)
end

return { new = new, Unavailable = Unavailable }
