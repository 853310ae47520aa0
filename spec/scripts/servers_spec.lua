-- The scripts that serve, asked by curl.
local json = require "neap.json"
local process = require "spec.support.process"

--- Starts a script that says "listening on HOST:PORT"; returns the child and its url.
local function start(...)
  local child = process.start { "neap", ... }
  child:wait_for "listening on "
  local output = child:output()
  return child, "http://127.0.0.1:" .. output:match ":(%d+)"
end

local function curl(...)
  local result = process.run { "curl", "-sS", "-m", "20", ... }
  assert.are.equal(0, result.code, result.stderr)
  return result.stdout
end

--- The same value, in whatever order the fields are.
local function is_json(expected, text)
  assert.are.same(json.decode(expected), json.decode(text))
end

describe("scripts/json_api.lua", function()
  it("adds, lists and removes, and ends when asked to", function()
    local child <close>, url = start("scripts/json_api.lua", "0")
    is_json('{"id":1,"text":"milk"}', curl(url .. "/notes", "-d", '{"text":"milk"}'))
    is_json('{"count":1,"notes":[{"id":1,"text":"milk"}]}', curl(url .. "/notes"))
    assert.are.equal('a note looks like {"text": "..."}\n', curl(url .. "/notes", "-d", "milk"))
    assert.are.equal("", curl("-X", "DELETE", url .. "/notes/1"))
    assert.are.equal("there is no note 1\n", curl("-X", "DELETE", url .. "/notes/1"))
    assert.are.equal("404", curl("-o", "/dev/null", "-w", "%{http_code}", url .. "/elsewhere"))
    child:kill "TERM"
    local result = child:finish()
    assert.are.same({ 0, "" }, { result.code, result.stderr })
    assert.matches("bye\n$", result.stdout)
  end)
end)

describe("scripts/reverse_proxy.lua", function()
  it("hands requests on, with their bodies, and answers back", function()
    local api <close>, api_url = start("scripts/json_api.lua", "0")
    local proxy <close>, url = start("scripts/reverse_proxy.lua", api_url, "0")
    is_json('{"id":1,"text":"milk"}', curl(url .. "/notes", "-d", '{"text":"milk"}'))
    is_json('{"count":1,"notes":[{"id":1,"text":"milk"}]}', curl(url .. "/notes"))
    assert.are.equal("no such thing",
      curl(url .. "/elsewhere"):match "GET /elsewhere: (.-)\n")
    api:kill "KILL"
    api:finish()
    assert.are.equal("502", curl("-o", "/dev/null", "-w", "%{http_code}", url .. "/notes"))
    proxy:kill "INT"
    assert.are.equal(130, proxy:finish().code)
  end)
end)
