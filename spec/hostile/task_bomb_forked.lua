-- expect: ended: refused
-- Every task makes two.
local neap = require "neap"
local refused
local function fork()
  neap.sleep(0)
  for _ = 1, 2 do
    local ok, err = pcall(neap.create_task, fork)
    refused = refused or not ok and err
  end
end
fork()
for _ = 1, 30 do neap.sleep(0) end
return refused:find "too many tasks" and "refused"
