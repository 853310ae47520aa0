-- expect: failed: .*step limit exceeded
-- None of them lives long enough for a hook that counts anew in each.
local function burst(depth)
  for _ = 1, 20 do
    if depth > 0 then coroutine.wrap(burst)(depth - 1) end
  end
end
burst(30)
