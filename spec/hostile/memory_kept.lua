-- expect: ended: not enough memory|ended: .*step limit exceeded|failed: .*step limit exceeded
-- Takes all there is, keeps it, and goes on.
kept = {}
while pcall(function() for _ = 1, 1000 do kept[#kept + 1] = {} end end) do end
local _, err = pcall(string.rep, "x", 1e6)
return err
