-- expect: ended: false too many results to unpack
local ok, err = pcall(table.unpack, {}, 1, math.maxinteger)
return tostring(ok) .. " " .. err
