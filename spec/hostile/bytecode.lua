-- expect: ended: attempt to load a binary chunk
local _, err = load("\27Lua\x54\0\x19\x93\r\n\x1a\n", "code", "b")
return err:match "attempt to load a binary chunk"
