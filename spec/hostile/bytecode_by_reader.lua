-- expect: ended: attempt to load a binary chunk
local parts = { "\27Lua" }
local _, err = load(function() return table.remove(parts) end, "code", "bt")
return err:match "attempt to load a binary chunk"
