-- tail -f: shows what is added to a file, until Ctrl-C or SIGTERM. It notices when the file is
-- truncated, and when another takes its place, as logs do when they are rotated.
--
--   neap tail.lua FILE
local neap = require "neap"
local fs = require "neap.fs"
local signal = require "neap.signal"

local function show_rest(file)
  for chunk in function() return file:read() end do
    io.stdout:write(chunk)
  end
  io.stdout:flush()
end

-- Whether this is still the file at `path`.
local function is_same(file, path)
  if not fs.exists(path) then return false end
  local here, there = file:stat(), fs.stat(path)
  return here.ino == there.ino and here.dev == there.dev
end

local function split(path)
  local directory, name = path:match "^(.*)/([^/]*)$"
  if not directory then return ".", path end
  return directory == "" and "/" or directory, name
end

local function follow(path)
  -- The directory is watched, since a new file of that name is no event of the old one.
  local directory, name = split(path)
  local watch <close> = fs.watch(directory)
  local file = fs.open(path)
  local _ <close> = setmetatable({}, { __close = function() file:close() end })
  file:seek "end"
  io.stderr:write("following ", path, "\n")
  for _, changed in watch do
    if changed == name and fs.exists(path) then
      show_rest(file)
      if not is_same(file, path) then
        file:close()
        file = fs.open(path)
        show_rest(file)
      elseif file:seek() > file:stat().size then
        file:seek "set"
        show_rest(file)
      end
    end
  end
end

local function main(path)
  local follower = neap.create_task(follow, path)
  neap.create_task(function()
    signal.wait("SIGINT", "SIGTERM")
    follower:cancel()
  end)
  local ok, err = neap.pcall(follower.await, follower)
  if not ok and not follower:cancelled() then error(err, 0) end
end

if neap.current_task() then main(arg[1]) else neap.run(main, arg[1]) end
