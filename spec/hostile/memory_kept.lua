-- expect: ended: not enough memory|ended: .*step limit exceeded|failed: .*step limit exceeded
-- Takes all there is, keeps it, and goes on.
kept = {}
local ok, why
repeat
  ok, why = pcall(function() for _ = 1, 1000 do kept[#kept + 1] = {} end end)
until not ok
if why ~= "not enough memory" then return why end -- on a slow machine the time was up before
local _, err = pcall(string.rep, "x", 1e6)
return err
