-- On what it was measured.
local measure = require "measure"

local machine = {}

local function first_line(command)
  local text = measure.capture(command)
  return text and text:match "^[^\n]+"
end

local function processor(used)
  local file <close> = io.open("/proc/cpuinfo")
  local model = file and file:read "a":match "model name%s*:%s*([^\n]+)" or "unknown processor"
  return ("%s, %s cores, %s used"):format(model, first_line "nproc" or "?", used)
end

local function system()
  return (first_line "uname -sr" or "?"):match "^%S+ %d+%.%d+" or "?"
end

local versions = {
  { "Lua", "pkg-config --modversion lua5.4" },
  { "libuv", "pkg-config --modversion libuv" },
  { "", "cc --version" },
}

local peer_versions = {
  go1 = { "", "go version" },
  node = { "Node", "node --version" },
  luvq = { "luv", "dpkg-query -W -f '${Version}' lua-luv" },
  cqueues = { "cqueues", "dpkg-query -W -f '${Version}' lua-cqueues" },
  tarantool = { "", "tarantool --version" },
  asyncio = { "", "/usr/bin/python3 --version" },
  uvloop = { "uvloop", "/usr/bin/python3 -c 'import uvloop; print(uvloop.__version__)'" },
  nginx = { "nginx", "dpkg-query -W -f '${Version}' nginx-light" },
  trio = { "trio", "/usr/bin/python3 -c 'import trio; print(trio.__version__)'" },
}

-- describe(OPTIONS, RESULTS, [USED]) -> a paragraph; how many cores were used, in a word
function machine.describe(options, results, used)
  local list = { first_line(options.neap .. " --version") or "neap" }
  local function add(version)
    local text = version and first_line(version[2])
    if text then list[#list + 1] = (version[1] .. " " .. text):gsub("^ ", "") end
  end
  for _, version in ipairs(versions) do add(version) end
  for _, peer in ipairs(results and results.peers or {}) do add(peer_versions[peer.name]) end
  local load = first_line "cut -d' ' -f1-3 /proc/loadavg" or "?"
  local rounds = results and (", %d rounds"):format(options.rounds) or ""
  return ("%s; %s; %s%s; load averages %s at the end.\nVersions: %s."):format(
    os.date "!%Y-%m-%d", processor(used or "one"), system(), rounds, load,
    table.concat(list, "; "))
end

return machine
