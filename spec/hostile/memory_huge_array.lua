-- expect: failed: not enough memory|failed: .*not enough memory|failed: .*step limit exceeded|failed: .*too many
return #table.pack(table.unpack({}, 1, 900000), table.unpack({}, 1, 900000))
