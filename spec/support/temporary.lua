-- with_directory(body): a function for `it` that runs body(path, ...) as in_loop does, with a
-- new directory, which is removed in the end with all that is in it.
local in_loop = require "spec.support.loop"
local fs = require "neap.fs"

local function remove(path)
  if fs.lstat(path).type == "directory" then
    fs.chmod(path, tonumber("700", 8))
    for _, name in ipairs(fs.readdir(path)) do remove(path .. "/" .. name) end
    fs.rmdir(path)
  else
    fs.unlink(path)
  end
end

local function with_directory(body)
  return in_loop(function(...)
    local path = fs.mkdtemp()
    local _ <close> = setmetatable({}, { __close = function() remove(path) end })
    return body(path, ...)
  end)
end

return with_directory
