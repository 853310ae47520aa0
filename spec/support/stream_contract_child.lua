-- Runs the contract of streams on the standard descriptors: what is written to stdout is read from
-- stdin, by whatever means.  usage: neap stream_contract_child.lua RESULTS NUMBER...
-- Writes a line for each test: its number, a tab, "ok" or what is wrong.
package.path = "./?.lua;" .. package.path
local neap = require "neap"
local stdio = require "neap.stdio"
local contract = require "spec.support.stream_contract"

local results <close> = assert(io.open(arg[1], "w"))
results:setvbuf "line"
for i = 2, #arg do
  local number = math.tointeger(tonumber(arg[i]))
  local ok, err = neap.pcall(contract[number].body, stdio.stdout, stdio.stdin)
  results:write(number, "\t", ok and "ok" or (tostring(err):gsub("\n", " ")), "\n")
end
